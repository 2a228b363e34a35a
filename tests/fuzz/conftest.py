# SPDX-License-Identifier: MIT
"""The seed of this run, which its output ends with; PUSHBACK_SEED repeats one."""
import os
import time

SEED = int(os.environ.get("PUSHBACK_SEED", time.time()))


def pytest_terminal_summary(terminalreporter):
    # With -q there is no header.
    terminalreporter.write_line(f"fuzz seed {SEED}")
