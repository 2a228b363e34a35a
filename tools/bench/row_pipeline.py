# SPDX-License-Identifier: MIT
"""A whole consumer that spins, in C and in Rust, and what it costs to find out about its backpressure.

Each way has a copy of the program and a tracer for it, all of which stay attached; a consumer of each way
for each configuration, and these take turns. In the end all is held against what the consumers know of
themselves: a tracer has one hit for each submit, and pushback run the same counts for each step.
"""

import contextlib
import dataclasses

import kernel_events
import pipelines
from bench import Chart, Figure, Table, done, figure, ratios
from pipeline_chart import COLOURS, draw

TEN_K = 10_000
# Slots a second, and what is asked of the watched one there: of its messages, of its loops.
TARGETS = {
    10: (0.99, 0.9),
    1000: (0.99, 0.9),
    TEN_K: (0.99, 0.9),
    100_000: (0.97, None),
    1_000_000: (0.95, None),
}
BROADCAST = (10, TEN_K)


@dataclasses.dataclass(frozen=True)
class Setting:
    shape: str
    rate: int

    def __str__(self):
        of = {1000: "1k", TEN_K: "10k", 100_000: "100k", 1_000_000: "1M"}
        name = of.get(self.rate, str(self.rate))
        return name if self.shape == "chain" else f"{self.shape}, {name}"

    def warm_ms(self):
        """By then is spent what the rate bound allows after a pause; with few messages there is no bound."""
        return max(5, 25_000 // self.rate) if self.rate > 100 else 0


@dataclasses.dataclass(frozen=True)
class Lengths:
    settings: list
    rounds: int  # of the light ways; the others take part in every second one
    ms: int
    events_ms: int


FULL = Lengths(
    [Setting("chain", rate) for rate in TARGETS] + [Setting("broadcast", rate) for rate in BROADCAST],
    rounds=10,
    ms=120,
    events_ms=500,
)
SMOKE = Lengths([Setting("chain", TEN_K), Setting("broadcast", TEN_K)], rounds=1, ms=5, events_ms=5)


@dataclasses.dataclass
class Result:
    """Of a way at a setting."""

    turns: dict  # by round
    submits: int = 0
    events: float = 0  # of the kernel, per message that the sink took

    def of(self, what):
        return figure([getattr(turn, what) for turn in self.turns.values()])

    def relative(self, other, what):
        """To the turns of another in the same rounds."""
        pairs = [(getattr(turn, what), getattr(other.turns[n], what)) for n, turn in self.turns.items()]
        return ratios(*zip(*pairs))


# ---- Measuring ----


def events_per_message(server, consumer, setting, lengths):
    # Before, so that the allowance is spent: statistics take a moment to begin.
    consumer.turn(setting.warm_ms(), 1)
    with kernel_events.counted():
        before, _ = kernel_events.events(server.agent)
        taken = consumer.turn(0, lengths.events_ms).taken
        events = kernel_events.events(server.agent)[0] - before
    if not events:
        done("pushback's handler was not called: this is not what watching costs")
    return events / taken


def check_watched(bench, ways, consumers):
    for way in ways:
        if way.probed and pipelines.is_watched(bench, consumers[way.name]) != way.watched:
            done(f"'{way.name}' {'is not' if way.watched else 'is'} watched")


def end(ways, consumers, results):
    """Lets them drain all at once; returns {way: {step: counts}}."""
    for consumer in consumers.values():
        consumer.process.stdin.write("end\n")
    counts = {way.name: consumers[way.name].counts() for way in ways}
    for way in ways:
        steps = counts[way.name].values()
        results[way.name].submits = sum(sum(one[:3]) for one in steps)
        if way.tracer:
            results[way.name].events = results[way.name].submits / counts[way.name]["sink"][0]
    return counts


def measure_setting(bench, ways, setting, lengths, server):
    """({way: Result}, {pid of a watched one: {step: counts}})"""
    with contextlib.ExitStack() as stack:
        consumers = {}
        for way in ways:
            consumers[way.name] = way.consumer(setting.shape, setting.rate)
            stack.callback(consumers[way.name].kill)
        results = {way.name: Result({}) for way in ways}
        check_watched(bench, ways, consumers)
        for n in range(lengths.rounds):
            here = [way for way in ways if way.light or n % 2 == 0]
            for way in here if n % 4 < 2 else reversed(here):
                turn = consumers[way.name].turn(setting.warm_ms(), lengths.ms)
                results[way.name].turns[n] = turn
        for way in ways:
            if way.watched:
                consumer = consumers[way.name]
                results[way.name].events = events_per_message(server, consumer, setting, lengths)
        counts = end(ways, consumers, results)
        return results, {consumers[w.name].process.pid: counts[w.name] for w in ways if w.watched}


def check_hits(ways, hits, results):
    """That each tracer has seen each submit, and so was what its consumers were slow from."""
    for way in ways:
        if not way.tracer:
            continue
        submits = sum(of[way.name].submits for of in results.values())
        if hits[way.name].hits() != submits:
            done(f"'{way.name}' had {hits[way.name].hits()} hits at {submits} submits")


def check_counts(counted, counts):
    for pid, steps in counts.items():
        right = {step: (one[0], one[1], one[3], one[4]) for step, one in steps.items()}
        if counted[pid] != right:
            done(f"pushback run counted {counted[pid]} where the steps say {right}")


def measure_language(bench, ways, lengths):
    """{setting: {way: Result}}"""
    results, counts = {}, {}
    with contextlib.ExitStack() as stack:
        hits = {way.name: stack.enter_context(way.tracer(bench, way.program)) for way in ways if way.tracer}
        server = stack.enter_context(pipelines.watching(bench, ways))
        for setting in lengths.settings:
            results[setting], watched = measure_setting(bench, ways, setting, lengths, server)
            counts.update(watched)
    check_hits(ways, hits, results)
    check_counts(pipelines.counted(server), counts)
    return results


# ---- Showing ----


def ratio_text(ratio: Figure):
    return f"{ratio.median:.3f} ± {(ratio.high - ratio.low) / 2:.3f}"


def target_row(settings, column):
    targets = [TARGETS[setting.rate][column] for setting in settings]
    return ["*target, watched*", *(f"*{target:.2f}*" if target else "" for target in targets)]


def rate_table(language, ways, results, what, text, column):
    settings = list(results)
    rows = [["nothing", *(f"{results[s]['nothing'].of(what).median:,.0f}" for s in settings)]]
    for way in ways[1:]:
        cells = (results[s][way.name].relative(results[s]["nothing"], what) for s in settings)
        rows.append([way.name, *map(ratio_text, cells)])
        if way.name == pipelines.WATCHED:
            rows.append(target_row(settings, column))
    title = f"A pipeline that spins, in {language}: {text} a second, and ratios to it, by slots a second"
    return Table(title, ["", *map(str, settings)], rows)


def events_text(events):
    return f"{events:,.0f}" if events >= 100 else f"{events:.3g}"


def events_table(language, ways, results):
    rows = [
        [way.name, *(events_text(of[way.name].events) for of in results.values())]
        for way in ways
        if way.watched or way.tracer
    ]
    title = f"The same in {language}: kernel events per message"
    return Table(title, ["", *map(str, results)], rows)


def chart(ways, results):
    chains = [setting for setting in results if setting.shape == "chain"]

    def shares(what):
        return {
            way.name: [results[s][way.name].relative(results[s]["nothing"], what).median for s in chains]
            for way in ways
            if way.name in COLOURS
        }

    title = "What is left of a consumer that spins in backpressure while somebody looks (C, five steps)"
    return Chart("pipeline", draw(title, [str(s) for s in chains], shares("messages"), shares("loops")))


NOTE = (
    "Medians, with half of the quartiles' distance; turns of the loop in CPU time, as it never sleeps. "
    "Five steps; the sink has one slot, free again a slot's time after it was taken, so what is late "
    "costs messages; the loop is held up as arroyo's is, by a lock and a look at the clock. With a "
    "broadcast step another branch takes all at once, and the slots are of the one that blocks. Tracers "
    "have a hit per submit and none for forwards and polls, and metrics neither lock nor send: all are "
    "cheaper here than in use. Verified: messages, their order, each tracer's hits, and each step's "
    "counts by pushback run."
)


def measure(bench):
    lengths = SMOKE if bench.smoke else FULL
    for language, ways in (("C", pipelines.c_ways(bench)), ("Rust", pipelines.rust_ways(bench))):
        if not ways:
            title = "A pipeline that spins, in Rust"
            yield Table(title, ["", "measured"], [["where there is no cargo, as here", "no"]])
            continue
        results = measure_language(bench, ways, lengths)
        yield rate_table(language, ways, results, "messages", "messages", 0)
        yield rate_table(language, ways, results, "loops", "turns of its loop in CPU time", 1)
        events = events_table(language, ways, results)
        events.note = NOTE if language == "C" else ""
        yield events
        if language == "C":
            yield chart(ways, results)
