# SPDX-License-Identifier: MIT
"""What the agent takes, CPU and memory, by steps, processes and how many steps are active."""

import contextlib
import dataclasses
import math
import time

import agent_arrival
import agent_look
from agent_cost import Stretch, agent, await_flush, load
from bench import Table, done, figure

QUICK, SLOW = "1s", "10s"
ALL, SOME, NONE = 100, 10, 0
PATIENCE = 60  # s


@dataclasses.dataclass(frozen=True)
class Phase:
    """So many percent of the steps active; times in s since a flush after all agents have started.

    An agent that flushes every second is between two flushes when a phase begins or ends. One that does
    so every 10 s does it at 5 to 9 s of each ten: each phase has one flush of its own load, and
    before an idle one is another, at which the agent says a last 0.
    """

    percent: int
    begins: float
    measured: tuple  # from, until
    sample: float = 1


@dataclasses.dataclass(frozen=True)
class Group:
    """Loads that are measured at once, each with an agent of its own at each interval."""

    loads: tuple  # (processes, steps)
    intervals: dict  # name: s
    phases: tuple
    round: float = 10  # s


FULL = (Phase(ALL, 0, (2.5, 12.5)), Phase(NONE, 12.5, (31.5, 41.5)), Phase(SOME, 41.5, (43.5, 53.5)))
SHORT = (Phase(ALL, 0, (2.5, 7.5)), Phase(NONE, 7.5, (10.5, 15.5)))
BOTH = {QUICK: 1, SLOW: 10}
SMALL = ((1, 10), (10, 100), (10, 1000), (1, 1000), (100, 1000), (500, 1000))
GROUPS = (
    Group(SMALL, BOTH, FULL),
    Group(((10, 10000),), BOTH, FULL),
    Group(((500, 10000),), {QUICK: 1}, SHORT, 1),
)
SMOKE = (
    Group(
        ((1, 10),),
        {QUICK: 0.1, SLOW: 0.2},
        (Phase(ALL, 0, (0.2, 0.4), 0.1), Phase(NONE, 0.4, (0.8, 1), 0.1)),
        0.2,
    ),
)


@dataclasses.dataclass
class Seen:
    """Of one load in one phase, by interval."""

    active: int
    cpu: dict  # ms per s, a sample a second
    late: dict  # whether it came to fewer flushes than it should have
    memory: dict  # MiB
    peak: dict


class Watched:
    """A load and its agents."""

    def __init__(self, processes, steps, busy):
        self.processes = processes
        self.steps = steps
        self.load = busy
        self.agents = {}  # by their interval's name
        self.samples = {}

    def received(self):
        return {name: watching.received() for name, watching in self.agents.items()}

    def begin(self):
        self.samples = {name: [] for name in self.agents}
        self.stretches = {name: Stretch(watching.pid) for name, watching in self.agents.items()}
        self.before = self.received()

    def sample(self):
        for name, stretch in self.stretches.items():
            self.samples[name].append(stretch.ms_per_s())
            self.stretches[name] = Stretch(stretch.pid)

    def end(self, seconds):
        after = self.received()
        self._check()
        flushes = {name: after[name]["flushes"] - self.before[name]["flushes"] for name in after}
        late = {name: flushes[name] < 0.9 * seconds / self.agents[name].interval for name in after}
        memory = {name: watching.memory.now() for name, watching in self.agents.items()}
        peak = {name: watching.memory.peak() for name, watching in self.agents.items()}
        return Seen(self.load.active_steps, self.samples, late, memory, peak)

    def _check(self):
        """Each agent was told of messages if and only if there were some; if it is busy, a little later."""
        if self.load.active_steps:
            wait_for(lambda: all(self._news()), "an agent does not hear of what is active")
        elif any(self._news()):
            done("an agent heard of messages while nothing was active")

    def _news(self):
        for name, after in self.received().items():
            yield after.get("submit_accepted", 0) > self.before[name].get("submit_accepted", 0)

    def is_idle(self):
        """Each agent has said all that was done, and knows all steps."""
        wanted = {"pushback.agent.steps": self.steps, "submit_accepted": self.load.truth()["submit_accepted"]}
        return all(wanted.items() <= received.items() for received in self.received().values())


