#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs every suite, several at once as most of a test's time is waiting, shows what each said once it has
ended, and adds up.

The last line is "N passed, N failed, N skipped"; skips are listed with their reasons before it.
"""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
PYTEST = [PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rs"]

# Their consumers say themselves whether they are watched: not beside agents that watch the whole host.
MINDFUL = "mixed rust rust_link".split()
# They do both, or ask what an agent that watches the whole host grows by.
ALONE = "hostile_files privilege".split()


@dataclass(frozen=True)
class Suite:
    name: str
    command: list


def suites(build):
    """Group by group: those of one may run beside each other. Long ones first."""
    units = sorted(str(p) for p in (TOP / build / "tests/unit").glob("test_*") if not p.suffix)
    files = sorted(p.stem.removeprefix("test_") for p in (TOP / "tests/e2e").glob("test_*.py"))
    of_files = lambda names: [Suite(name, [*PYTEST, f"tests/e2e/test_{name}.py"]) for name in names]
    yield [
        Suite("header", [*PYTEST, "tests/header/matrix.py"]),
        *of_files(MINDFUL),
        Suite("unit", ["tests/run-unit", *units]),
    ]
    yield [
        Suite("house rules", [PYTHON, "tools/check.py"]),
        Suite("fuzz", [*PYTEST, "tests/fuzz"]),
        Suite("analysis", [*PYTEST, "tests/analysis"]),
        *of_files(name for name in files if name not in MINDFUL + ALONE),
    ]
    for name in ALONE:
        yield of_files([name])


@dataclass(frozen=True)
class Result:
    name: str
    text: str
    counts: tuple  # passed, failed, skipped
    seconds: float


def count(word, text):
    """The last number before `word`: a runner's own total stands at the end."""
    found = re.findall(rf"(\d+) {word}", text)
    return int(found[-1]) if found else 0


def run(suite, environment):
    began = time.monotonic()
    done = subprocess.run(
        suite.command, cwd=TOP, env=environment, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    passed, failed, skipped = (count(w, done.stdout) for w in ("passed", "failed", "skipped"))
    failed += count("errors?", done.stdout) if "pytest" in suite.command else 0
    if done.returncode and not failed:
        failed = 1  # it died before it could count
    text = f"== {suite.name}\n{done.stdout}"
    if not passed and not failed and not skipped:
        text += f"{suite.name}: ran no test\n"
        failed = 1
    seconds = time.monotonic() - began
    return Result(suite.name, f"{text}== {suite.name}: {seconds:.0f} s", (passed, failed, skipped), seconds)


def as_they_end(workers, function, items):
    """What it gives for each, as it comes. Who is interrupted waits for those that run, and begins no more."""
    with ThreadPoolExecutor(workers) as pool:
        try:
            for done in as_completed([pool.submit(function, item) for item in items]):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def run_all(group, workers):
    """The results, each shown as it comes."""
    # Who runs beside others waits for them, too.
    environment = {"PUSHBACK_TEST_PATIENCE": str(workers)} | os.environ
    for result in as_they_end(workers, lambda suite: run(suite, environment), group):
        print(result.text, flush=True)
        yield result


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build"
    workers = (os.cpu_count() or 1) + 1
    results = [result for group in suites(build) for result in run_all(group, workers)]
    longest = sorted(results, key=lambda r: -r.seconds)[:8]
    print(f"longest: {', '.join(f'{r.name} {r.seconds:.0f} s' for r in longest)}")
    for result in results:
        if result.counts[1]:
            print(f"failed: {result.name}: {result.counts[1]}")
    totals = [sum(column) for column in zip(*(result.counts for result in results))]
    print("{} passed, {} failed, {} skipped".format(*totals))
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
