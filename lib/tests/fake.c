// SPDX-License-Identifier: MIT
/*
 * An image like a vDSO's, with a getrandom() that needs no kernel support: it draws by the
 * system call, and leaves marks in the state. It is linked as a shared object without
 * relocations, so a test can contain the file as it is, or map it.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define EXPORT __attribute__((visibility("default")))

struct params {
	uint32_t size_of_opaque_state;
	uint32_t mmap_prot;
	uint32_t mmap_flags;
	uint32_t reserved[13];
};

struct state {
	uint64_t draws;
	uint64_t busy;	/* the process */
	char rest[128];
};

static long system_call(long number, void *buf, size_t len, unsigned int flags)
{
#if defined(__x86_64__)
	long result;

	__asm__ volatile("syscall"
			 : "=a" (result)
			 : "0" (number), "D" (buf), "S" (len), "d" (flags)
			 : "rcx", "r11", "memory");
	return result;
#else
	register long zeroth __asm__("x8") = number;
	register long result __asm__("x0") = (long)buf;
	register long second __asm__("x1") = len;
	register long third __asm__("x2") = flags;

	__asm__ volatile("svc 0"
			 : "+r" (result)
			 : "r" (zeroth), "r" (second), "r" (third)
			 : "memory");
	return result;
#endif
}

EXPORT long FUNCTION(void *buf, size_t len, unsigned int flags, void *opaque, size_t opaque_len);

/*
 * A state that is already in use, or a wrong one, ends the test. In a child, a state may
 * look as if it was in use: this memory is not cleared there.
 */
long FUNCTION(void *buf, size_t len, unsigned int flags, void *opaque, size_t opaque_len)
{
	struct params *params = opaque;
	volatile struct state *state = opaque;
	long result, pid;

	if (!buf && !len && !flags && opaque_len == ~0ul) {
		params->size_of_opaque_state = sizeof(*state);
		params->mmap_prot = PROT_READ | PROT_WRITE;
		params->mmap_flags = MAP_PRIVATE | MAP_ANONYMOUS;
		for (int i = 0; i < 13; i++)
			params->reserved[i] = 0;
		return 0;
	}
	/* As mainline's: other flags need no state. */
	if (flags > 7)
		return system_call(SYS_getrandom, buf, len, flags);
	pid = system_call(SYS_getpid, NULL, 0, 0);
	if (opaque_len != sizeof(*state) || ((uintptr_t)opaque & 4095) + sizeof(*state) > 4096 ||
	    state->busy == (uint64_t)pid)
		__builtin_trap();
	state->busy = pid;
	result = system_call(SYS_getrandom, buf, len, flags);
	state->draws++;
	state->busy = 0;
	return result;
}
