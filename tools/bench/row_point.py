# SPDX-License-Identifier: MIT
"""What a probe point costs: ns that telling adds to a submit, by tools/bench/point.c."""

import contextlib
import dataclasses
import re
import socket
import statistics
import subprocess

import chart
import tracers
from bench import Chart, Table, done, figure

STATES = ["accepting", "refusing", "alternating"]
# So small a cost can't be told from none.
LEAST_NS = 0.1
SO_RCVBUFFORCE = 33


class Told:
    """What a run of the program said: ns by way, state and round, and what its steps have counted."""

    def __init__(self, text):
        self.ns = {}
        self.steps = {}
        for line in text.splitlines():
            first, second, *numbers = line.split()
            if first == "step":
                self.steps[second] = [int(n) for n in numbers]
            else:
                self.ns[first, second] = [float(n) for n in numbers]

    def median(self, way, state):
        return statistics.median(self.ns[way, state])

    def cell(self, way, state):
        if (way, state) not in self.ns:
            return "-"
        its = figure(self.ns[way, state])
        return its.text(0 if its.median >= 100 else 1 if its.median >= 10 else 2)

    def cells(self, way):
        return [self.cell(way, state) for state in STATES]

    def times(self, way):
        """How many times ours, which has taken turns with it."""
        cells = []
        for state in STATES:
            if (way, state) not in self.ns:
                cells.append("-")
                continue
            times = self.median(way, state) / max(self.median("ours", state), LEAST_NS)
            cells.append(f"{times:,.{0 if times >= 100 else 1}f}")
        return cells


def run(program, how, rounds, *turns):
    command = [program, how, str(rounds), *turns]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        done(f"{' '.join(map(str, command))}: {said.stderr.strip()}")
    return Told(said.stdout)


