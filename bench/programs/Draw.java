// SPDX-License-Identifier: GPL-2.0
// Draw.java - the time of SecureRandom.nextBytes() of 16 bytes, in nanoseconds of the thread's time
import java.lang.management.ManagementFactory;
import java.security.SecureRandom;

class Draw {
	static final int COUNT = 300000;

	static void draw(SecureRandom random, int count) {
		byte[] bytes = new byte[16];

		for (int i = 0; i < count; i++)
			random.nextBytes(bytes);
	}

	public static void main(String[] arguments) {
		var time = ManagementFactory.getThreadMXBean();
		var random = new SecureRandom();

		draw(random, COUNT / 2);
		long start = time.getCurrentThreadCpuTime();
		draw(random, COUNT);
		System.out.println((double)(time.getCurrentThreadCpuTime() - start) / COUNT);
	}
}
