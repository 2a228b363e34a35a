# SPDX-License-Identifier: MIT
"""Builds of all four languages, held to one table: by their notes, and by their steps' memory.

The schedules that they have in common run in test_semantics.py, test_cpp.py, test_python.py and
test_rust.py.
"""

import re
import shutil

import pytest

import contract
import rust
from driver import ACCEPTED, INVALID, PROPAGATED, REJECTED, Driver
from program import DEMO, PROGS
from python_package import EXTENSION, needs_headers
from test_cpp import DRIVER, LIBRARY, CppDriver
from test_python import PythonDriver

needs_cpp = pytest.mark.skipif(not shutil.which("g++"), reason="no g++")


class RustDriver(Driver):
    def __init__(self, directory, library=False, prefix=()):
        if not (directory / "driver").exists():
            rust.take_driver(directory)
        super().__init__(directory, library, prefix)


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(lambda: DEMO, id="c"),
        pytest.param(lambda: PROGS / "driver_library.so", id="c library"),
        pytest.param(lambda: DRIVER, id="c++", marks=needs_cpp),
        pytest.param(lambda: LIBRARY, id="c++ library", marks=needs_cpp),
        pytest.param(lambda: EXTENSION, id="python", marks=needs_headers),
        pytest.param(lambda: rust.build() / "driver", id="rust"),
        pytest.param(lambda: rust.build() / "examples/libnative.so", id="rust library"),
    ],
)
def test_probes_and_arguments(file):
    contract.check_probes(file())


NAME = "a step of this contract"


def steps_in(pid):
    """All that looks like a step of this name in what the process may write: 512 bytes each."""
    text = NAME.encode() + b"\0"
    at_name = contract.OFFSETS["name"]
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        ranges = [line.split()[0].split("-") for line in maps if " rw" in line]
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end in ((int(a, 16), int(b, 16)) for a, b in ranges):
            memory.seek(begin)
            data = memory.read(end - begin)
            for found in re.finditer(re.escape(text), data):
                step = data[found.start() - at_name :][:512]
                if found.start() >= at_name and step[:4] == b"llup":
                    yield begin + found.start() - at_name, step


def word(step, field, more=0, size=8):
    at = contract.OFFSETS[field] + more
    return int.from_bytes(step[at : at + size], "little")


@pytest.mark.parametrize(
    "driver",
    [
        pytest.param(Driver, id="c"),
        pytest.param(CppDriver, id="c++", marks=needs_cpp),
        pytest.param(PythonDriver, id="python", marks=needs_headers),
        pytest.param(RustDriver, id="rust"),
    ],
)
def test_a_step_in_memory(tmp_path, monkeypatch, driver):
    with contract.a_scene(tmp_path, monkeypatch, driver) as scene:
        d = scene.driver
        d.init(0, NAME)
        agent = scene.attach()
        for outcome, times in (ACCEPTED, 5), (INVALID, 7), (REJECTED, 4):
            d.calls([("submit", 0, outcome)] * times)
        for outcome, times in (ACCEPTED, 3), (REJECTED, 1), (PROPAGATED, 1):
            d.calls([("forward", 0, outcome)] * times)
        ((address, step),) = steps_in(d.pid)
        agent.end()
    assert address % 64 == 0
    assert word(step, "version", size=2) == 1 and word(step, "size", size=2) == 512
    counts = ("accepted", "rejected", "forwarded", "refused")
    assert [word(step, field) for field in counts] == [5, 4, 3, 2]
    assert [word(step, f"watch_{field}") for field in counts] == [0] * 4
    assert word(step, "state", size=4) & 0b11 == 0b11
    sides = word(step, "direction"), word(step, "direction", 80)
    assert 0 < word(step, "watch_since") < sides[0] < sides[1]
    assert word(step, "instance") and not word(step, "inside") and not word(step, "next")
    assert step[contract.OFFSETS["name"] :] == NAME.encode().ljust(128, b"\0")
