# SPDX-License-Identifier: GPL-2.0
"""Virtual machines that run a program of this directory: started, commanded, stopped,
written to a file and started from it, and their memory read from outside."""

import json
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from typing import NamedTuple

from devices import Devices, Pages

THREADS = 4
HUGE_SIZE = 2 << 20
HEADER_SIZE = 4096
VALUE_SIZE = 16
KINDS = ("vDSO", "system call")
TIME_SIZE = 8
DRAWN_SIZE = TIME_SIZE + len(KINDS) * VALUE_SIZE
CAPACITY = (HUGE_SIZE - HEADER_SIZE) // DRAWN_SIZE
WATCHES = ("kmsg", "fork_event")
HEADER_FIELDS = 8 * 3 * (2 + len(WATCHES))


class Failure(Exception):
    """What stops a case, in one line."""


class Lines:
    """A socket on which lines go both ways. Whoever is at the other end also writes a log."""

    def __init__(self, sock, who, log):
        self.sock = sock
        self.who = who
        self.log = log
        self.rest = b""

    def send(self, line):
        self.sock.sendall(line.encode() + b"\n")

    def last_words(self):
        with open(self.log, "rb") as file:
            lines = file.read().split(b"\n")
        last = next((line for line in reversed(lines) if line.strip()), b"")
        return f"; {os.path.basename(self.log)} ends with: {last.decode(errors='replace').strip()}"

    def receive(self):
        while b"\n" not in self.rest:
            try:
                more = self.sock.recv(65536)
            except TimeoutError:
                raise Failure(f"{self.who}: nothing heard for {self.sock.gettimeout():.0f} s"
                              f"{self.last_words()}") from None
            except ConnectionError:
                more = b""
            if not more:
                raise Failure(f"{self.who} ended early{self.last_words()}")
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode(errors="replace").strip()


class Progress(NamedTuple):
    """Calls that began, those of them that ended, and when that was, in nanoseconds."""
    started: int
    done: int
    time: int


class Stream:
    """What one thread has drawn, as far as it is still in memory."""

    def __init__(self, page):
        calls, self.reseeded, *noticed = (Progress(*fields) for fields in
                                          struct.iter_unpack("<3Q", page[:HEADER_FIELDS]))
        self.started, self.done, self.time = calls
        # by name of the watch: when it last noticed a clone
        self.noticed = dict(zip(WATCHES, noticed))
        self.page = page

    def value(self, kind, i):
        at = HEADER_SIZE + i % CAPACITY * DRAWN_SIZE + TIME_SIZE + kind * VALUE_SIZE
        return self.page[at:at + VALUE_SIZE]

    def counter(self, i):
        at = HEADER_SIZE + i % CAPACITY * DRAWN_SIZE
        return self.page[at:at + TIME_SIZE]

    def values(self, kind, start, end=None):
        end = self.done if end is None else end
        if end - start > CAPACITY:
            raise Failure(f"{end - start} draws are more than the memory holds")
        return [self.value(kind, i) for i in range(start, end)]


class Memory:
    """The guest's notes at one moment."""

    def __init__(self, pages):
        self.threads = [Stream(page) for page in pages[:THREADS]]
        self.names = Stream(pages[THREADS])
        self.large = Stream(pages[THREADS + 1])
        self.buffer = b"".join(pages[THREADS + 2:])


def note_command(path, command):
    """The first one is shown as well; those of clones differ in little."""
    line = shlex.join(command)
    with open(path, "w", encoding="utf-8") as file:
        print(line, file=file)
    if not note_command.shown:
        print(line, file=sys.stderr, flush=True)
        note_command.shown = True


note_command.shown = False


