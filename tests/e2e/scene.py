# SPDX-License-Identifier: MIT
"""A scripted consumer and its observers, and all that they said held against what is right."""

import collections
import contextlib
import time

from agent import COUNTERS, Agent
from driver import ACCEPTED, PROPAGATED, REJECTED, Driver
from model import NOTHING, Bounds, lower, upper

TIMES = tuple(name for name in COUNTERS if name.endswith("_time"))
PAUSE = 0.03  # makes an episode's time visible


def pause(seconds=PAUSE):
    time.sleep(seconds)


def at(call):
    """The instant of a call, or of (before, after)."""
    before, after = (call.before, call.after) if hasattr(call, "before") else call
    return Bounds(before, after)


def between(begin, end):
    """How long from one call to another."""
    return at(end).since(at(begin))


class Scene:
    """Consumers and agents of one test; the agents see only these consumers."""

    def __init__(self, directory, *options):
        self.directory = directory
        self.options = options
        self.stack = contextlib.ExitStack()
        self.driver = self.stack.enter_context(Driver(directory))

    def step(self):
        """The driver, with one step."""
        self.driver.init(0, "step")
        return self.driver

    def watch(self, *options, interval="100ms"):
        """An observer of what the options say, attached now."""
        options = ("--tag-from", "pid=pid", *self.options, *options)
        return self.stack.enter_context(Agent(*options, interval=interval))

    def attach(self, *options, **more):
        """An observer of driver and library, attached now."""
        files = ("--path", self.driver.file, "--path", self.driver.library_file)
        return self.watch(*files, *options, **more)

    def plain(self, *options):
        """The same without tags of a process, for who says what is watched."""
        return Agent(*self.options, *options, interval="100ms")

    def start(self, prefix=()):
        """One more consumer; `prefix` is a command that runs it."""
        return self.stack.enter_context(Driver(self.directory, prefix=prefix))

    def fork(self):
        return self.stack.enter_context(self.driver.fork())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()


# ---- What consumers do ----


def refuse(d, place=0, seconds=PAUSE, **more):
    """A whole send episode of one attempt: its first call and its last."""
    begin = d.submit(place, REJECTED, **more)
    pause(seconds)
    return begin, d.submit(place, ACCEPTED, **more)


def left_open(d, thread=0):
    """Closed once, open in both directions, and 100 more attempts that no probe tells."""
    d.init(0, "step")
    closed = refuse(d)
    send = d.submit(0, REJECTED, thread=thread)
    receive = d.forward(0, PROPAGATED, thread=thread)
    pause()
    d.calls([("submit", 0, REJECTED), ("forward", 0, REJECTED)], 100, thread)
    return closed, send, receive


# ---- What observers must say ----


def one(agent, step="step", pid=None):
    """The series of a step, and no other one of that name."""
    found = [
        series
        for (name, process), series in agent.series().items()
        if name == step and pid in (None, int(process))
    ]
    assert len(found) == 1, (step, list(agent.series()))
    return found[0]


def nothing_lost(agent):
    assert not agent.lost(), agent.lost()


def episode(direction, begin, end, how, attempts):
    took = between(begin, end)
    stem = f"{direction}_backpressure"
    told = {stem: attempts, f"{stem}_time": took}
    if how == "whole":
        return told | {direction: [took], f"{stem}_episodes": 1}
    return told if how == "open" else told | {f"{stem}_{how}": 1}


def refused(begin, end, how="whole", attempts=1, own=None):
    """What to expect of a send episode: whole, partial, abandoned or still open.

    `own` is its self time, where that is not all of it.
    """
    told = episode("send", begin, end, how, attempts)
    return told | {"send_backpressure_self_time": own or told["send_backpressure_time"]}


def blocked(begin, end, how="whole", attempts=1):
    """What to expect of a receive episode."""
    return episode("receive", begin, end, how, attempts)


def expect(series, *episodes, instances=1, lives=1, **counters):
    """All that a series says: the episodes and counters added up; what is not named is 0.

    `lives`: so often it may have begun anew. Times are told in whole ms, and the rest of one ends with the series.
    """
    less = 1_000_000 * (lives - 1)
    right = collections.defaultdict(int, {name: NOTHING for name in TIMES}, send=[], receive=[])
    for part in (*episodes, counters):
        for name, value in part.items():
            right[name] += value
    wrong = []
    for name in COUNTERS:
        got, value = series.counters[name], right.pop(name, 0)
        if name in TIMES:
            if not (value.least - less) // 1_000_000 <= got <= value.most // 1_000_000:
                wrong.append(f"{name} is {got}, not {value.least / 1e6} to {value.most / 1e6} ms")
        elif got != value:
            wrong.append(f"{name} is {got}, not {value}")
    for direction in ("send", "receive"):
        true, got = right.pop(direction), series.durations(direction)
        least, most = sorted(t.least for t in true), sorted(t.most for t in true)
        if len(got) != len(true) or not all(
            lower(low) <= value <= upper(high) for low, value, high in zip(least, got, most)
        ):
            wrong.append(f"{direction} durations are {got}, not {[b / 1e6 for b in least]} ms")
    assert not right, f"no such counter: {right}"
    if series.gauges["instances"] != instances:
        wrong.append(f"instances is {series.gauges['instances']}, not {instances}")
    assert not wrong, wrong


def expect_abandoned(series, opened, end, instances=0):
    """Of what left_open() left."""
    closed, send, receive = opened
    expect(
        series,
        refused(*closed),
        refused(send, end, "abandoned", attempts=101, own=between(send, receive)),
        blocked(receive, end, "abandoned", attempts=101),
        instances=instances,
        submit_accepted=1,
    )
