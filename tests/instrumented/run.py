#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The suites with our programs watched by sanitizers or by valgrind, and a table file by result.

run.py address|thread|valgrind BUILD [--files 'exact pin'] [pytest's arguments...]

What is found fails its test (tests/e2e/instrumented.py). One pytest per file, each with a limit of its own.
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
sys.path.insert(0, str(TOP / "tests/e2e"))

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
    """Its status, all it wrote, how long it took; nothing is shown of what goes well."""
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=[*SANITIZERS, "valgrind"])
    parser.add_argument("build", type=Path)
    parser.add_argument("--files", default="")
    options, arguments = parser.parse_known_args()
    build = options.build.resolve()
    with tempfile.TemporaryDirectory(prefix="pb-found-", dir="/tmp") as place:
        findings, programs = Path(place) / "found", Path(place) / "build"
        for folder in (findings, programs):
            folder.mkdir()
        # What is found in a program of another user is written by that user.
        Path(place).chmod(0o755)
        findings.chmod(0o777 | stat.S_ISVTX)
        return suites(options, arguments, build, findings, programs)


def suites(options, arguments, build, findings, programs):
    way, total = options.way, Total()
    environment = sanitizers(way, findings) | {
        "PUSHBACK_BUILD": str(under_valgrind(build, findings, programs) if way == "valgrind" else build),
        "PUSHBACK_FINDINGS": str(findings),
        "PUSHBACK_TEST_PATIENCE": os.environ.get("PUSHBACK_TEST_PATIENCE", str(PATIENCE[way])),
    }
    python = [sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rs", "--tb=short"]
    wanted = options.files.split()
    if not wanted and not arguments:
        runner = {"PUSHBACK_RUNNER": unit_runner(build)} if way == "valgrind" else {}
        one("unit", ["tests/run-unit", *units(build, way)], environment | runner, total, findings)
        # Builds its own programs, with each of these among them.
        one("header", [*python, "tests/header/matrix.py"], {}, total, findings)
    for file in sorted((TOP / "tests/e2e").glob("test_*.py")):
        name = file.stem.removeprefix("test_")
        if not wanted or name in wanted:
            one(name, [*python, file, *arguments], environment, total, findings)
    return total.show()


def one(name, command, environment, total, findings):
    status, text, took = run(command, environment)
    shown(status, text)
    left = take(findings)
    for path in findings.iterdir():
        path.unlink()
    if left and not status:  # in a program that outlived its test
        print(*left, sep="\n")
        status = 1
    if status != NO_TESTS:
        total.add(name, status, last_line(text), took)


if __name__ == "__main__":
    sys.exit(main())
