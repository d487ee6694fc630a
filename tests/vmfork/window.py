# SPDX-License-Identifier: GPL-2.0
"""What clones have in common from the moment of the snapshot on, and whether that was
finished by then."""

import os
import re
import subprocess
from collections import defaultdict

from machine import KINDS, THREADS

# how code loads the disruption marker, in Linux 6.1 and in Linux 7.3: x86 in one
# instruction, arm64 by an address in a register
MARKER = r"<(?:vdso_vmclock|vmclock_page)\+0x10>"
PAGE = r"adr\s+(x\d+), .*<(?:vdso_vmclock|vmclock_page)>"
KERNEL = 1 << 63        # addresses of the kernel begin above this
NAMES = "get_random_u32()"
SOURCES = (*KINDS, NAMES)


def checked_code():
    """Addresses in the vDSO at which a draw has made its check, but may not have written
    its bytes: from the load of the hypervisor's word on, to the end of the function."""
    listing = subprocess.run(
        [os.environ["OBJDUMP"], "-d", "--no-show-raw-insn", os.environ["VDSO_IMAGE"]],
        check=True, capture_output=True, text=True).stdout
    addresses = set()
    checked = False
    marker = MARKER
    for line in listing.splitlines():
        code = re.match(r" *([0-9a-f]+):\t(.*)", line)
        if not code:
            checked = False
            marker = MARKER
        elif checked:
            addresses.add(int(code[1], 16))
            checked = not code[2].startswith("ret")
        elif re.search(marker, code[2]):
            checked = True
            marker = MARKER
        elif page := re.match(PAGE, code[2]):
            marker = rf"\[{page[1]}, #16\]"
    return addresses


class Window:
    """The draws of any number of clones of one snapshot."""

    def __init__(self, snapshot, most=None):
        self.snapshot = snapshot
        self.most = most        # draws of a thread that are compared, or all
        self.count = 0
        # by source and value: the clones that have it, as (clone, thread, draw)
        self.owners = {source: defaultdict(list) for source in SOURCES}

    def add(self, clone):
        for thread in range(THREADS):
            for kind, source in enumerate(KINDS):
                for draw, value in enumerate(clone.values[thread][kind][:self.most]):
                    self.owners[source][value].append((self.count, thread, draw))
        # A name has 20 bits only, so these are the two that follow the one under way.
        self.owners[NAMES][b"".join(clone.names[1:3])].append((self.count, 0, 1))
        self.count += 1

    def pointer(self, thread):
        """Where the processor was to which the thread is bound."""
        pointers = self.snapshot.instruction_pointers
        return pointers[thread % len(pointers)]

    def was_finished(self, source, value, thread, draw):
        """A draw that was under way at the snapshot, but past its last check by then, is
        one from before it: its bytes were in memory already, or in registers."""
        if draw != 0:
            return False
        stream = self.snapshot.memory.threads[thread]
        if stream.value(KINDS.index(source), stream.done) == value:
            return True
        offset = self.pointer(thread) - self.snapshot.vdso
        return source == "vDSO" and offset in checked_code()

    def is_hidden(self, source, thread, draw):
        """An interrupt had begun, so the registers do not tell where the draw was. If its
        bytes are not in memory, nobody can tell whether it was past its last check."""
        return source == "vDSO" and draw == 0 and self.pointer(thread) >= KERNEL

    def place(self, thread, draw):
        """Words for a draw: the how manieth of a thread, and where that was in its code."""
        pointer = self.pointer(thread) - self.snapshot.vdso
        return f"draw {draw} of thread {thread}, which was at vDSO{pointer:+#x}"

    def shared(self, source):
        """The values that clones drew alike and that were not finished at the snapshot,
        as the places of each, and the numbers of those that were finished, and of those
        that may have been."""
        shared = []
        finished = hidden = 0
        for value, owners in self.owners[source].items():
            if len({clone for clone, _, _ in owners}) > 1:
                places = {(thread, draw) for _, thread, draw in owners}
                if all(self.was_finished(source, value, *place) for place in places):
                    finished += 1
                elif all(self.is_hidden(source, *place) for place in places):
                    hidden += 1
                else:
                    shared.append({self.place(*place) for place in places})
        return shared, finished, hidden

    def drawn(self, source):
        return sum(map(len, self.owners[source].values()))
