#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs every suite, shows each one's output as it comes, and adds up.

The last line is "N passed, N failed, N skipped"; skips are listed with their reasons before it.
"""
import re
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PYTHON = sys.executable


def suites(build):
    units = sorted(str(p) for p in (TOP / build / "tests/unit").glob("test_*") if not p.suffix)
    yield "check", [PYTHON, "tools/check.py"]
    yield "analysis", [PYTHON, "-m", "pytest", "-q", "-rs", "tests/analysis"]
    yield "unit", ["tests/run-unit", *units]
    yield "header", [PYTHON, "-m", "pytest", "-q", "-rs", "tests/header/matrix.py"]
    yield "fuzz", [PYTHON, "-m", "pytest", "-q", "-rs", "--durations=8", "tests/fuzz"]
    yield "end to end", [PYTHON, "-m", "pytest", "-q", "-rs", "--durations=8", "tests/e2e"]


def count(word, text):
    """The last number before `word`: a runner's own total stands at the end."""
    found = re.findall(rf"(\d+) {word}", text)
    return int(found[-1]) if found else 0


def run(name, command):
    print(f"== {name}", flush=True)
    began = time.monotonic()
    child = subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = []
    for line in child.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        lines.append(line)
    status = child.wait()
    text = "".join(lines)
    passed, failed, skipped = (count(w, text) for w in ("passed", "failed", "skipped"))
    failed += count("errors?", text) if "pytest" in command else 0
    if status and not failed:
        failed = 1  # it died before it could count
    if not passed and not failed:
        print(f"{name}: ran no test")
        failed = 1
    print(f"== {name}: {time.monotonic() - began:.0f} s", flush=True)
    return passed, failed, skipped


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build"
    totals = [sum(column) for column in zip(*(run(*suite) for suite in suites(build)))]
    print("{} passed, {} failed, {} skipped".format(*totals))
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
