# SPDX-License-Identifier: GPL-2.0
# draw.rb urandom|uuid - the time of one call, in nanoseconds of processor time
require 'securerandom'

COUNT = 60_000
call = { 'urandom' => -> { Random.urandom(16) }, 'uuid' => -> { SecureRandom.uuid } }[ARGV[0]]
(COUNT / 10).times { call.() }
start = Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID, :nanosecond)
COUNT.times { call.() }
puts (Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID, :nanosecond) - start).fdiv(COUNT)