class Statsd:
    """A server for the agent, which is asked only once the agent has ended."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)  # all of it waits here
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.address = f"udp://127.0.0.1:{self.socket.getsockname()[1]}"

    def counted(self):
        """{step: [accepted, rejected]} of all that the agent has sent."""
        steps = {}
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = self.socket.recv(65536).decode()
                for name, number, step in re.findall(r"(\w+):(\d+)\|c\|#(?:\S*,)?step:([\w.-]+)", packet):
                    if name in ("submit_accepted", "send_backpressure"):
                        its = steps.setdefault(step, [0, 0])
                        its[name == "send_backpressure"] += int(number)
        return steps


# ---- The alternatives ----

USDT = ("point", "submit_return")
USDT_SPEC = "usdt:{}:point:submit_return"
FUNCTION = ["submit_traced"]


def alternatives(bench, program):
    """(what it is, the way in the program, how it is attached)"""
    return [
        ("USDT probe, minimal BPF", "usdt", lambda: tracers.minimal_usdt(bench, program, *USDT)),
        ("USDT probe, bpftrace count", "usdt", lambda: tracers.bpftrace_count(bench, program, USDT_SPEC)),
        ("USDT probe, bpftrace histogram", "usdt", lambda: tracers.bpftrace_hist(bench, program, USDT_SPEC)),
        ("USDT probe, perf stat", "usdt", lambda: tracers.perf(bench, program, *USDT)),
        ("USDT probe, perf record", "usdt", lambda: tracers.perf(bench, program, *USDT, record=True)),
        ("uprobe, minimal BPF", "traced", lambda: tracers.minimal_uprobe(bench, program, FUNCTION)),
        ("uretprobe, minimal BPF", "traced", lambda: tracers.minimal_uretprobe(bench, program, FUNCTION)),
    ]


def trace(name, way, attach, program, settings):
    """Ours takes turns with it in the same process, watched by the agent."""
    rounds, turn = settings.traced_rounds, settings.traced_turn
    with attach() as tracer:
        told = run(program, "watched", rounds, f"ours:{settings.turn}", f"{way}:{turn}")
    # A histogram is of episodes: of one that alternates, whose last one is left open.
    expected = rounds * turn // 2 - 1 if name.endswith("histogram") else rounds * turn * len(STATES)
    if tracer.hits() != expected:
        done(f"{name} counted {tracer.hits()} hits and not {expected}")
    return told


# ---- What is shown ----

IN_PROCESS = {"labelled counter": "counter", "labelled counter and timer": "timer"}


def check(runs, counted):
    """The agent has counted each submit of ours: it was watched all the time."""
    truth = {}
    for told in runs:
        for step, (accepted, rejected, *_) in told.steps.items():
            its = truth.setdefault(step, [0, 0])
            its[0] += accepted
            its[1] += rejected
    for step, counts in truth.items():
        if counted.get(step) != counts:
            done(f"the agent counted {counted.get(step)} and not {counts} at the step {step}")


def check_folded(told):
    closed, folded = told.steps["alternating"][2:]
    if folded < 0.9 * closed:
        done(f"of {closed} episodes only {folded} were folded")


def table(unwatched, watched, traced):
    rows = [
        ["**pushback**, nobody watching", *unwatched.cells("ours"), *["-"] * 3],
        ["**pushback**, watched", *watched.cells("ours"), *["1"] * 3],
        ["... all of a message through a step (3 returns)", *watched.cells("chain"), *watched.times("chain")],
        ["USDT probe, nobody watching", *unwatched.cells("usdt"), *["-"] * 3],
    ]
    for name, (way, told) in traced.items():
        rows.append([name, *told.cells(way), *told.times(way)])
    for name, way in IN_PROCESS.items():
        rows.append([name, *watched.cells(way), *watched.times(way)])
    columns = ["ns added to a submit", *STATES, *(f"times ours, {state}" for state in STATES)]
    note = (
        "The thread's CPU time, over the same loop without the telling. Alternating: each submit is an edge, "
        "two of them an episode, of which at least nine in ten are folded. Ratios are of medians of turns in "
        "one process."
    )
    return Table("What telling how a submit returned costs", columns, rows, note)


def targets(unwatched, watched, traced):
    """[what is wanted, what was measured, whether that is it]"""
    accepting, refusing, alternating = (watched.median("ours", state) for state in STATES)
    idle = unwatched.median("ours", "accepting")
    least = {state: min(told.median(way, state) for way, told in traced.values()) for state in STATES}
    times = min(
        least["accepting"] / max(idle, accepting, LEAST_NS), least["refusing"] / max(idle, refusing, LEAST_NS)
    )
    timer = min(watched.median("timer", state) / watched.median("ours", state) for state in STATES)
    wanted = [
        ("unwatched: below 0.5 ns", f"{idle:.2f} ns", idle < 0.5),
        ("watched, accepting: below 3 ns", f"{accepting:.2f} ns", accepting < 3),
        ("watched, refusing in a spin: below 3 ns", f"{refusing:.2f} ns", refusing < 3),
        ("a folded episode (two edges): below 80 ns", f"{2 * alternating:.0f} ns", 2 * alternating < 80),
        ("those but the last: 300 times cheaper than any tracer", f"{times:,.0f} times", times >= 300),
        ("always cheaper than a labelled counter and timer", f"{timer:.1f} times or more", timer > 1),
    ]
    rows = [[what, measured, "yes" if met else "no"] for what, measured, met in wanted]
    return Table("Targets at a probe point", ["", "measured", "met"], rows)


def bars(unwatched, watched, traced):
    """Of a step that refuses in a spin, the most frequent state there is."""
    rows = [
        ("pushback, nobody watching", unwatched.median("ours", "refusing"), "pushback"),
        ("pushback, watched", watched.median("ours", "refusing"), "pushback"),
    ]
    for name, way in IN_PROCESS.items():
        rows.append((name, watched.median(way, "refusing"), "metrics in the process"))
    for name, (way, told) in traced.items():
        rows.append((name, told.median(way, "refusing"), "a probe at each return"))
    return Chart("point", chart.bars("What telling adds to one refused submit", "ns", rows, least=LEAST_NS))


@dataclasses.dataclass(frozen=True)
class Settings:
    """How often, and how many submits each time; a timer's and a tracer's cost more."""

    rounds: int
    turn: int
    timer_turn: int
    traced_rounds: int
    traced_turn: int


QUICK = Settings(3, 2_000, 400, 3, 200)
FULL = Settings(301, 100_000, 20_000, 15, 2_000)


def measure(bench):
    settings = QUICK if bench.smoke else FULL
    turn = settings.turn
    program = bench.copy(bench.programs / "point", "point")
    statsd = Statsd()
    unwatched = run(program, "unwatched", settings.rounds, f"ours:{turn}", f"usdt:{turn}")
    traced = {}
    with bench.agent("--path", program, "--statsd", statsd.address):
        turns = [f"ours:{turn}", f"chain:{turn}", f"counter:{turn}", f"timer:{settings.timer_turn}"]
        watched = run(program, "watched", settings.rounds, *turns)
        for name, way, attach in alternatives(bench, program):
            traced[name] = way, trace(name, way, attach, program, settings)
    check([watched, *(told for _, told in traced.values())], statsd.counted())
    check_folded(watched)
    yield table(unwatched, watched, traced)
    yield targets(unwatched, watched, traced)
    yield bars(unwatched, watched, traced)
