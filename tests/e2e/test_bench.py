# SPDX-License-Identifier: MIT
"""`make bench-smoke` as a user runs it: every row has its figures, and nothing of it stays."""

import contextlib
import os
import pathlib
import re
import xml.etree.ElementTree

import pytest

from instrumented import ANY, except_by
from program import BUILD, ROOT, run, wait_until

ROWS = sorted(path.stem.removeprefix("row_") for path in (ROOT / "tools/bench").glob("row_*.py"))
NO_FIGURE = ("", "-", "yes", "no")
pytestmark = except_by(*ANY, reason="most of what it would measure is what watches it")
PATIENCE = 10  # s for what the kernel takes away a little later
MARK = "PUSHBACK_BENCH_TEST"

# ---- What may stay behind ----


def marked_processes(mark):
    """{pid: command} of all that were started with our mark in the environment, zombies left out."""
    found = {}
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def probe_events():
    """That have a name, as perf probe makes them. tracefs need not be mounted, so in a mount namespace."""
    script = "mount -t tracefs tracefs /sys/kernel/tracing && cat /sys/kernel/tracing/uprobe_events"
    done = run("unshare", "-m", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())


def mounts():
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return {line.split(" ", 1)[1] for line in lines}


def pins():
    return set(pathlib.Path("/sys/fs/bpf").rglob("*"))


def control_groups():
    """Whose names say that they are ours: the system makes others all the time."""
    return {path for path in pathlib.Path("/sys/fs/cgroup").rglob("*pushback*") if path.is_dir()}


def statistics():
    """Whether the kernel counts what BPF programs cost, which costs something by itself."""
    return {pathlib.Path("/proc/sys/kernel/bpf_stats_enabled").read_text()}


def bpf_programs():
    """That no process holds, but a link or a pin: those that are held go with their holders."""
    done = run("bpftool", "prog", "show", env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"})
    assert done.returncode == 0, done.stderr
    held = held_programs()
    return {f"{n} {name}" for n, name in re.findall(r"^(\d+): \w+  name (\w+)", done.stdout, re.M) if n not in held}


def held_programs():
    held = set()
    for info in pathlib.Path("/proc").glob("[0-9]*/fdinfo/*"):
        try:
            held |= set(re.findall(r"^prog_id:\s*(\d+)", info.read_text(errors="replace"), re.M))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return held


KEPT = (probe_events, mounts, pins, control_groups, statistics, bpf_programs)


# ---- The run, once for all ----


class Smoke:
    """What it said, and what was there before and after."""

    def __init__(self, directory):
        self.temporary = directory / "tmp"
        self.temporary.mkdir()
        mark = str(directory)
        self.before = {look: look() for look in KEPT}
        # In the tree that is under test, as `make` makes it: with its settings.
        settings = [f"{s}=1" for s in ("STATIC", "DEBUG", "SANITIZE") if f"-{s.lower()}" in BUILD.name]
        environment = {**os.environ, "MAKEFLAGS": "", "TMPDIR": str(self.temporary), MARK: mark}
        self.done = run("make", "bench-smoke", *settings, cwd=ROOT, env=environment, timeout=300)
        self.processes = marked_processes(mark)
        self.charts = sorted((BUILD / "bench").glob("*.svg"))


@pytest.fixture(name="smoke", scope="module")
def a_smoke(tmp_path_factory):
    return Smoke(tmp_path_factory.mktemp("bench"))


def parts(text):
    """{row: what it printed}: each ends with its name and how long it took."""
    found = {}
    begin = 0
    for end in re.finditer(r"^\((\w+): \d+ s\)$", text, re.M):
        found[end[1]] = text[begin : end.start()]
        begin = end.end()
    return found


def tables(text):
    """Each a list of lines, each of them a list of cells; without the heads."""
    for block in re.findall(r"^\|.*\n\|(?:---\|)+\n((?:\|.*\n)*)", text, re.M):
        yield [[cell.strip() for cell in line[1:-1].split("|")] for line in block.splitlines()]


def test_it_ends_well(smoke):
    assert smoke.done.returncode == 0, smoke.done.stdout + smoke.done.stderr
    assert list(parts(smoke.done.stdout)) and set(parts(smoke.done.stdout)) == set(ROWS)


def test_it_says_where_it_ran(smoke):
    assert re.search(r"^Linux \S+, \d+ x .*, (not )?virtual$", smoke.done.stdout, re.M)


def is_figure(cell):
    return re.search(r"\d", cell) and not re.search(r"\b(nan|inf|None)\b", cell)


@pytest.mark.parametrize("row", ROWS)
def test_its_tables_are_full(smoke, row):
    """Where there can be none, a cell says so: but in no line and no column are there only such."""
    found = list(tables(parts(smoke.done.stdout)[row]))
    assert found, "no table"
    for lines in found:
        assert lines, "a table without lines"
        cells = [line[1:] for line in lines]
        assert [c for line in cells for c in line if not is_figure(c) and c not in NO_FIGURE] == []
        for line in [*cells, *zip(*cells, strict=True)]:
            assert any(is_figure(cell) or cell in ("yes", "no") for cell in line), line


def test_its_charts_are_well_formed(smoke):
    for chart in smoke.charts:
        root = xml.etree.ElementTree.parse(chart).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg", chart
        assert "nan" not in chart.read_text(), chart


def test_no_process_of_it_lives(smoke):
    assert not smoke.processes


def test_no_file_of_it_stays(smoke):
    assert not list(smoke.temporary.iterdir())


@pytest.mark.parametrize("look", KEPT, ids=lambda look: look.__name__)
def test_it_leaves_none_of_these(smoke, look):
    with contextlib.suppress(AssertionError):
        wait_until(lambda: look() <= smoke.before[look], "they stay", PATIENCE)
    assert look() - smoke.before[look] == set()
