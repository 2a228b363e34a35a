# SPDX-License-Identifier: MIT
"""BPF programs that nobody holds any more: something was left behind.

Beside other agents of this host: not what was there before, and not what they have pinned.
"""

import glob
import json
import pathlib
import re
import time

import program


def shown(kind, *options):
    return json.loads(program.run("bpftool", "-j", *options, kind, "list").stdout or "[]")


def newest():
    """Ids of programs only grow."""
    return max((p["id"] for p in shown("prog")), default=0)


def held():
    """Ids of the programs that some process holds, itself or through a link."""
    ids = set()
    for info in glob.glob("/proc/[0-9]*/fdinfo/*"):
        try:
            ids |= {int(i) for i in re.findall(r"^prog_id:\s*(\d+)", pathlib.Path(info).read_text(errors="replace"), re.M)}
        except OSError:
            pass  # it has just been closed
    return ids


def pinned():
    """Ids of those that a state of another agent keeps, themselves or through a link."""
    ids = {p["id"] for p in shown("prog", "-f") if p.get("pinned")}
    return ids | {link.get("prog_id") for link in shown("link", "-f") if link.get("pinned")}


def orphans(since):
    """Ids of our programs, newer than `since`, that the kernel holds for nobody."""
    ours = {p["id"] for p in shown("prog") if p.get("name", "").startswith("pushback_") and p["id"] > since}
    left = ours - held()
    return left - pinned() if left else left


def assert_nothing(since):
    """The kernel lets go of a program a moment after its last user: what stays is left behind."""
    left = orphans(since)
    end = time.monotonic() + program.patient(10)
    while left and time.monotonic() < end:
        time.sleep(0.05)
        left &= orphans(since)
    assert not left