# ---- One group ----


def wait_for(condition, otherwise):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            done(otherwise)
        time.sleep(0.1)


@contextlib.contextmanager
def started(bench, group):
    with contextlib.ExitStack() as stack:
        watched = [Watched(*sizes, stack.enter_context(load(bench, *sizes))) for sizes in group.loads]
        for name, interval in group.intervals.items():
            for one in watched:
                one.agents[name] = stack.enter_context(agent(bench, one.load.program, interval))
        yield watched


def wait_until(moment):
    time.sleep(max(0, moment - time.monotonic()))


def catch_up(watched, a_round):
    """On a busy machine agents may be late: how much, in whole rounds, so that flushes lie as before."""
    began = time.monotonic()
    wait_for(lambda: all(one.is_idle() for one in watched), "an agent does not know all that was done")
    late = time.monotonic() - began
    rounds = math.ceil(late / a_round) if late > 0.1 else 0
    time.sleep(max(0, rounds * a_round - late))
    return rounds * a_round


def sample_phase(watched, phase, zero):
    moment, until = (zero + edge for edge in phase.measured)
    wait_until(moment)
    for one in watched:
        one.begin()
    while moment + phase.sample <= until + 0.01:
        moment += phase.sample
        wait_until(moment)
        for one in watched:
            one.sample()
    seconds = phase.measured[1] - phase.measured[0]
    return {(one.processes, one.steps, phase.percent): one.end(seconds) for one in watched}


def run_phases(watched, group):
    await_flush(watched[-1].agents[QUICK])
    zero = time.monotonic()
    for phase in group.phases:
        wait_until(zero + phase.begins)
        for one in watched:
            one.load.active(phase.percent)
        if not phase.percent:
            wait_until(zero + phase.measured[0] - 0.1)
            zero += catch_up(watched, group.round)
        yield sample_phase(watched, phase, zero)


def finish(watched):
    """All is counted: the load's own numbers are what the servers have got."""
    for one in watched:
        one.load.active(0)
        for watching in one.agents.values():
            watching.end()
            watching.check(one.load.truth())


def run_group(bench, group):
    seen = {}
    with started(bench, group) as watched:
        for part in run_phases(watched, group):
            seen |= part
        finish(watched)
    return seen


# ---- What it says ----


def mean(seen, name):
    """A flush and the seconds without one, in their shares."""
    samples = seen.cpu.get(name)
    return sum(samples) / len(samples) if samples else None


def show(value, digits=2, unit=""):
    if value is None:
        return ""
    return "-" if math.isnan(value) else f"{value:,.{digits}f}{unit}"


def cpu_cells(seen, percent, name):
    """ms/s, and per 1,000 active steps where there are no others."""
    cpu = mean(seen, name)
    if cpu is None:
        return ["", ""]
    spread = figure(seen.cpu[name])
    text = f"{cpu:,.2f}" if name == SLOW else f"{cpu:,.2f} ({spread.low:,.2f} to {spread.high:,.2f})"
    each = show(cpu / seen.active * 1000) if percent == ALL else ""
    return [text + (", late" if seen.late[name] else ""), each]


def cost_row(processes, steps, percent, seen):
    peak = max(seen.peak.values())
    memory = "-" if math.isnan(peak) else f"{memory_of(seen):.1f} ({peak:.1f})"
    cpu = [cell for name in (QUICK, SLOW) for cell in cpu_cells(seen, percent, name)]
    return [f"{steps:,}", processes, f"{seen.active:,}", *cpu, memory]


