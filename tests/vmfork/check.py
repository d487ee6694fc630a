# SPDX-License-Identifier: GPL-2.0
"""check.py [full|vmclock] - the cases of the clone test, a line "pass|fail|skip WHAT" for each."""

import os
import sys

from machine import KINDS, THREADS, VALUE_SIZE, WATCHES, Failure, Farm, end_by_signals
from snapshot import (age, draw_until_parted, end_draws, new_id, reseed_interval,
                      snapshot_of_draws, snapshot_of_large_call, start_clones)
from window import NAMES, SOURCES, Window

AFTER = 2000            # draws of each thread that come after the notification for sure
CONTROL_TRIES = 3       # to have every thread run before the periodic reseed
MANY = 100              # clones of one snapshot, and
FIRST = 2000            # draws of each of their threads that are compared
LARGE_TRIES = 5         # to have the large call end, and be told, at the right moment


def say(result, what, comment):
    print(f"{result} {what} # {comment}", flush=True)


def judge(what, problem, comment):
    say("fail" if problem else "pass", what, problem or comment)


def span(numbers):
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def notices(snapshot):
    return [f"noticed {watch}" for watch in snapshot.watches]


def finish_draws(clones):
    """Lets clones with a new ID end the draws that the snapshot was taken in, and go on."""
    for clone in clones:
        clone.machine.wait_for("drawn", *notices(clone.snapshot))
    for clone in clones:
        clone.draw(AFTER)


def shared_by_threads(clones, kind):
    """How many values of each thread of one clone the other one has drawn as well."""
    others = clones[1].since()
    return [len(set(clones[0].values[thread][kind]) & others) for thread in range(THREADS)]


def shared_names(clones):
    """How many names both clones have drawn. They are short, so count pairs of names."""
    one, other = ({first + second for first, second in zip(clone.names, clone.names[1:])}
                  for clone in clones)
    return len(one & other)


def repeats(clone, other, kind):
    """Draws after the clone's notification that the other one has, or that come twice."""
    seen = other.everything()
    count = 0
    for thread in range(THREADS):
        for value in clone.after(thread, kind):
            count += value in seen
            seen.add(value)
    return count


def judge_watch(title, clones, watch):
    snapshot = clones[0].snapshot
    what = f"{title}: {watch} tells each clone"
    if watch not in snapshot.watches:
        say("skip", what, "not in this tree")
        return
    miscounted = watch == "fork_event" and any(
        clone.machine.clones != snapshot.clones + 1 for clone in clones)
    judge(what, miscounted and "but not that it was cloned once more",
          "from resume to notification " +
          " and ".join(f"{span(clone.draws_before(watch))} draws of a thread in "
                       f"{clone.time_before(watch) * 1000:.0f} ms" for clone in clones))


def judge_window(title, window, sources):
    """Nothing has told the guests that they are clones when they start to run."""
    what = f"{title}: {{}}: nothing in common from the snapshot on"
    if "clones" not in os.environ["SERIES"].split():
        say("skip", what.format("draws"), "not in this tree")
        return
    for source in sources:
        shared, finished, hidden = window.shared(source)
        judge(what.format(source), shared and f"{len(shared)} draws, such as "
              f"{' and '.join(sorted(shared[0]))}",
              f"{window.drawn(source)} draws of {window.count} clones" +
              (f"; {finished} more were finished at the snapshot" if finished else "") +
              (f"; {hidden} more may have been, behind an interrupt" if hidden else ""))


def judge_cookies(title, clones, expected):
    """What cookies from before the snapshot tell now."""
    answers = [clone.machine.ask("cookies", "cookies").split() for clone in clones]
    for kind, name in enumerate(KINDS):
        told = {answer[kind] for answer in answers}
        what = f"{title}: {name}: a cookie tells of a {expected}"
        if told == {"absent"}:
            say("skip", what, "not in this tree")
        else:
            judge(what, told != {expected} and f"it tells: {' and '.join(sorted(told))}",
                  "16 bytes")


