# SPDX-License-Identifier: GPL-2.0
"""hibernate.py - one hibernation image is restored twice: from the image on, the two
machines draw nothing alike, though nothing tells them that they are two."""

import os
import subprocess

from machine import CAPACITY, KINDS, THREADS, Failure, Farm, end_by_signals
from snapshot import new_id

TITLE = "one hibernation image, restored twice"
DISK = os.path.join(os.environ["SCRATCH"], "swap")
DISK_SIZE = 512 << 20


def say(result, what, comment):
    print(f"{result} {what} # {comment}", flush=True)


def make_swap():
    with open(DISK, "wb") as disk:
        disk.truncate(DISK_SIZE)
    made = subprocess.run(["mkswap", DISK], check=False, capture_output=True, text=True,
                          env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
    if made.returncode:
        raise Failure(f"mkswap: {made.stderr.strip()}")


def drive(snapshot):
    return "-drive", f"file={DISK},format=raw,if=virtio,snapshot={snapshot}"


def hibernate(guid):
    """Returns where the guest's notes are."""
    with Farm() as farm:
        machine = farm.boot("hibernated", guid, "draw", *drive("off"))
        # Else a thread may have drawn nothing by the time that the image is made.
        machine.command("draw 100", "drawn")
        machine.command("reseed", "reseeded")
        machine.command("hibernate", "hibernating")
        machine.wait_until_off()
        return machine.addresses


def restore(farm, name, guid, addresses):
    """Leaves the image as it is. Where it is not restored, the guest has nothing to do."""
    machine = farm.start(name, guid, "nothing", *drive("on"))
    machine.addresses = addresses
    return machine


def image_point(one, other):
    """The first draw that began after the image was made, in both machines."""
    start = max(one.done, other.done) - CAPACITY
    end = min(one.done, other.done)
    alike = [i for i in range(max(start, 0), end) if one.counter(i) == other.counter(i)]
    if not alike:
        raise Failure("the machines have no draw from before the image")
    return alike[-1] + 1


def parted(stream, kind, point):
    """The values that are in memory, from before the image and from after it."""
    return (set(stream.values(kind, max(stream.done - CAPACITY, 0), point)),
            set(stream.values(kind, point)))


def repeats(kind, memories):
    """Values after the image that the other machine has as well, or that came before."""
    points = [image_point(*streams) for streams in
              zip(*(memory.threads for memory in memories))]
    before, after = set(), []
    for memory in memories:
        old, new = zip(*(parted(stream, kind, point)
                         for stream, point in zip(memory.threads, points)))
        before = before.union(*old)
        after.append(set().union(*new))
    return (len(after[0] & after[1]) + sum(len(new & before) for new in after),
            sum(map(len, after)))


def judge_draws(kind, name, memories):
    repeated, drawn = repeats(kind, memories)
    say("fail" if repeated else "pass",
        f"{TITLE}: {name}: no value twice from the first draw after the image on",
        f"{f'{repeated} repeated, ' if repeated else ''}{drawn} draws of {THREADS} threads")


def judge_cookies(machines):
    told = {answer for machine in machines
            for answer in machine.ask("cookies", "cookies").split()}
    what = f"{TITLE}: a cookie tells of a reseed"
    if told == {"absent"}:
        say("skip", what, "not in this tree")
    else:
        say("pass" if told == {"reseed"} else "fail", what, " and ".join(sorted(told)))


def main():
    guid = new_id()
    make_swap()
    addresses = hibernate(guid)
    with Farm() as farm:
        machines = [restore(farm, f"restored-{i}", guid, addresses) for i in (1, 2)]
        for machine in machines:
            machine.wait_for("woken", "drawn")
        memories = [machine.memory() for machine in machines]
        for kind, name in enumerate(KINDS):
            judge_draws(kind, name, memories)
        judge_cookies(machines)


end_by_signals()
try:
    main()
except Failure as failure:
    say("fail", TITLE, failure)
