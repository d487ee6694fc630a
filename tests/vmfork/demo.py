# SPDX-License-Identifier: GPL-2.0
"""demo.py - one screen: two clones of a drawing machine side by side, without and with
new generation IDs, and with a vmclock. Of what they draw through the vDSO it shows one
thread's."""

import os

import sys

from machine import THREADS, Failure, Farm, end_by_signals
from snapshot import draw_until_parted, in_common, new_id, snapshot_of_draws, start_clones

AFTER = 2000            # draws of each thread that come after the notification for sure
VDSO = 0


def say(text):
    print(text, flush=True)


def show_rows(clones, thread):
    """The first draws, and those where the clones part."""
    parted = in_common(clones, thread)
    count = min(len(clone.values[thread][VDSO]) for clone in clones)
    last = -1
    for draw in sorted({0, 1, *range(max(parted - 1, 0), min(parted + 2, count))}):
        if draw > last + 1:
            say(f"{'...':>7}")
        one, other = (clone.values[thread][VDSO][draw].hex() for clone in clones)
        say(f"{draw + 1:7}  {one} {'=' if one == other else '|'} {other}")
        last = draw


def shared_after(clones):
    """How many values either clone drew after its notification that are in the other."""
    shared = 0
    for clone, other in (clones, clones[::-1]):
        drawn = {value for thread in range(THREADS) for value in clone.after(thread, VDSO)}
        shared += len(drawn & other.everything())
    return shared


def without_new_ids(farm, snapshot, guid):
    say("\nBoth with the old generation ID: nothing tells them that they are clones.")
    clones = start_clones(farm, snapshot, ("demo-1", "demo-2"), (guid, guid))
    alike = draw_until_parted(clones)
    thread = alike.index(max(alike))
    show_rows(clones, thread)
    say(f"{alike[thread]} draws are the same, until the kernel reseeds for another reason.")


def with_new_ids(farm, snapshot):
    clones = start_clones(farm, snapshot, ("demo-3", "demo-4"), (new_id(), new_id()))
    for clone in clones:
        clone.machine.wait_for("drawn", "noticed kmsg")
    for clone in clones:
        clone.draw(AFTER)
    alike = [in_common(clones, thread) for thread in range(THREADS)]
    thread = alike.index(max(alike))
    show_rows(clones, thread)
    told = " and ".join(f"{clone.draws_before()[thread]} draws "
                        f"({clone.time_before() * 1000:.0f} ms)" for clone in clones)
    say(f"{alike[thread]} draws are the same. A program that listens knew after\n{told};\n"
        f"of all draws from then on, the clones share {shared_after(clones)}.")


def snapshot_of(farm, guid):
    origin = farm.boot("demo", guid, "draw-vdso")
    snapshot = snapshot_of_draws(origin)
    farm.end(origin)
    return snapshot


def main():
    guid = new_id()
    with Farm() as farm:
        snapshot = snapshot_of(farm, guid)
        say("A machine was stopped while it drew from getrandom() in the vDSO, and started\n"
            "twice from there. One thread of each clone, 16 bytes a draw:")
        with Farm() as clones:
            without_new_ids(clones, snapshot, guid)
        say("\nEach with a new generation ID: the kernel is notified, and reseeds.")
        with Farm() as clones:
            with_new_ids(clones, snapshot)
    if not os.environ["QEMU_VMCLOCK"]:
        say("\nThere is no QEMU with a vmclock, which would close the window.")
        return
    with Farm(vmclock=True) as farm:
        snapshot = snapshot_of(farm, guid)
        say("\nEach with a new generation ID, and with a vmclock: every draw looks at it.")
        with Farm(vmclock=True) as clones:
            with_new_ids(clones, snapshot)


end_by_signals()
try:
    main()
except Failure as failure:
    sys.exit(f"error: {failure}")
