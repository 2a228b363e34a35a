# SPDX-License-Identifier: MIT
"""`make test-kernels`, of the running kernel alone: what it takes, and the tables that it prints."""

import os
import re

import pytest

from program import BUILD, ROOT, run

RUN = ROOT / "tests" / "kernels" / "run.py"


@pytest.fixture
def build(tmp_path):
    """One of its own: results are kept beside the programs."""
    for name in ("pushback", "pushback-demo", "tests"):
        (tmp_path / name).symlink_to(BUILD / name)
    return tmp_path


def matrix(build, *options):
    # As make calls it, with ARGS or without.
    return run("/usr/bin/python3", "-B", RUN, build, "--kernels", "running", "--files", "kernel", *options, timeout=300)


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_tables(build):
    done = matrix(build, "--", "-k", "needs_no_bpf")
    assert done.returncode == 0, done
    rows = [cells(line) for line in done.stdout.splitlines() if line.startswith("|")]
    release = os.uname().release
    assert rows.count(["", release]) == 2  # of tests, and of instructions
    assert ["kernel", "1 passed"] in rows
    counted = {name: int(n) for name, n in rows if re.fullmatch(r"[\w -]+: pushback_\w+", name)}
    for verb in ("run", "trace", "trace --recipe"):
        assert counted[f"{verb}: pushback_event"] > 1000, counted
    assert counted["trace --recipe: pushback_leave"] > 1000


def test_a_file_that_takes_too_long(build):
    """It is no pass, whatever of it was run by then. Its tests watch for seconds."""
    done = matrix(build, "--file-limit", "1", "--", "-k", "each_verb")
    assert done.returncode == 1, done
    assert re.search(r"^\| kernel +\|.*(cut off|no end) +\|$", done.stdout, re.M), done


@pytest.mark.parametrize("more", [["--"], ["--", "-k", "no_such_test"]], ids=["nothing", "pytest's"])
def test_what_make_gives_it(build, more):
    """Also where there are no arguments for pytest."""
    done = run("/usr/bin/python3", "-B", RUN, build, "--kernels", "2.4", "--files", "kernel", *more)
    assert done.returncode == 2 and done.stderr.endswith("no such kernel: 2.4\n"), done