class Machine:
    """A QEMU process. Settings come from the environment, see scripts/lib.sh."""

    def __init__(self, name, guid, tests, *options, vmclock=False):
        self.name = name
        self.guid = guid
        self.addresses = []
        self.vdso = 0
        self.watches = []
        self.clones = 0             # that the guest says it has been through
        self.is_drawing = False     # and stopped
        self.events = []
        timeout = float(os.environ["TIMEOUT"])
        log = os.path.join(os.environ["LOG"], f"vmfork-{name}")
        ends = [socket.socketpair() for _ in range(3)]
        for ours, _ in ends:
            ours.settimeout(timeout)
        qmp, wire, bus = (theirs.fileno() for _, theirs in ends)
        self.bus = Lines(ends[2][0], f"QEMU of {name}", f"{log}.qemu")
        self.devices = (Pages(vmclock, self.bus, bus) if "VMGENID_ADDRESS" in os.environ else
                        Devices(vmclock))
        qemu = shlex.split(os.environ["QEMU_VMCLOCK" if vmclock else "QEMU"])
        self.console = f"{log}.console"
        command = [*qemu, *self.options(self.console, tests, qmp, wire),
                   *self.devices.options(guid), *options]
        note_command(f"{log}.command", command)
        with open(f"{log}.qemu", "wb") as messages:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages,
                pass_fds=(qmp, wire, bus))
        for _, theirs in ends:
            theirs.close()
        self.qmp = Lines(ends[0][0], f"QEMU of {name}", f"{log}.qemu")
        self.wire = Lines(ends[1][0], f"the guest {name}", self.console)

    @staticmethod
    def options(console, tests, qmp, wire):
        env = os.environ
        return [
            *env["QEMU_MACHINE"].split(), "-accel", env["ACCEL"], "-cpu", env["CPU"], "-smp", env["SMP"],
            "-m", env["MEM"], "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", env["IMAGE"], "-initrd", env["INITRD"],
            "-append", f"console={env['CONSOLE_DEVICE']} RESULTS={env['RESULTS_DEVICE']} "
                       f"panic=-1 oops=panic {env['KERNEL_PARAMETERS']} "
                       f"{env.get('APPEND', '')} -- {tests}",
            "-serial", f"file:{console}",
            "-chardev", f"socket,id=results,fd={wire}", *env["RESULTS_OPTIONS"].split(),
            "-chardev", f"socket,id=qmp,fd={qmp}", "-mon", "chardev=qmp,mode=control",
        ]

    def connect(self):
        self.qmp.receive()
        self.execute("qmp_capabilities")
        self.execute("migrate-set-capabilities",
                     capabilities=[{"capability": "events", "state": True}])

    def execute(self, command, **arguments):
        self.qmp.send(json.dumps({"execute": command, "arguments": arguments}))
        while True:
            answer = json.loads(self.qmp.receive())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise Failure(f"QEMU of {self.name}: {answer['error']['desc']}")
            self.events.append(answer)

    def wait_for_event(self, is_it):
        """Forgets the events before it."""
        while True:
            while self.events:
                event = self.events.pop(0)
                if is_it(event["event"], event.get("data", {})):
                    return event
            self.events.append(json.loads(self.qmp.receive()))

    def hear(self):
        """A line of the guest: its first word, and the rest."""
        line = self.wire.receive()
        if line.startswith(("draw: ", "wireguard: ", "openssl: ", "# end")):
            raise Failure(f"the guest {self.name} gave up: {line}")
        word, _, rest = line.partition(" ")
        if word == "memory":
            self.addresses = [int(address, 0) for address in rest.split()]
        elif word == "vdso":
            self.vdso = int(rest, 0)
        elif word == "watching":
            self.watches.append(rest)
        elif word == "clones":
            self.clones = int(rest)
        return word, rest

    def wait_for(self, *lines):
        """Waits for all of these lines of the guest, in whatever order."""
        lines = set(lines)
        while lines:
            lines.discard(" ".join(self.hear()).strip())

    def wait_for_word(self, wanted):
        """Returns what follows that word."""
        while True:
            word, rest = self.hear()
            if word == wanted:
                return rest

    def command(self, line, answer):
        self.wire.send(line)
        self.wait_for(answer)

    def ask(self, line, word):
        self.wire.send(line)
        return self.wait_for_word(word)

    def stop(self):
        self.execute("stop")

    def resume(self):
        self.execute("cont")
        self.devices.resumed(self.addresses[:THREADS])

    def instruction_pointers(self):
        """Those of the processors. The machine must be stopped."""
        registers = self.execute("human-monitor-command", **{"command-line": "info registers -a"})
        return [int(pointer, 16) for pointer in re.findall(r"\b(?:RIP|PC)=([0-9a-f]+)", registers)]

    def memory(self):
        """The machine must be stopped, or its threads waiting."""
        pages = []
        with tempfile.NamedTemporaryFile(dir=os.environ["SCRATCH"]) as file:
            for address in self.addresses:
                self.execute("pmemsave", val=address, size=HUGE_SIZE, filename=file.name)
                with open(file.name, "rb") as page:
                    pages.append(page.read())
        return Memory(pages)

    def wait_for_migration(self):
        end = self.wait_for_event(lambda name, data: name == "MIGRATION" and
                                  data["status"] in ("completed", "failed"))
        if end["data"]["status"] == "failed":
            raise Failure(f"QEMU of {self.name} failed to write or read a snapshot")

    def write_to(self, file):
        """The machine must be stopped, and stays so."""
        self.execute("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.execute("migrate", uri=f"exec:cat >{shlex.quote(file)}")
        self.wait_for_migration()

    def read_from(self, file):
        """The machine is stopped then, as the one that wrote the file was."""
        self.execute("migrate-incoming", uri=f"exec:cat {shlex.quote(file)}")
        self.wait_for_migration()

    def hit_removed_breakpoint(self):
        """On a real processor, that would be a fault of the kernel."""
        if os.environ["ACCEL"] != "tcg":
            return False
        with open(self.console, encoding="utf-8", errors="replace") as file:
            return re.search(os.environ["REMOVED_BREAKPOINT"], file.read()) is not None

    def wait_until_off(self):
        self.wait_for_event(lambda name, data: name == "SHUTDOWN")

    def end(self):
        self.process.kill()
        self.process.wait()
        self.qmp.sock.close()
        self.wire.sock.close()
        self.bus.sock.close()


def end_by_signals():
    """Lets a signal end this program the way an exception does."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))


class Farm:
    """Ends every machine that it started, however the block that uses it ends."""

    def __init__(self, vmclock=False):
        self.machines = []
        self.vmclock = vmclock

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for machine in self.machines:
            machine.end()

    def start(self, *arguments):
        machine = Machine(*arguments, vmclock=self.vmclock)
        self.machines.append(machine)
        machine.connect()
        return machine

    def boot(self, name, guid, tests="draw", *options):
        """A guest that runs the tests of that list; it has said where its memory is."""
        for _ in range(2):
            try:
                return self.boot_once(name, guid, tests, *options)
            except Failure:
                machine = self.machines[-1]
                if not machine.hit_removed_breakpoint():
                    raise
            print(f"{name} died of QEMU's emulation of patched code; starting again",
                  file=sys.stderr, flush=True)
            self.end(machine)
        return self.boot_once(name, guid, tests, *options)

    def boot_once(self, *arguments):
        machine = self.start(*arguments)
        machine.wait_for_word("vdso")
        return machine

    def clone(self, name, guid, snapshot):
        """A machine that is at the moment of the snapshot, and stopped."""
        machine = self.start(name, guid, "", "-incoming", "defer")
        machine.read_from(snapshot.file)
        if guid != snapshot.guid:
            machine.devices.announce(guid)
        machine.addresses = snapshot.addresses
        machine.watches = snapshot.watches
        machine.clones = snapshot.clones
        return machine

    def end(self, machine):
        self.machines.remove(machine)
        machine.end()
