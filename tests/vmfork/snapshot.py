# SPDX-License-Identifier: GPL-2.0
"""Snapshots of a machine that is drawing, and what its clones draw from there on."""

import os
import time
import uuid

from machine import CAPACITY, KINDS, THREADS, Failure

ROUNDS = 40000          # draws of each thread during which a snapshot is taken
STEP = 2000             # draws of each thread between two looks at clones alike
TRIES = 100             # to stop the machine at the right moment
MAX_FILLED = 0.4        # of the large call's buffer at a snapshot within that call


class Snapshot:
    """A file from which clones start, and the guest's notes at that moment."""

    def __init__(self, machine, memory=None, name=None):
        self.file = os.path.join(os.environ["SCRATCH"], f"{name or machine.name}.snapshot")
        self.guid = machine.guid
        self.addresses = machine.addresses
        self.watches = machine.watches
        self.clones = machine.clones
        self.memory = memory
        self.vdso = machine.vdso
        self.instruction_pointers = machine.instruction_pointers()
        machine.write_to(self.file)


def reseed_interval(memory):
    """Seconds until the kernel reseeds by itself: half of its uptime, 1 at least."""
    return max(1, memory.large.reseeded.time // 10**9 // 2)


def age(memory):
    """Seconds from the last reseed to the last beginning or end of a call."""
    last = max(stream.time for stream in [*memory.threads, memory.large])
    return (last - memory.large.reseeded.time) / 1e9


def end_draws(machine):
    """Lets a machine that was stopped at a snapshot end its draws."""
    if machine.is_drawing:
        machine.resume()
        machine.wait_for("drawn")
        machine.is_drawing = False


def caught_drawing(machine, before):
    """Stops the machine when all threads have drawn, none is far, and it is early."""
    for _ in range(TRIES):
        machine.stop()
        memory = machine.memory()
        drawn = [now.done - then.done for now, then in zip(memory.threads, before.threads)]
        drawn.append(memory.names.done - before.names.done)
        is_late = max(drawn) > ROUNDS // 2 or age(memory) > reseed_interval(memory) / 3
        if min(drawn) > 0 and not is_late:
            return memory
        machine.resume()
        if is_late:
            break
    return None


def snapshot_of_draws(machine, name=None):
    """A snapshot right after a reseed, so that the next one is as far off as can be."""
    end_draws(machine)
    for _ in range(TRIES):
        before = machine.memory()
        machine.command("reseed", "reseeded")
        machine.command(f"draw {ROUNDS}", "drawing")
        memory = caught_drawing(machine, before)
        if memory:
            machine.is_drawing = True
            return Snapshot(machine, memory, name)
        machine.wait_for("drawn")
    raise Failure(f"{machine.name} was never caught drawing")


def filled(memory):
    """How much of its buffer the large call has written."""
    return len(memory.buffer.rstrip(b"\0")) / len(memory.buffer)


def snapshot_of_large_call(machine):
    """A snapshot within the large call, with most of it still to come."""
    for _ in range(TRIES):
        machine.command("reseed", "reseeded")
        machine.command("fill", "filling")
        machine.stop()
        memory = machine.memory()
        if memory.large.started > memory.large.done and 0 < filled(memory) < MAX_FILLED:
            return Snapshot(machine, memory)
        machine.resume()
        machine.wait_for("filled")
    raise Failure(f"{machine.name} was never caught in its large call")


def new_id():
    return str(uuid.uuid4())


class Clone:
    """A machine that was started from a snapshot, and what it has drawn since."""

    def __init__(self, farm, name, snapshot, guid):
        self.snapshot = snapshot
        self.machine = farm.clone(name, guid, snapshot)
        # [thread][kind]: values since the snapshot, a draw that was under way included
        self.values = [[[] for _ in KINDS] for _ in range(THREADS)]
        self.names = []
        self.memory = None

    def read(self):
        self.memory = self.machine.memory()
        for stream, then, kinds in zip(self.memory.threads, self.snapshot.memory.threads,
                                       self.values):
            for kind, values in enumerate(kinds):
                values += stream.values(kind, then.done + len(values))
        self.names += self.memory.names.values(
            0, self.snapshot.memory.names.done + len(self.names))

    def draw(self, count):
        self.machine.command(f"draw {count}", "drawn")
        self.read()

    def first_after(self, thread, watch="kmsg"):
        """Number of the first draw that began after the notification."""
        return (self.memory.threads[thread].noticed[watch].started -
                self.snapshot.memory.threads[thread].done)

    def draws_before(self, watch="kmsg"):
        return [self.first_after(thread, watch) for thread in range(THREADS)]

    def time_before(self, watch="kmsg"):
        """Seconds from the resume to the notification."""
        resumed = max(stream.time for stream in self.snapshot.memory.threads)
        return (self.memory.large.noticed[watch].time - resumed) / 1e9

    def after(self, thread, kind):
        return self.values[thread][kind][self.first_after(thread):]

    def since(self):
        """All values since the snapshot."""
        return {value for kinds in self.values for kind in kinds for value in kind}

    def everything(self):
        """Those, and the ones before the snapshot that are in memory."""
        values = self.since()
        for stream in self.snapshot.memory.threads:
            for kind in range(len(KINDS)):
                values.update(stream.values(kind, max(0, stream.done - CAPACITY)))
        return values


def start_clones(farm, snapshot, names, guids):
    """Clones that go on from the moment of the snapshot, side by side."""
    clones = [Clone(farm, name, snapshot, guid) for name, guid in zip(names, guids)]
    for clone in clones:
        clone.machine.resume()
    return clones


def in_common(clones, thread, kind=0):
    """How many values in a row both clones have drawn alike since the snapshot."""
    one, other = (clone.values[thread][kind] for clone in clones)
    alike = 0
    while alike < min(len(one), len(other)) and one[alike] == other[alike]:
        alike += 1
    return alike


def draw_until_parted(clones):
    """Until no thread of one clone goes on like that of the other.

    Returns for each thread how many draws were alike.
    """
    for clone in clones:
        clone.machine.wait_for("drawn")
        clone.read()
    end = time.monotonic() + float(os.environ["TIMEOUT"])
    while time.monotonic() < end:
        alike = [in_common(clones, thread) for thread in range(THREADS)]
        if all(n < min(len(clone.values[thread][0]) for clone in clones)
               for thread, n in enumerate(alike)):
            return alike
        for clone in clones:
            clone.machine.wire.send(f"draw {STEP}")
        for clone in clones:
            clone.machine.wait_for("drawn")
            clone.read()
    raise Failure("the periodic reseed did not part the clones")
