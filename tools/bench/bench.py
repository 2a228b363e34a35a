# SPDX-License-Identifier: MIT
"""What all rows share: settings, statistics, tables, and how processes are started and ended.

A row is a module row_NAME.py with `measure(bench)`, which yields Tables (and Charts) as they are done. Ways
that are compared take turns within each round; figures are medians over the rounds, with the quartiles
as their spread; ratios are of neighbours in one round, and the median of these is shown. Nothing here
fails on a time.
"""

import contextlib
import dataclasses
import pathlib
import statistics
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]


def done(text):
    """Ends the benchmark: something that it needs is not there."""
    sys.exit(f"bench: {text}")


@dataclasses.dataclass(frozen=True)
class Figure:
    """A median and its quartiles."""

    median: float
    low: float
    high: float

    def text(self, digits=2):
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f} to {self.high:,.{digits}f})"


def figure(values):
    values = sorted(values)
    if len(values) < 3:
        return Figure(statistics.median(values), values[0], values[-1])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Figure(median, low, high)


def ratios(ones, others):
    """Of neighbours: the n-th of `ones` ran just before or after the n-th of `others`."""
    return figure([one / other for one, other in zip(ones, others, strict=True) if other])


def take_turns(ways, rounds):
    """{name: [what ways[name]() gave in each round]}; the order turns around each time."""
    seen = {name: [] for name in ways}
    for n in range(rounds):
        for name in list(ways) if n % 2 == 0 else reversed(list(ways)):
            seen[name].append(ways[name]())
    return seen


@dataclasses.dataclass
class Table:
    """As it goes into the README."""

    title: str
    columns: list
    rows: list
    note: str = ""

    def markdown(self):
        lines = [f"### {self.title}", "", row_text(self.columns), "|" + "---|" * len(self.columns)]
        lines += [row_text(row) for row in self.rows]
        return "\n".join(lines + (["", self.note] if self.note else [])) + "\n"


def row_text(cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


@dataclasses.dataclass
class Chart:
    """An SVG file beside the table."""

    name: str
    svg: str


class Bench:
    """One run of the benchmark. What is started through it ends with it."""

    def __init__(self, build, smoke, directory):
        self.build = build  # pushback, the demo, the tests' programs
        self.programs = build / "bench"  # what tools/bench/*.c became
        self.smoke = smoke  # each thing once, as short as it still works: figures mean nothing
        self.directory = directory  # for copies and sockets; goes with the run
        self.stack = contextlib.ExitStack()

    def copy(self, program, name):
        """Of a program, to attach to: probes are placed by file, and others shall not be watched."""
        target = self.directory / name
        target.write_bytes(program.read_bytes())
        target.chmod(0o755)
        return target

    @contextlib.contextmanager
    def started(self, command, line, **options):
        """A process that has said `line` on its output or error output, until the end of the block."""
        options = {"stdin": subprocess.DEVNULL, **options}
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
        )
        try:
            said = []
            for text in process.stdout:
                said.append(text)
                if line in text:
                    break
            else:
                done(f"{command[0]} did not start: {''.join(said[-5:]).strip()}")
            yield process
        finally:
            process.terminate()
            process.communicate()

    def agent(self, *arguments):
        """pushback run; nobody listens where it sends to unless the arguments say so."""
        command = [self.build / "pushback", "run", *arguments]
        if "--statsd" not in arguments:
            command += ["--statsd", "udp://127.0.0.1:9"]
        return self.started(command, "pushback: watching")