def costs(seen):
    columns = ["steps", "processes", "active", "`--interval 1s`: ms/s", "per 1,000 active"]
    columns += ["`10s`: ms/s", "per 1,000 active", "MiB now (at most)"]
    told = [(*sizes, one) for sizes, one in sorted(seen.items(), key=order) if one.active or not sizes[2]]
    rows = [cost_row(processes, steps, percent, one) for processes, steps, percent, one in told]
    note = (
        "CPU of `pushback run` in ms per second (10 ms/s are 1 % of a core), means (and at 1 s the "
        "quartiles of the seconds; late: the machine was so busy that there were fewer flushes). Each active "
        "step has some 11 messages and 1.3 episodes a second. Memory: all that the agent's cgroup is charged "
        "for, its maps in the kernel included; the peak of the small ones is from loading. What the servers "
        "had received in the end was what the consumers had done, count for count."
    )
    return Table("The agent: CPU and memory", columns, rows, note)


def order(item):
    processes, steps, percent = item[0]
    return steps, processes, -percent


def growth_of(seen, one, other, value):
    """The factor from one to the other, at both intervals, and of memory."""
    first, second = seen.get(one), seen.get(other)
    return value(second) / value(first) if first and second and value(first) else None


def cpu_at(interval):
    return lambda seen: mean(seen, interval)


def memory_of(seen):
    return max(seen.memory.values())


def tenfolds(seen):
    sizes = [(1, 10, ALL), (10, 100, ALL), (10, 1000, ALL), (10, 10000, ALL)]
    for one, other in zip(sizes, sizes[1:]):
        values = (cpu_at(QUICK), cpu_at(SLOW), memory_of)
        factors = [show(growth_of(seen, one, other, value), 1, " times") for value in values]
        yield [f"{one[1]:,} to {other[1]:,} steps, all active", *factors]


def slope(seen, one, other, thousands, value):
    if one not in seen or other not in seen:
        return None
    return (value(seen[other]) - value(seen[one])) / thousands


def slopes(seen):
    ways = (
        ("1,000 more active steps, of 1,000 to 10,000", (10, 1000, ALL), (10, 10000, ALL), 9),
        ("1,000 of 10,000 idle steps active", (10, 10000, NONE), (10, 10000, SOME), 1),
        ("1,000 more idle steps, of 1,000 to 10,000", (10, 1000, NONE), (10, 10000, NONE), 9),
        ("100 more processes, of 1 to 500, 1,000 active steps", (1, 1000, ALL), (500, 1000, ALL), 4.99),
        ("100 more processes, of 1 to 500, 1,000 idle steps", (1, 1000, NONE), (500, 1000, NONE), 4.99),
    )
    for name, one, other, thousands in ways:
        cpu = [slope(seen, one, other, thousands, cpu_at(interval)) for interval in (QUICK, SLOW)]
        memory = slope(seen, one, other, thousands, memory_of)
        yield [name, *(show(value, 2, " ms/s more") for value in cpu), show(memory, 1, " MiB more")]


def targets(seen):
    full = seen.get((10, 10000, ALL))
    if full:
        cpu = [show(mean(full, interval) / 10, 2, " % of a core") for interval in (QUICK, SLOW)]
        yield ["10,000 steps, all active", *cpu, show(max(full.peak.values()), 0, " MiB at most")]
        yield ["(wanted)", "3 %", "1 %", "128 MiB"]


def growth(seen):
    rows = [*tenfolds(seen), *slopes(seen), *targets(seen)]
    note = "Wanted: linear in active steps, flat in idle ones."
    return Table("The agent: how its cost grows", ["", "`--interval 1s`", "`10s`", "memory"], rows, note)


def measure(bench):
    seen = {}
    for group in SMOKE if bench.smoke else GROUPS:
        seen |= run_group(bench, group)
    yield costs(seen)
    if not bench.smoke:
        yield growth(seen)
    yield from agent_arrival.measure(bench)
    yield from agent_look.measure(bench)
