#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The suites with our programs watched by sanitizers or by valgrind, and a table file by result.

run.py address|thread|valgrind BUILD [--files 'unit exact pin'] [--jobs N] [pytest's arguments...]

What is found fails its test (tests/e2e/instrumented.py). One pytest per file, each with a limit of its own;
so many run beside each other (CPUs + 1).
"""

import argparse
import os
import re
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/e2e"), str(TOP / "tests")]

import run as beside  # noqa: E402
from findings import take  # noqa: E402
from watching import SANITIZERS, sanitizers, under_valgrind, unit_runner, units  # noqa: E402

FILE_LIMIT = 7200
NO_TESTS = 5  # pytest's status when a selection leaves nothing of a file

# Of what takes a second as it is. The tests' deadlines; how long they watch is as ever.
PATIENCE = {"address": 4, "thread": 8, "valgrind": 20}


class Total:
    def __init__(self):
        self.rows = []

    def add(self, name, status, text, took):
        counts = {word: sum(map(int, re.findall(rf"(\d+) {word}", text))) for word in ("passed", "failed", "skipped")}
        counts["failed"] += sum(map(int, re.findall(r"(\d+) errors?\b", text)))
        if status and not counts["failed"]:
            counts["failed"] = 1
        self.rows.append((name, counts, took))
        print(self.line(name, counts, took), flush=True)

    @staticmethod
    def line(name, counts, took):
        return f"{name:24} {'  '.join(f'{n:4} {word}' for word, n in counts.items())} {took:7.0f} s"

    def show(self):
        print("== by file")
        for row in self.rows:
            print(self.line(*row))
        totals = [sum(counts[word] for _, counts, _ in self.rows) for word in ("passed", "failed", "skipped")]
        print("{} passed, {} failed, {} skipped".format(*totals))
        return 1 if totals[1] or not totals[0] else 0


def last_line(text):
    return (text.rstrip().splitlines() or [""])[-1]


def run(command, environment):
    """Its status, all it wrote, how long it took."""
    began = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=TOP, env=os.environ | environment, text=True, errors="replace", timeout=FILE_LIMIT,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        status, text = done.returncode, done.stdout
    except subprocess.TimeoutExpired as e:
        status, text = 1, (e.stdout or b"").decode(errors="replace") + f"\nno end in {FILE_LIMIT} s\n"
    return status, text, time.monotonic() - began


def shown(status, text):
    """What is wrong, or only what was skipped."""
    lines = text.splitlines() if status not in (0, NO_TESTS) else [l for l in text.splitlines() if l.startswith("SKIPPED")]
    for line in lines:
        print(line, flush=True)


class Watched:
    """What watches, and how suites are run so that each has its findings in a place of its own."""

    def __init__(self, way, build, place):
        self.way, self.build, self.place = way, build, place

    def environment(self, findings, programs):
        build = under_valgrind(self.build, findings, programs) if self.way == "valgrind" else self.build
        return sanitizers(self.way, findings) | {
            "PUSHBACK_BUILD": str(build),
            "PUSHBACK_FINDINGS": str(findings),
            "PUSHBACK_TEST_PATIENCE": os.environ.get("PUSHBACK_TEST_PATIENCE", str(PATIENCE[self.way])),
        }

    def command(self, name, arguments):
        python = [sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rs", "--tb=short"]
        if name == "unit":
            return ["tests/run-unit", *units(self.build, self.way)]
        # The first builds its own programs, with each of these among them.
        file = "tests/header/matrix.py" if name == "header" else f"tests/e2e/test_{name}.py"
        return [*python, file, *arguments]

    def run(self, name, arguments):
        findings, programs = self.place / name / "found", self.place / name / "build"
        for folder in (findings, programs):
            folder.mkdir(parents=True)
        # What is found in a program of another user is written by that user.
        findings.chmod(0o777 | stat.S_ISVTX)
        more = {"PUSHBACK_RUNNER": unit_runner(self.build)} if self.way == "valgrind" and name == "unit" else {}
        environment = {} if name == "header" else self.environment(findings, programs) | more
        status, text, took = run(self.command(name, arguments), environment)
        left = take(findings)
        if left:  # in a unit test, or in a program that outlived its test
            status, text = status or 1, "\n".join([*left, text])
        return name, status, text, took


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=[*SANITIZERS, "valgrind"])
    parser.add_argument("build", type=Path)
    parser.add_argument("--files", default="")
    parser.add_argument("--jobs", type=int, default=(os.cpu_count() or 1) + 1)
    options, arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="pb-found-", dir="/tmp") as place:
        Path(place).chmod(0o755)
        watched = Watched(options.way, options.build.resolve(), Path(place))
        return suites(watched, groups(options.files.split(), arguments), arguments, options.jobs)


def groups(wanted, arguments):
    """Those of one may run beside each other, as without what watches; `arguments` are for pytest alone."""
    left_out = ("house rules", "fuzz", "analysis", *(("unit", "header") if arguments else ()))
    for group in beside.suites("build"):
        yield [s.name for s in group if s.name in wanted or (not wanted and s.name not in left_out)]


def suites(watched, groups, arguments, jobs):
    total = Total()
    for group in groups:
        for name, status, text, took in beside.as_they_end(jobs, lambda name: watched.run(name, arguments), group):
            shown(status, text)
            if status != NO_TESTS:
                total.add(name, status, last_line(text), took)
    return total.show()


if __name__ == "__main__":
    sys.exit(main())
