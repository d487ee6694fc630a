<?php
// SPDX-License-Identifier: GPL-2.0
// draw.php - the time of random_bytes(16), in nanoseconds of processor time

const COUNT = 200000;

function processor_time()
{
	$usage = getrusage();
	return ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) * 1e9 +
		($usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec']) * 1e3;
}

$start = processor_time();
for ($i = 0; $i < COUNT; $i++)
	random_bytes(16);
echo (processor_time() - $start) / COUNT, "\n";
