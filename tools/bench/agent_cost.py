#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The agent under a load of so many steps: its CPU, its memory, and what it sent.

    agent_cost.py BUILD PROCESSES STEPS [PERCENT...] [--interval 1s] [--seconds N]

One configuration after another, for who works on the agent; the benchmark's row is row_agent.py.
"""

import argparse
import contextlib
import dataclasses
import itertools
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

from bench import TOP, Bench, done

GROUP = "pushback-bench"
SENT = ("flushes", "packets", "lines", "bytes")
numbers = itertools.count()


def ask(process, command, answer):
    """A line of commands to a program of ours, and the line that it says then."""
    process.stdin.write(f"{command}\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line.startswith(answer):
        done(f"{process.args[0]}: {line.strip() or 'it ended'}")
    return line[len(answer) :].split()


def sums(words):
    return {name: float(value) for name, value in (word.split("=") for word in words)}


# ---- Memory ----


def memory_parent():
    """The directory for a cgroup with a memory controller: version 2's, or version 1's of ours."""
    root = pathlib.Path("/sys/fs/cgroup")
    control = root / "cgroup.subtree_control"
    if control.exists():
        return root if "memory" in control.read_text().split() else None
    own = re.search(r"^\d+:memory:/(.*)", pathlib.Path("/proc/self/cgroup").read_text(), re.M)
    return root / "memory" / own[1] if own and (root / "memory" / own[1]).exists() else None


class Memory:
    """A cgroup for one process: its own pages and the kernel's for its maps, MiB."""

    PEAK = ("memory.peak", "memory.max_usage_in_bytes")
    NOW = ("memory.current", "memory.usage_in_bytes")

    def __init__(self, path):
        self.path = path

    def enter(self):
        (self.path / "cgroup.procs").write_text("0")

    def _read(self, names):
        found = (self.path / name for name in names if (self.path / name).exists())
        return next((int(path.read_text()) / 2**20 for path in found), math.nan)

    def peak(self):
        return self._read(self.PEAK)

    def now(self):
        return self._read(self.NOW)

    def remove(self):
        for _ in range(500):  # the kernel may still be busy with the process that was in it
            with contextlib.suppress(OSError):
                return self.path.rmdir()
            time.sleep(0.01)
        return done(f"cannot remove {self.path}")


class Unmeasured:
    """Where there is no such controller for us."""

    def enter(self):
        pass

    def peak(self):
        return math.nan

    now = peak


def remove_old(parent):
    """Of runs that were killed."""
    for path in parent.glob(f"{GROUP}-*"):
        if not pathlib.Path("/proc", path.name.split("-")[2]).exists():
            with contextlib.suppress(OSError):
                path.rmdir()


@contextlib.contextmanager
def memory_group():
    parent = memory_parent()
    if not parent or not os.access(parent, os.W_OK):
        yield Unmeasured()
        return
    remove_old(parent)
    path = parent / f"{GROUP}-{os.getpid()}-{next(numbers)}"
    path.mkdir()
    memory = Memory(path)
    try:
        yield memory
    finally:
        memory.remove()


# ---- CPU ----


def cpu_ns(pid):
    """Of all threads that it has and of the process that reads for it, by the scheduler's own count."""
    tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
    own = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
    return own + sum(cpu_ns(child) for task in tasks for child in (task / "children").read_text().split())


class Stretch:
    """The CPU that a process takes from now on."""

    def __init__(self, pid):
        self.pid = pid
        self.began, self.cpu = time.monotonic_ns(), cpu_ns(pid)

    def ms_per_s(self):
        return (cpu_ns(self.pid) - self.cpu) / (time.monotonic_ns() - self.began) * 1000


# ---- The load, the agent, and where it sends to ----


class Load:
    """So many steps in so many processes."""

    def __init__(self, process, program):
        self.process = process
        self.program = program
        self.active_steps = 0

    def active(self, percent):
        self.active_steps = int(ask(self.process, f"active {percent}", "active")[0])

    def truth(self):
        return sums(ask(self.process, "truth", "truth"))


