# SPDX-License-Identifier: MIT
"""One contract for all languages: the same notes, the same layout, the same schedules with one
result.

What a build in another language than C is held against: the demo consumer's probes, the offsets
that pushback_abi.h has frozen, and the schedules of test_semantics.py and test_property.py,
which a driver in that language plays.
"""

import json
import re
import sys

import test_property
from program import DEMO, PUSHBACK, ROOT, run
from scene import Scene

sys.path.insert(0, str(ROOT / "tests/header"))
from stapsdt import Elf  # noqa: E402

# The layout, as frozen: {field: offset}.
OFFSETS = {
    field: int(at)
    for field, at in re.findall(
        r"^PB_OFFSET\((\w+), (\d+)\);", (ROOT / "include/pushback_abi.h").read_text(), re.M
    )
}


def notes(path):
    """({probe: its arguments}, how many semaphores) of live sites; a dead one is an error."""
    found = list(Elf(path).notes())
    assert not [note for note in found if note.dead], found
    probes = {note.probe: note.arguments for note in found}
    assert len(probes) == len(found), found
    return probes, len({note.semaphore for note in found})


def listed(path):
    """What `pushback list` says of the file's probes."""
    done = run(PUSHBACK, "list", "--json", path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    return said["probes"], len({site["semaphore"] for site in said["sites"]}), said["skipped"]


def check_probes(path):
    """The file has the probes of the consumer in C, and both readers say so."""
    assert notes(path) == notes(DEMO)
    assert listed(path) == listed(DEMO)


def a_scene(directory, monkeypatch, driver):
    """A Scene whose consumers are of this kind."""
    monkeypatch.setattr("scene.Driver", driver)
    return Scene(directory)


def check_schedules(monkeypatch, driver, runs, schedule=test_property.Schedule):
    """Random consumers of this kind, against the model: PUSHBACK_SEED and so on as there."""
    monkeypatch.setattr(test_property, "Driver", driver)
    monkeypatch.setattr(test_property, "Schedule", schedule)
    monkeypatch.setattr(test_property, "RUNS", runs)
    test_property.test_random_schedules()
