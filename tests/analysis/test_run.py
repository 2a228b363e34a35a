# SPDX-License-Identifier: MIT
"""How tests/run.py runs suites beside each other, with suites made for it."""

import importlib.util
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "instrumented")]

import run  # noqa: E402

def script(text, log):
    """A command that says when it began and ended, and `text`."""
    note = f"import time; f = open({str(log)!r}, 'a', buffering=1)"
    return [sys.executable, "-c", f"{note}; f.write('begin\\n'); time.sleep(0.3); f.write('end\\n'); {text}"]


def run_all(suites):
    return {result.name: result.counts for result in run.run_all(suites, 3)}


def most_at_once(log):
    running = most = 0
    for line in log.read_text().splitlines():
        running += 1 if line == "begin" else -1
        most = max(most, running)
    return most


def test_several_run_at_once(tmp_path):
    log = tmp_path / "log"
    counts = run_all([run.Suite(str(n), script("print('1 passed')", log)) for n in range(6)])
    assert counts == {str(n): (1, 0, 0) for n in range(6)}
    assert most_at_once(log) in (2, 3)


def test_who_is_interrupted_begins_no_more(tmp_path):
    log = tmp_path / "log"
    results = run.run_all([run.Suite(str(n), script("print('1 passed')", log)) for n in range(6)], 1)
    next(results)
    results.close()
    assert log.read_text().count("begin") <= 2


def test_what_fails_or_dies_is_told(tmp_path, capsys):
    log = tmp_path / "log"
    suites = {
        "fails": "print('2 passed, 1 failed'); raise SystemExit(1)",
        "dies": "print('5 passed'); raise SystemExit(3)",
        "nothing": "print('no tests')",
        "skips": "print('1 skipped')",
    }
    counts = run_all([run.Suite(name, script(text, log)) for name, text in suites.items()])
    assert counts == {"fails": (2, 1, 0), "dies": (5, 1, 0), "nothing": (0, 1, 0), "skips": (0, 0, 1)}
    said = capsys.readouterr().out
    assert all(f"== {name}\n" in said for name in suites)


def test_each_file_is_run_once():
    groups = [[suite.name for suite in group] for group in run.suites("build")]
    group_of = {name: n for n, group in enumerate(groups) for name in group}
    names = [name for group in groups for name in group]
    files = {path.stem.removeprefix("test_") for path in (TESTS / "e2e").glob("test_*.py")}
    assert sorted(names) == sorted(files | {"house rules", "header", "unit", "fuzz", "analysis"})
    assert group_of["unit"] == group_of["header"] < group_of["discovery"]
    assert groups[2:] == [["hostile_files"], ["privilege"]]


def test_what_watches_runs_them_too():
    spec = importlib.util.spec_from_file_location("instrumented_run", TESTS / "instrumented/run.py")
    watched = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(watched)
    groups = [[suite.name for suite in group] for group in run.suites("build")]
    others = {"house rules", "fuzz", "analysis"}
    assert list(watched.groups([], [])) == [[name for name in group if name not in others] for group in groups]
    assert sum(watched.groups(["exact", "unit"], []), []) == ["unit", "exact"]
    assert set(sum(watched.groups([], ["-k", "name"]), [])) == set(sum(groups, [])) - others - {"unit", "header"}