def judge_interrupts(title, clones):
    """Other devices than these have no interrupts of their own."""
    devices = clones[0].machine.devices
    if not devices.has_interrupts:
        return
    names = ("vmgenid", "vmclock") if devices.vmclock else ("vmgenid",)
    for name in names:
        counts = [clone.machine.ask(f"interrupts {name}", "interrupts") for clone in clones]
        judge(f"{title}: the {name} interrupts each clone once",
              counts != ["1"] * len(clones) and f"counts: {' and '.join(counts)}",
              "as the kernel counts it")


def judge_clones(title, clones):
    """They have new IDs."""
    for watch in WATCHES:
        judge_watch(title, clones, watch)
    for kind, name in enumerate(KINDS):
        count = sum(len(clone.after(thread, kind))
                    for clone in clones for thread in range(THREADS))
        repeated = sum(repeats(*pair, kind) for pair in (clones, clones[::-1]))
        judge(f"{title}: {name}: no value twice from the first draw after the notification on",
              repeated and f"{repeated} of {count} draws", f"{count} draws; before it "
              f"{span(shared_by_threads(clones, kind))} of a thread in both clones")


def two_clones(farm, title, snapshot):
    clones = start_clones(farm, snapshot, ("clone-1", "clone-2"), (new_id(), new_id()))
    finish_draws(clones)
    judge_clones(title, clones)
    judge_cookies(title, clones, "clone")
    judge_interrupts(title, clones)
    window = Window(snapshot)
    for clone in clones:
        window.add(clone)
    judge_window(title, window, SOURCES if farm.vmclock else SOURCES[1:])


def rewind(_, title, snapshot):
    """One after the other, as a machine that is set back."""
    clones = []
    for name in ("rewind-1", "rewind-2"):
        with Farm() as farm:
            clones += start_clones(farm, snapshot, (name,), (new_id(),))
            finish_draws(clones[-1:])
    judge_clones(title, clones)


def clone_of_clone(farm, title, snapshot):
    parents = start_clones(farm, snapshot, ("parent",), (new_id(),))
    finish_draws(parents)
    parent = parents[0].machine
    snapshot = snapshot_of_draws(parent)
    farm.end(parent)
    clones = start_clones(farm, snapshot, ("grandchild-1", "grandchild-2"),
                          (new_id(), new_id()))
    finish_draws(clones)
    judge_clones(title, clones)
    judge_cookies(title, clones, "clone")


def control(farm, title, snapshot, guid, origin):
    """They have the old ID: nothing tells them that they are clones."""
    clones = []
    alike = [0]
    for count in range(CONTROL_TRIES):
        for clone in clones:
            farm.end(clone.machine)
        # At the first one, the kernel may have had no number left for a name.
        if count:
            snapshot = snapshot_of_draws(origin, "control")
        clones = start_clones(farm, snapshot, ("control-1", "control-2"), (guid, guid))
        alike = draw_until_parted(clones)
        if all(alike) and shared_names(clones):
            break
    judge(f"{title}: vDSO: every thread draws the same until the periodic reseed",
          0 in alike and "a thread draws another value at once",
          f"{span(alike)} draws of a thread")
    shared = shared_by_threads(clones, 1)
    judge(f"{title}: system call: every thread draws the same until the periodic reseed",
          0 in shared and "a thread has no value of the other clone",
          f"{span(shared)} draws of a thread in both clones")
    names = shared_names(clones)
    judge(f"{title}: {NAMES}: both clones draw some of the same",
          not names and "no two names in a row are in both", f"{names} pairs of names")
    late = [{value for thread in range(THREADS)
             for value in clone.values[thread][0][alike[thread]:]} for clone in clones]
    judge(f"{title}: vDSO: nothing in common after it", len(late[0] & late[1]),
          f"{len(late[0])} and {len(late[1])} draws")
    judge_cookies(title, clones, "reseed")


def large_calls(farm, snapshot, names, guids, *events):
    """Lets clones end the call that the snapshot was taken in."""
    clones = start_clones(farm, snapshot, names, guids)
    for clone in clones:
        clone.machine.wait_for("filled", *events)
        clone.memory = clone.machine.memory()
    for clone in clones:
        farm.end(clone.machine)
    return clones


def ended_before_reseed(clone):
    return age(clone.memory) < reseed_interval(clone.memory)


