# SPDX-License-Identifier: MIT
"""From when on all counts that a consumer does: each of its four sites has a breakpoint with a program.

A semaphore that is up says less: the kernel raises it before it has placed the breakpoint, site by site.
"""

import collections
import contextlib
import functools
import os
import re
import sys

from kernel import HAS_MULTI
from program import ROOT, wait_until

sys.path.insert(0, str(ROOT / "tests/header"))
from stapsdt import NOPS, PF_X, Elf  # noqa: E402

SITES = 4


@functools.lru_cache
def code_of(file):
    """(address of each site as it is linked, what the file has there)"""
    elf = Elf(file)
    size = len(NOPS[elf.machine])
    at = [(note.pc, elf.segment(note.pc, PF_X)) for note in elf.notes()]
    return [(pc, elf.data[offset:offset + size]) for pc, offset in at]


def armed(pid, file):
    """How many sites of a mapped, position-independent file have a breakpoint in this process."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        base = min(int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith(str(file)))
    with open(f"/proc/{pid}/mem", "rb") as memory:
        return sum(os.pread(memory.fileno(), len(code), base + pc) != code for pc, code in code_of(str(file)))


def armed_in(pid, where):
    """The same of what a driver runs, or of its library: wherever that lies by now, deleted or another's."""
    name = os.readlink(f"/proc/{pid}/exe") if where == "driver" else "driver_library.so"
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as maps:
        ranges = [line.split()[0] for line in maps if name in line]
    if not ranges:
        return 0
    sites = code_of.__wrapped__(f"/proc/{pid}/map_files/{ranges[0]}")
    base = int(ranges[0].split("-")[0], 16)
    with open(f"/proc/{pid}/mem", "rb") as memory:
        return sum(os.pread(memory.fileno(), len(code), base + pc) != code for pc, code in sites)


def infos(agent, kind):
    """What the kernel says of each link of this kind that it holds."""
    for number in os.listdir(f"/proc/{agent.pid}/fdinfo"):
        with contextlib.suppress(FileNotFoundError):
            with open(f"/proc/{agent.pid}/fdinfo/{number}", encoding="utf-8", errors="replace") as info:
                if f"link_type:\t{kind}" in (text := info.read()):
                    yield text


def links_of(agent, kind):
    """How many of this kind belong to each of its programs."""
    return collections.Counter(re.search(r"^prog_id:\s*(\d+)", text, re.M)[1] for text in infos(agent, kind))


def perf_links(agent):
    """To sites: they have one program; what else is followed by such links has one each."""
    return max(links_of(agent, "perf").values(), default=0)


def is_linked(agent, file):
    """Whoever watches the whole host may have been there first, so a breakpoint is no proof."""
    if not HAS_MULTI:  # a site's program comes last
        return (count := perf_links(agent)) > 0 and count % SITES == 0
    texts = list(infos(agent, "uprobe_multi"))
    paths = [path for text in texts for path in re.findall(r"^path:\t(.*)", text, re.M)]
    return str(file) in paths if paths else bool(texts)  # an older kernel does not say


def wait_watched(driver, agent):
    """`agent`, a process of this test, watches its file."""
    whole = lambda: is_linked(agent, driver.file) and armed(driver.pid, driver.file) == SITES
    wait_until(whole, f"{driver.pid} is not watched", 20)
