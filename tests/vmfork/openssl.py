# SPDX-License-Identifier: GPL-2.0
"""openssl.py - two clones of one snapshot call RAND_bytes(): OpenSSL's own generator returns
the same in both, that of the provider of lib/openssl does not."""

from machine import Failure, Farm, end_by_signals
from snapshot import Snapshot, new_id

# calls, and bytes of each: as long as an ID, and by the provider's two other paths
DRAWS = ((200, 16), (20, 512), (4, 10000))
BEFORE = 100            # calls before the snapshot, so that nothing is seeded for the first time
CONTROL_TRIES = 3       # to draw before the periodic reseed
GENERATORS = {"openssl-stock": ("OpenSSL's own generator", "CTR-DRBG"),
              "openssl-provider": ("the provider", "VGETRANDOM")}


def say(result, what, comment):
    print(f"{result} {what} # {comment}", flush=True)


def judge(what, good, comment):
    say("pass" if good else "fail", what, comment)


def draw(machine, count, size):
    return machine.ask(f"draw {count} {size}", "values").split()


def draw_all(machine):
    return [value for count, size in DRAWS for value in draw(machine, count, size)]


def take_snapshot(farm, tests, guid):
    machine = farm.start(tests, guid, tests)
    name = machine.wait_for_word("generator")
    if name != GENERATORS[tests][1]:
        raise Failure(f"{tests} draws from {name}")
    machine.wait_for_word("vdso")
    before = draw(machine, BEFORE, 16)
    machine.stop()
    snapshot = Snapshot(machine)
    farm.end(machine)
    return snapshot, before


def clones_told(farm, snapshot, name):
    """What two clones draw once the kernel has told them."""
    clones = [farm.clone(f"{name}-{i}", new_id(), snapshot) for i in (1, 2)]
    for clone in clones:
        clone.wire.send("watch")
        clone.resume()
    for clone in clones:
        clone.wait_for("noticed kmsg")
    drawn = [draw_all(clone) for clone in clones]
    for clone in clones:
        farm.end(clone)
    return drawn


def clones_not_told(farm, snapshot, name, guid):
    """They have the old ID, so nothing tells them; what they draw at once."""
    clones = [farm.clone(f"{name}-control-{i}", guid, snapshot) for i in (1, 2)]
    for clone in clones:
        clone.wire.send("draw 200 16")
        clone.resume()
    drawn = [clone.wait_for_word("values").split() for clone in clones]
    for clone in clones:
        farm.end(clone)
    return drawn


def in_row(one, other):
    """How many values from the first one on are the same."""
    alike = 0
    while alike < min(len(one), len(other)) and one[alike] == other[alike]:
        alike += 1
    return alike


def stock(farm):
    snapshot, before = take_snapshot(farm, "openssl-stock", new_id())
    one, other = clones_told(farm, snapshot, "stock")
    judge("OpenSSL's own generator, new IDs: both clones draw the same (which is the problem)",
          one == other and not set(before) & set(one),
          f"{in_row(one, other)} of {len(one)} values of 16 bytes are the same")


def provider(farm):
    guid = new_id()
    snapshot, before = take_snapshot(farm, "openssl-provider", guid)
    drawn = clones_told(farm, snapshot, "provider")
    values = before + drawn[0] + drawn[1]
    judge("the provider, new IDs: no value twice from the notification on",
          len(set(values)) == len(values),
          f"{len(drawn[0])} and {len(drawn[1])} values of 16 bytes, "
          f"{len(set(drawn[0]) & set(drawn[1]))} in common")
    alike = 0
    for _ in range(CONTROL_TRIES):
        alike = in_row(*clones_not_told(farm, snapshot, "provider", guid))
        if alike:
            break
    judge("the provider, old ID: both clones draw the same, as nothing tells them",
          alike, f"{alike} values of 16 bytes in a row")


def attempt(title, case):
    try:
        with Farm() as farm:
            case(farm)
    except Failure as failure:
        say("fail", title, failure)


end_by_signals()
for tests, case in (("openssl-stock", stock), ("openssl-provider", provider)):
    attempt(GENERATORS[tests][0], case)
