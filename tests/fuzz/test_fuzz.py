# SPDX-License-Identifier: MIT
"""The fuzz targets in a bounded time: what is in the tree, then a few seconds of looking for more."""
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import run
from conftest import SEED

TOP = run.TOP
PROGRAMS = Path(os.environ.get("PUSHBACK_BUILD", TOP / "build")) / "fuzz"
TARGETS = sorted(p.stem[5:] for p in run.HERE.glob("fuzz_*.c"))
SECONDS = 2


def test_every_target_has_inputs_and_is_in_the_table():
    assert TARGETS == sorted(run.TESTED)
    for name in TARGETS:
        assert (PROGRAMS / f"fuzz_{name}").exists(), "make fuzz-programs"
        assert any((run.HERE / "corpus" / name).iterdir())
        for source in run.TESTED[name].split():
            assert (TOP / "userspace" / f"{source}.c").exists()


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_in_the_tree(name):
    log, count = run.replay(PROGRAMS, name)
    assert log is None, f"{name}, one of {count} inputs:\n{log}"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """All targets, one on each CPU."""
    where = tmp_path_factory.mktemp("fuzz")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(TARGETS, pool.map(lambda name: run.fuzz(PROGRAMS, name, SECONDS, SEED, where), TARGETS)))


@pytest.mark.parametrize("name", TARGETS)
def test_a_few_seconds(name, results):
    result = results[name]
    kept = [c.read_bytes() for c in result.crashes]
    assert result.status == 0, f"{name}, seed {SEED}, input {kept}:\n{result.log}"
    assert result.executions > run.replay(PROGRAMS, name)[1]


# ---- Whether these tests can fail ----

# Faults of each kind, and who is to see them: what a reader of the output refuses, what the sanitizers do.
FAULTS = [
    ("statsd", "statsd_line.c", "c == ':' ? c : '_';", "c == ':' || c == ',' ? c : '_';"),
    ("keep", "keep.c", "if (r->failed || !size || size > r->size - r->at) {", "if (r->failed || !size) {"),
]


def planted(tmp_path, name, source, good, bad):
    """The target with a fault in a copy of one source."""
    text = (TOP / "userspace" / source).read_text()
    assert text.count(good) == 1, f"{source} has changed: plant it elsewhere"
    copy = tmp_path / source
    copy.write_text(text.replace(good, bad))
    where = tmp_path / "tests"
    subprocess.run(["make", "-s", f"B={PROGRAMS.parent}", "fuzz-planted", f"PLANT={copy}", f"TARGET={name}",
                    f"PLANTED={where}/fuzz_{name}"], cwd=TOP, check=True)
    return where


@pytest.mark.parametrize("name,source,good,bad", FAULTS, ids=[f[0] for f in FAULTS])
def test_a_planted_fault_is_found(name, source, good, bad, tmp_path):
    programs = planted(tmp_path, name, source, good, bad)
    log, _ = run.replay(programs, name)
    assert log and ("does not hold" in log or "Sanitizer" in log)