@contextlib.contextmanager
def load(bench, processes, steps):
    program = bench.copy(bench.programs / "load", f"load-{next(numbers)}")
    command = [program, str(processes), str(steps)]
    with bench.started(command, "ready", stdin=subprocess.PIPE) as process:
        yield Load(process, program)


@dataclasses.dataclass
class Agent:
    pid: int
    interval: float  # s
    memory: Memory
    sink: subprocess.Popen
    process: subprocess.Popen

    def received(self):
        """By the server; metrics by their names without the prefix."""
        found = sums(ask(self.sink, "report", "sums"))
        return {name.removeprefix("streams.pipeline."): value for name, value in found.items()}

    def end(self):
        """It sends what is left and is gone; by then the server has all of it in its socket."""
        self.process.terminate()
        self.process.wait()

    def check(self, truth):
        """It counted all, the server has got it all, and each episode gave a sample."""
        received = self.received()
        for direction in ("send", "receive"):
            samples = received.get(f"{direction}_backpressure_duration", 0)
            received[f"{direction} samples"] = round(samples)  # each of 1/rate, and rates are rounded
            truth = {**truth, f"{direction} samples": truth.get(f"{direction}_backpressure_episodes", 0)}
        seen = {name: received.get(name, 0) for name in truth}
        if seen != truth:
            done(f"the agent did not count what was done: {seen}, in truth {truth}")


@contextlib.contextmanager
def agent(bench, path, interval):
    """Watching a program, sending to a server of its own, in a cgroup of its own."""
    command = [bench.programs / "statsd_sink"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        port = server.stdout.readline().split()[1]
        arguments = ["--path", path, "--interval", f"{interval}s", "--statsd", f"udp://127.0.0.1:{port}"]
        try:
            with memory_group() as memory, started_in(bench, memory, arguments) as process:
                yield Agent(process.pid, interval, memory, server, process)
        finally:
            server.stdin.close()


def started_in(bench, memory, arguments):
    command = [bench.build / "pushback", "run", *arguments]
    return bench.started(command, "pushback: watching", preexec_fn=memory.enter)


# ---- One configuration ----


def await_flush(watching):
    """The next one has come in."""
    flushes = watching.received()["flushes"]
    while watching.received()["flushes"] == flushes:
        if watching.process.poll() is not None:
            done("the agent has ended")
        time.sleep(0.005)


def measure_one(watching, busy, percent, seconds):
    busy.active(percent)
    # Some of before, some of the present load; and a last 0 of what is idle now.
    for _ in range(2 if percent else 3):
        await_flush(watching)
    time.sleep(watching.interval / 2)
    before = watching.received()
    stretch = Stretch(watching.pid)
    seconds = max(1, round(seconds / watching.interval)) * watching.interval
    time.sleep(seconds)
    cpu = stretch.ms_per_s()
    after = watching.received()
    sent = {name: (after[name] - before[name]) / seconds for name in SENT}
    print(
        f"{busy.active_steps:6} steps active: {cpu:8.3f} ms CPU per s ({cpu / 10:.3f} % of a core), "
        f"{watching.memory.now():.1f} MiB, at most {watching.memory.peak():.1f}; "
        f"per s {', '.join(f'{sent[name]:,.1f} {name}' for name in SENT)}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("processes", type=int)
    parser.add_argument("steps", type=int)
    parser.add_argument("percents", type=int, nargs="*", default=[100])
    parser.add_argument("--interval", type=float, default=1, help="s")
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_intermixed_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    build = (TOP / options.build).resolve()
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(build, False, pathlib.Path(directory))
        with load(bench, options.processes, options.steps) as busy:
            with agent(bench, busy.program, options.interval) as watching:
                for percent in options.percents:
                    measure_one(watching, busy, percent, options.seconds)
                busy.active(0)
                watching.end()
                watching.check(busy.truth())


if __name__ == "__main__":
    main()
