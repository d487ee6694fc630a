# SPDX-License-Identifier: GPL-2.0
"""draw.py urandom|token_hex|uuid4 - the time of one call, in nanoseconds of processor time."""

import os
import secrets
import sys
import time
import uuid

COUNT = 60000


def urandom():
    os.urandom(16)


def token_hex():
    secrets.token_hex(16)


def uuid4():
    uuid.uuid4()


call = {"urandom": urandom, "token_hex": token_hex, "uuid4": uuid4}[sys.argv[1]]
for _ in range(COUNT // 10):
    call()
start = time.process_time_ns()
for _ in range(COUNT):
    call()
print((time.process_time_ns() - start) / COUNT)
