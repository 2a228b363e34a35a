# SPDX-License-Identifier: MIT
"""What it takes the agent to look for consumers among processes that are none, and beside many execs."""

import contextlib
import os
import subprocess
import time

from agent_arrival import newcomer, replace
from agent_cost import Stretch, agent
from bench import Table, figure


@contextlib.contextmanager
def bystanders(count):
    """So many processes that are no consumers."""
    crowd = [subprocess.Popen(["sleep", "1000"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in crowd:
            process.kill()
        for process in crowd:
            process.wait()


def samples(pid, seconds):
    """ms of CPU in each second, once the first look at what is new is over."""
    time.sleep(2)
    found = []
    for _ in range(seconds):
        stretch = Stretch(pid)
        time.sleep(1)
        found.append(stretch.ms_per_s())
    return found


def storm(pid, seconds):
    """The same beside as many execs as one process can make, and how many these were a second."""
    stretch, count, end = Stretch(pid), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
        count += 1
    return stretch.ms_per_s(), count / seconds


def measure(bench):
    """Of an agent whose file was replaced while it runs: it looks through all processes then."""
    few, many, seconds = (0, 10, 1) if bench.smoke else (0, 1000, 8)
    program = bench.copy(bench.programs / "newcomer", "newcomer-look")
    seen = {}
    with agent(bench, program, 10) as watching, newcomer(bench, program, "100000"):
        replace(bench, program)
        for count in (few, many):
            with bystanders(count):
                seen[count] = figure(samples(watching.pid, seconds))
                if count:
                    under_storm, execs = storm(watching.pid, seconds)
        watching.end()
    rows = [
        ["as the machine is", seen[few].text()],
        [f"with {many:,} more processes that do nothing", seen[many].text()],
        [f"and with {execs:,.0f} execs a second", f"{under_storm:.2f}"],
    ]
    note = "It looks once a second through all processes, and at each that has begun; either takes 2 % at most."
    yield Table("The agent: looking for consumers, ms of CPU a second", ["", "ms/s"], rows, note)