def was_told_within(clone):
    """A notification after the call's last check is one after the call."""
    noticed = clone.memory.large.noticed["kmsg"]
    return noticed.started > noticed.done


def pieces(data):
    return {data[i:i + VALUE_SIZE] for i in range(0, len(data), VALUE_SIZE)}


def large_call(farm, title, origin, guid):
    for _ in range(LARGE_TRIES):
        snapshot = snapshot_of_large_call(origin)
        same = large_calls(farm, snapshot, ("large-control-1", "large-control-2"),
                           (guid, guid))
        new = large_calls(farm, snapshot, ("large-1", "large-2"), (new_id(), new_id()),
                          *notices(snapshot))
        if all(map(ended_before_reseed, same)) and all(map(was_told_within, new)):
            break
        origin.resume()
        origin.wait_for("filled")
    else:
        raise Failure(f"{LARGE_TRIES} calls ended too late or too early")
    size = f"{len(snapshot.memory.buffer) >> 20} MiB"
    one, other = (clone.memory.buffer for clone in same)
    judge(f"{title}, old ID: vDSO: both clones get the same",
          one != other and "they differ", size)
    shared = pieces(new[0].memory.buffer) & pieces(new[1].memory.buffer)
    judge(f"{title}, new IDs: vDSO: what it returns has nothing in common",
          shared and f"{len(shared) * VALUE_SIZE} bytes", size)


def many_clones(farm, title, snapshot):
    """One at a time, for the sake of memory."""
    window = Window(snapshot, FIRST)
    for _ in range(MANY):
        clones = start_clones(farm, snapshot, ("one-of-many",), (new_id(),))
        finish_draws(clones)
        window.add(clones[0])
        farm.end(clones[0].machine)
    judge_window(title, window, SOURCES)


def attempt(title, case, *arguments, vmclock=False):
    try:
        with Farm(vmclock) as farm:
            return case(farm, title, *arguments)
    except Failure as failure:
        say("fail", title, failure)
        return None


def basic(origin, guid):
    snapshot = snapshot_of_draws(origin)
    attempt("two clones, new IDs", two_clones, snapshot)
    attempt("control, old ID", control, snapshot, guid, origin)
    return snapshot


def full(origin, guid):
    snapshot = basic(origin, guid)
    attempt("rewind, new IDs", rewind, snapshot)
    attempt("clone of a clone, new IDs", clone_of_clone, snapshot)
    end_draws(origin)
    attempt("within a call", large_call, origin, guid)


def two_clones_without_calls(farm, title):
    """No draw makes a system call, in which the kernel would notice."""
    guid = new_id()
    origin = farm.boot("origin-vdso", guid, "draw-vdso")
    snapshot = snapshot_of_draws(origin)
    farm.end(origin)
    if not origin.devices.tells_every_clone:
        same = start_clones(farm, snapshot, ("vdso-control-1", "vdso-control-2"), (guid, guid))
        alike = draw_until_parted(same)
        judge(f"{title}, old ID: every thread draws the same until the periodic reseed",
              0 in alike and "a thread draws another value at once",
              f"{span(alike)} draws of a thread")
        for clone in same:
            farm.end(clone.machine)
    clones = start_clones(farm, snapshot, ("vdso-1", "vdso-2"), (new_id(), new_id()))
    finish_draws(clones)
    window = Window(snapshot)
    for clone in clones:
        window.add(clone)
    judge_window(title, window, SOURCES[:1])


def vmclock(origin, _):
    snapshot = snapshot_of_draws(origin)
    attempt("two clones, vmclock", two_clones, snapshot, vmclock=True)
    attempt("two clones, vmclock, no system calls", two_clones_without_calls, vmclock=True)
    return snapshot


def vmclock_full(origin, guid):
    snapshot = vmclock(origin, guid)
    attempt(f"{MANY} clones, vmclock", many_clones, snapshot, vmclock=True)


CASES = {"basic": basic, "full": full, "vmclock": vmclock, "vmclock-full": vmclock_full}


def run(farm, _, cases):
    guid = new_id()
    cases(farm.boot("origin", guid), guid)


end_by_signals()
kind = sys.argv[1]
attempt("clone test", run, CASES[kind], vmclock=kind.startswith("vmclock"))
