# SPDX-License-Identifier: GPL-2.0
"""Draws from os.urandom(); succeeds when no draw is zero or equal to another."""

import os
import sys

MANY = 100_000
SAMPLE = 16  # bytes: no two are equal by chance

print("# CPython", sys.version.split()[0], flush=True)
draws = {os.urandom(SAMPLE) for _ in range(MANY)}
if len(draws) != MANY:
    sys.exit("# the same bytes came out twice")
if bytes(SAMPLE) in draws:
    sys.exit("# zeros came out")
