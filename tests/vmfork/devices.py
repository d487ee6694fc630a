# SPDX-License-Identifier: GPL-2.0
"""What tells a machine that it is a clone: devices of QEMU's, or pages of its memory."""

import os
import uuid

GUID_SIZE = 16


class Devices:
    """QEMU has a generation ID and a vmclock, and tells a clone by itself."""

    has_interrupts = False
    tells_every_clone = True    # by its vmclock, also one with the old ID

    def __init__(self, vmclock):
        self.vmclock = vmclock

    def options(self, guid):
        return ["-device", f"vmgenid,guid={guid}",
                *(("-device", "vmclock") if self.vmclock else ())]

    def announce(self, guid):
        """The machine is a clone with this ID, and stopped."""

    def resumed(self, streams):
        """The machine runs. These are the addresses of what its threads note."""


class Pages:
    """Two pages of memory play the devices, see ../devicetree.

    The protocol of QEMU's own tests gives access to the memory and to the interrupt
    controller, so this can do what a hypervisor would. It raises the interrupts after each
    thread of the clone has drawn, since no hypervisor promises that they come first.
    """

    has_interrupts = True
    tells_every_clone = False
    MARKER = 0x10               # offsets in the page of the vmclock
    SEQ_COUNT = 0xc
    GICD_ISPENDR = 0x08000200   # the distributor's registers to make interrupts pending
    GENID_INTERRUPT = 32 + 100  # the numbers of those that the device tree names
    CLOCK_INTERRUPT = 32 + 101
    DONE = 8                    # offsets of a stream's draws, and of their limit
    LIMIT = 96

    def __init__(self, vmclock, bus, wire):
        self.vmclock = vmclock
        self.clock = int(os.environ["VMCLOCK_ADDRESS"], 0)
        self.genid = int(os.environ["VMGENID_ADDRESS"], 0)
        self.bus = bus
        self.wire = wire
        self.is_new_clone = False

    def options(self, _):
        return ["-dtb", os.environ["DTB"], *os.environ["VMCLOCK_OPTIONS"].split(),
                "-chardev", f"socket,id=bus,fd={self.wire}", "-object", "qtest,id=qtest,chardev=bus"]

    def access(self, *words):
        self.bus.send(" ".join(word if isinstance(word, str) else hex(word) for word in words))
        answer = self.bus.receive().split()
        assert answer[0] == "OK", answer
        return int(answer[1], 0) if len(answer) > 1 else None

    def add(self, size, address, number):
        self.access("write" + size, address, self.access("read" + size, address) + number)

    def announce(self, guid):
        """The machine is a clone with this ID, and stopped."""
        if self.vmclock:
            self.add("l", self.clock + self.SEQ_COUNT, 2)
            self.add("q", self.clock + self.MARKER, 1)
        self.access("write", self.genid, GUID_SIZE, "0x" + uuid.UUID(guid).hex)
        self.is_new_clone = True

    def interrupt(self, number):
        self.access("writel", self.GICD_ISPENDR + number // 32 * 4, 1 << number % 32)

    def wait_for_draw(self, stream):
        before = done = self.access("readq", stream + self.DONE)
        while done == before < self.access("readq", stream + self.LIMIT):
            done = self.access("readq", stream + self.DONE)

    def resumed(self, streams):
        """The machine runs. These are the addresses of what its threads note."""
        if not self.is_new_clone:
            return
        self.is_new_clone = False
        for stream in streams:
            self.wait_for_draw(stream)
        self.interrupt(self.GENID_INTERRUPT)
        if self.vmclock:
            self.interrupt(self.CLOCK_INTERRUPT)
