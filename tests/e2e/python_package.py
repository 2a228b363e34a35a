# SPDX-License-Identifier: MIT
"""The Python package as it was built, imported here; and its semaphore and structs, seen from
outside.
"""

import ctypes
import os
import sys
import sysconfig

import pytest

import contract
from program import BUILD

PACKAGE = BUILD / "python"
EXTENSION = PACKAGE / "pushback" / "_pushback.abi3.so"

needs_headers = pytest.mark.skipif(
    not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")),
    reason="no Python.h to build the extension with (Debian: python3-dev)",
)


@pytest.fixture(name="pushback", scope="module")
def the_package():
    """In this process. Nobody else's: a file of its own."""
    sys.path.insert(0, str(PACKAGE))
    try:
        import pushback
    finally:
        sys.path.pop(0)
    assert pushback._pushback.__file__ == str(EXTENSION)
    return pushback


@pytest.fixture(name="semaphore", scope="module")
def the_semaphore(pushback):
    """Found by the note and the mapping."""
    path = os.path.realpath(pushback._pushback.__file__)
    (at,) = {note.semaphore for note in contract.Elf(path).notes()}
    with open("/proc/self/maps", encoding="utf-8") as maps:
        base = min(int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith(path))
    return ctypes.c_uint16.from_address(base + at)


@pytest.fixture
def watched(pushback, semaphore):
    """The semaphore is up, though no site is armed: everything counts."""
    semaphore.value += 1
    yield pushback
    semaphore.value -= 1


def struct(address, field, kind=ctypes.c_uint64):
    return kind.from_address(address + contract.OFFSETS[field]).value


def counts(step):
    """(accepted, rejected, forwarded, refused) of a Step, or of what is observed."""
    address = getattr(step, "address", None) or step.__pushback__
    return tuple(struct(address, f) for f in ("accepted", "rejected", "forwarded", "refused"))


def inside(step):
    return struct(step.__pushback__, "inside") & 3


def is_open(step, direction=0):
    return bool(struct(step.__pushback__, "state", ctypes.c_uint32) & 1 << direction)


# What a consumer says of its steps, and the metric that it is.
TRUTH = {
    "accepted": "submit_accepted",
    "forwarded": "submit_forwarded",
    **{f"{d}_rejections": f"{d}_backpressure" for d in ("send", "receive")},
    **{
        f"{d}_{end}": f"{d}_backpressure_{end}"
        for d in ("send", "receive")
        for end in ("episodes", "abandoned", "partial")
    },
}


def assert_counted(agent, truth):
    """The agent has counted what the consumer's own code did, {step: {what: number}}; 0 is left out."""
    seen = agent.counters()
    assert seen.keys() == truth.keys()
    for name, step in truth.items():
        for key, metric in TRUTH.items():
            assert seen[name][metric] == step.get(key, 0), (name, metric, step)
