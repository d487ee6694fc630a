# SPDX-License-Identifier: GPL-2.0
"""wireguard.py - a clone that is told ends its WireGuard sessions; one that is not, goes
on with the keys that the other one has as well."""

import os

from machine import Failure, Farm, end_by_signals
from snapshot import Snapshot, new_id

PACKETS = 100           # for each look at the session
TRIES = 1000            # to see as many under a new one


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


def start_told(farm, snapshot, *names):
    """Clones with new IDs, which have been told."""
    clones = [start_clone(farm, snapshot, name, new_id(), "watch") for name in names]
    for clone in clones:
        clone.wait_for("noticed kmsg")
    return clones


def judge_told(farm, snapshot, before):
    what = "WireGuard, new ID: each clone agrees on a new key for the next packets"
    clones = start_told(farm, snapshot, "wg-1", "wg-2")
    after = [handshake(clone) for clone in clones]
    say("fail" if before in after else "pass", what,
        f"handshake {before} before, {' and '.join(after)} after")


def last(machine, index):
    """The session's last packets, each with its counter and time."""
    return set(machine.ask(f"last {index}", "last").split())


def wait_for_new_session(clone, old):
    """Returns how many packets the new sessions have had."""
    for _ in range(TRIES):
        new = sum(count for index, count in sessions(clone).items() if index not in old)
        if new >= PACKETS:
            return new
    raise Failure(f"{clone.name} has sent no {PACKETS} packets under a new session")


def judge_flood(farm, snapshot, old):
    """Packets are in every place between a program and the wire, and more keep coming, while
    the machine is stopped and when its clones go on. Those that were sent before the
    snapshot were sent at the same time in both."""
    what = "WireGuard, new ID: no packet under an old session after the resume"
    if "clones" not in os.environ["SERIES"].split():
        say("skip", what, "not in this tree")
        return
    clones = start_told(farm, snapshot, "wg-flood-1", "wg-flood-2")
    packets = [wait_for_new_session(clone, old) for clone in clones]
    before, wrong = 0, 0
    for index in old:
        one, other = (last(clone, index) for clone in clones)
        before += len(one & other)
        wrong += len(one ^ other)
    say("fail" if wrong or not before else "pass", what,
        f"{wrong} packets under old sessions, {sum(packets)} under new ones")


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
        origin.stop()
        snapshot = Snapshot(origin)
        judge_told(farm, snapshot, before)
        judge_control(farm, snapshot, guid, before)
        origin.resume()
        origin.command("flood", "flooding")
        old = sessions(origin)
        origin.stop()
        judge_flood(farm, Snapshot(origin), old)


end_by_signals()
try:
    main()
except Failure as failure:
    say("fail", "WireGuard's sessions end in a clone", failure)
