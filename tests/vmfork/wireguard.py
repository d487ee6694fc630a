# SPDX-License-Identifier: GPL-2.0
"""wireguard.py - a clone that is told ends its WireGuard sessions; one that is not, goes
on with the keys that the other one has as well."""

import os

from machine import Failure, Farm, end_by_signals
from snapshot import Snapshot, new_id

PACKETS = 100           # for each look at the session


def say(result, what, comment):
    print(f"{result} {what} # {comment}", flush=True)


def handshake(machine):
    return machine.ask(f"send {PACKETS}", "handshake")


def sessions(machine):
    """How many packets with data each session has had."""
    counts = (entry.split(":") for entry in machine.ask("sessions", "sessions").split())
    return {index: int(packets) for index, packets in counts}


def start_clone(farm, snapshot, name, guid, command):
    """The guest executes the command as soon as it runs."""
    clone = farm.clone(name, guid, snapshot)
    clone.wire.send(command)
    clone.resume()
    return clone


def judge_told(farm, snapshot, before):
    what = "WireGuard, new ID: each clone agrees on a new key for the next packets"
    clones = [start_clone(farm, snapshot, name, new_id(), "watch")
              for name in ("wg-1", "wg-2")]
    for clone in clones:
        clone.wait_for("noticed kmsg")
    after = [handshake(clone) for clone in clones]
    say("fail" if before in after else "pass", what,
        f"handshake {before} before, {' and '.join(after)} after")


def judge_at_once(farm, snapshot, old):
    """They send right away, before the kernel is notified."""
    what = "WireGuard, new ID: no packet under an old session after the resume"
    if "clones" not in os.environ["SERIES"].split():
        say("skip", what, "not in this tree")
        return
    clones = [start_clone(farm, snapshot, name, new_id(), f"send {PACKETS}")
              for name in ("wg-now-1", "wg-now-2")]
    packets, wrong = 0, 0
    for clone in clones:
        clone.wait_for_word("handshake")
        for index, count in sessions(clone).items():
            wrong += count - old[index] if index in old else 0
            packets += 0 if index in old else count
    say("fail" if wrong or packets < 2 * PACKETS else "pass", what,
        f"{wrong} packets under old sessions, {packets} under new ones")


def judge_control(farm, snapshot, guid, before):
    what = "WireGuard, old ID: a clone goes on with the key that it has"
    clone = farm.clone("wg-control", guid, snapshot)
    clone.resume()
    after = handshake(clone)
    say("pass" if before == after else "fail", what, f"handshake {before} before, {after} after")


def main():
    guid = new_id()
    with Farm() as farm:
        origin = farm.boot("wg-origin", guid, "wireguard")
        before = handshake(origin)
        if handshake(origin) != before:
            raise Failure("the origin did not keep its session")
        old = sessions(origin)
        origin.stop()
        snapshot = Snapshot(origin)
        judge_at_once(farm, snapshot, old)
        judge_told(farm, snapshot, before)
        judge_control(farm, snapshot, guid, before)


end_by_signals()
try:
    main()
except Failure as failure:
    say("fail", "WireGuard's sessions end in a clone", failure)
