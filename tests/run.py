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
import threading
import time
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
PYTEST = [PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rs"]

# Their agents look for consumers on the whole host, and watch those of other tests as well.
WATCHERS = "attach discovery hostile_files kubernetes pin_files privilege readme recipe recipe_wrong".split()
# Their consumers have to be left alone: they say themselves whether they are watched.
WATCHED = "mixed rust rust_link".split()


@dataclass(frozen=True)
class Suite:
    name: str
    command: list
    watches: bool = False
    minds: bool = False

    def may_run_beside(self, others):
        """Of those that have not ended."""
        if self.watches:
            return not any(s.watches or s.minds for s in others)
        return not (self.minds and any(s.watches for s in others))


def suites(build):
    units = sorted(str(p) for p in (TOP / build / "tests/unit").glob("test_*") if not p.suffix)
    yield Suite("header", [*PYTEST, "tests/header/matrix.py"], minds=True)
    yield Suite("unit", ["tests/run-unit", *units], minds=True)
    yield Suite("check", [PYTHON, "tools/check.py"])
    yield Suite("analysis", [*PYTEST, "tests/analysis"])
    yield Suite("fuzz", [*PYTEST, "tests/fuzz"])
    files = {p.stem.removeprefix("test_"): p for p in (TOP / "tests/e2e").glob("test_*.py")}
    for name in sorted(files, key=lambda name: (name not in WATCHED, name not in WATCHERS, name)):
        path = str(files[name].relative_to(TOP))
        yield Suite(name, [*PYTEST, path], name in WATCHERS, name in WATCHED)


class Runner:
    """Takes the first that may run, as long as there are some. Those who mind stand before those who watch."""

    def __init__(self, todo, workers):
        self.todo, self.running, self.results = list(todo), [], []
        self.changed = threading.Condition()
        # Who runs beside others waits for them, too.
        self.environment = {"PUSHBACK_TEST_PATIENCE": str(workers)} | os.environ

    def next(self):
        with self.changed:
            while self.todo:
                for suite in self.todo:
                    if suite.may_run_beside(self.running):
                        self.todo.remove(suite)
                        self.running.append(suite)
                        return suite
                self.changed.wait()
        return None

    def work(self):
        while suite := self.next():
            result = run(suite, self.environment)
            with self.changed:
                self.running.remove(suite)
                self.results.append(result)
                print(result.text, flush=True)
                self.changed.notify_all()


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


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build"
    workers = (os.cpu_count() or 1) + 1
    runner = Runner(suites(build), workers)
    threads = [threading.Thread(target=runner.work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    longest = sorted(runner.results, key=lambda r: -r.seconds)[:8]
    print(f"longest: {', '.join(f'{r.name} {r.seconds:.0f} s' for r in longest)}")
    for result in runner.results:
        if result.counts[1]:
            print(f"failed: {result.name}: {result.counts[1]}")
    totals = [sum(column) for column in zip(*(result.counts for result in runner.results))]
    print("{} passed, {} failed, {} skipped".format(*totals))
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
