# SPDX-License-Identifier: MIT
"""One contract for all languages: the same notes, the same layout, the same schedules with one
result.

What each build is held against, C or another language: the design's table of probes with their
arguments, the offsets that pushback_abi.h has frozen, and the schedules of test_semantics.py and
test_property.py, which a driver in that language plays.
"""

import json
import platform
import re
import sys

import test_property
from program import PUSHBACK, ROOT, run
from scene import Scene

sys.path.insert(0, str(ROOT / "tests/header"))
from stapsdt import Elf  # noqa: E402

# The arguments are in the calling convention's places: step, name, outcome or ready, yes, no, next.
ARGUMENTS = {
    "x86_64": "8@%rdi 8@%rsi 4@%edx 8@%rcx 8@%r8 8@%r9",
    "aarch64": "8@x0 8@x1 4@x2 8@x3 8@x4 8@x5",
}[platform.machine()]
PROBES = ("submit_return", "forward_return", "poll_return", "step_end")

# The layout, as frozen: {field: offset}.
OFFSETS = {
    field: int(at)
    for field, at in re.findall(
        r"^PB_OFFSET\((\w+), (\d+)\);", (ROOT / "include/pushback_abi.h").read_text(), re.M
    )
}


def check_probes(path):
    """The file has the table's probes, each once, all with one semaphore; `pushback list` says so."""
    notes = list(Elf(path).notes())
    assert not [note for note in notes if note.dead], notes
    found = sorted((note.probe, note.arguments) for note in notes)
    assert found == sorted((probe, ARGUMENTS) for probe in PROBES)
    assert len({note.semaphore for note in notes}) == 1
    done = run(PUSHBACK, "list", "--json", path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["probes"] == dict.fromkeys(PROBES, 1)
    assert len({site["semaphore"] for site in said["sites"]}) == 1
    assert not any(said["skipped"].values())


def a_scene(directory, monkeypatch, driver):
    """A Scene whose consumers are of this kind."""
    monkeypatch.setattr("scene.Driver", driver)
    return Scene(directory)


def check_schedules(monkeypatch, driver, schedule=test_property.Schedule):
    """Random consumers of this kind, against the model: PUSHBACK_SEED as there, and few of the runs."""
    runs = max(2, test_property.RUNS // 25)
    monkeypatch.setattr(test_property, "Driver", driver)
    monkeypatch.setattr(test_property, "Schedule", schedule)
    monkeypatch.setattr(test_property, "RUNS", runs)
    test_property.test_random_schedules()
