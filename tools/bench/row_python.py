# SPDX-License-Identifier: MIT
"""What observe() adds to a call in Python, by tests/progs/bench_python.py."""

import os
import re
import subprocess

from bench import TOP, Table

PYTHON = "/usr/bin/python3"


def measure(bench):
    if not (bench.build / "python/pushback/__init__.py").exists():
        yield Table("Python: not measured, its package was not built", ["", ""], [])
        return
    command = [PYTHON, "-B", TOP / "tests/progs/bench_python.py"]
    if bench.smoke:
        command += ["--rounds", "3", "--calls", "1000"]
    environment = {**os.environ, "PYTHONPATH": str(bench.build / "python")}
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    rows = [re.split(r"\s{2,}", line.strip()) for line in said.splitlines() if "  " in line]
    columns = ["ns a call", "plain", "wrapped", "added"]
    yield Table("What observe() adds to a call in Python, nobody watching", columns, rows[1:])
