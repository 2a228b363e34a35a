# SPDX-License-Identifier: MIT
"""What one kernel event costs: our handler beside a BPF program that does nothing, at the same sites."""

import contextlib
import dataclasses
import pathlib
import re
import signal
import subprocess

import elf
import tracers
from bench import Table, done, figure, ratios, take_turns

PROBES = ["submit_return", "forward_return", "poll_return", "step_end"]
STATS = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
NS = 0  # digits


@dataclasses.dataclass(frozen=True)
class Attached:
    """A program's copy of its own, and the process that watches it."""

    program: pathlib.Path
    watcher: int

    def edges(self, count, steps):
        """ns of a fired one, without what it costs folded: the kernel's part."""
        command = [self.program, str(count), str(steps)]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        if said.returncode:
            done(f"{self.program.name}: {said.stderr.strip()}")
        fired, folded = (float(ns) for ns in said.stdout.split())
        return fired - folded

    def statistics(self):
        """(runs, ns) of its most run program, as the kernel has counted while it was told to."""
        most = (0, 0)
        for info in pathlib.Path(f"/proc/{self.watcher}/fdinfo").iterdir():
            found = re.search(r"run_time_ns:\s+(\d+)\s+run_cnt:\s+(\d+)", info.read_text())
            most = max(most, (int(found[2]), int(found[1])) if found else most)
        return most


@contextlib.contextmanager
def both(bench):
    """Ours and the empty one, each on a copy of the program."""
    ours, empty = (bench.copy(bench.programs / "event", name) for name in ("event-ours", "event-empty"))
    places = [place for probe in PROBES for place in elf.usdt(empty, "pushback", probe)]
    with bench.agent("--path", ours) as agent, tracers.minimal(bench, empty, places, "--empty") as tracer:
        yield {"ours": Attached(ours, agent.pid), "empty": Attached(empty, tracer.process.pid)}


@contextlib.contextmanager
def statistics():
    before = STATS.read_text()
    STATS.write_text("1")
    try:
        yield
    finally:
        STATS.write_text(before)


def in_the_program(attached, count, steps):
    """ns of a run of the BPF program alone. The kernel leaves a run out where its clock stood still."""
    runs, ns = attached.statistics()
    with statistics():
        attached.edges(count, steps)
    runs, ns = attached.statistics()[0] - runs, attached.statistics()[1] - ns
    if not 0.9 * count <= runs <= count + 3 * steps:
        done(f"{attached.program.name}: {count} edges were {runs} runs of the BPF program")
    return ns / runs


def event_row(ways, what, rounds, count, steps):
    took = take_turns({name: lambda way=way: way.edges(count, steps) for name, way in ways.items()}, rounds)
    # More of them at once: the first sight of a step, which takes longer, is among these.
    alone = {name: in_the_program(way, 10 * count, steps) for name, way in ways.items()}
    ratio = ratios(took["ours"], took["empty"])
    cells = [figure(took["ours"]).text(NS), figure(took["empty"]).text(NS), ratio.text(2)]
    return [what, *cells, "yes" if ratio.median <= 1.3 else "no", *(f"{alone[way]:.0f}" for way in ways)]


# ---- The fire site ----


def site_row(what, ns, signal_number):
    return [what, figure(ns).text(NS), "no" if signal_number else "yes"]


def sites(bench, rounds, hits):
    """One nop, as ours are, and one of five bytes, both with the empty program."""
    program = bench.copy(bench.programs / "site", "site")
    names = ["site_nop", "site_nop5"]
    said = []
    with tracers.minimal_uprobe(bench, program, names) as tracer:
        for _ in range(rounds):
            ran = subprocess.run([program, str(hits)], capture_output=True, text=True, check=True)
            said.append([float(number) for number in ran.stdout.split()])
    one, five, one_end, five_end = zip(*said, strict=True)
    # A child that is killed comes by before it is counted.
    expected = rounds * len(names) * hits + sum(end == 0 for end in (*one_end, *five_end))
    if tracer.hits() != expected:
        done(f"{expected} hits at {' and '.join(names)} were counted as {tracer.hits()}")
    rows = [site_row("`nop`", one, int(max(one_end))), site_row("`nop5`", five, int(max(five_end)))]
    ends = {signal.Signals(int(end)).name for end in (*one_end, *five_end) if end}
    note = (
        f"A child that does not live is killed by {' or '.join(sorted(ends))}. " if ends else ""
    ) + (
        "Ours is one nop. Where the kernel turns five bytes into a call, a hit is cheaper; it stays out "
        "while a child that was forked with the call in its text does not live."
    )
    return Table("The fire site", ["", "ns of a hit", "a forked child that comes by lives"], rows, note)


def measure(bench):
    rounds, count = (3, 400) if bench.smoke else (25, 4_000)
    many = 20 if bench.smoke else 500
    with both(bench) as ways:
        rows = [
            event_row(ways, "one step", rounds, count, 1),
            event_row(ways, f"{many} steps in turn", rounds, count, many),
        ]
    columns = ["ns of a fired edge", "ours", "an empty program", "ratio", "at most 1.3"]
    columns += ["in the program: ours", "empty"]
    note = "In the program: by the kernel's own statistics, whose clock is in both."
    yield Table("One kernel event", columns, rows, note)
    yield sites(bench, *((3, 100) if bench.smoke else (11, 2_000)))
