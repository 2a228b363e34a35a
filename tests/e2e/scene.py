# SPDX-License-Identifier: MIT
"""A scripted consumer and its observers, and all that they said held against what is right."""

import contextlib
import time

from agent import COUNTERS, Agent
from driver import ACCEPTED, PROPAGATED, REJECTED, Driver
from model import Bounds, lower, upper

TIMES = tuple(name for name in COUNTERS if name.endswith("_time"))
NEVER = Bounds(0, 0)
PAUSE = 0.03  # makes an episode's time visible


def pause():
    time.sleep(PAUSE)


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

    def attach(self, *options, **more):
        """An observer of driver and library, attached now."""
        return self.stack.enter_context(
            Agent(
                *("--path", self.driver.file, "--path", self.driver.library_file),
                *("--tag-from", "pid=pid"),
                *self.options,
                *options,
                **more,
            )
        )

    def start(self, prefix=()):
        """One more consumer; `prefix` is a command that runs it."""
        return self.stack.enter_context(Driver(self.directory, prefix=prefix))

    def fork(self):
        return self.stack.enter_context(self.driver.fork())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()


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
    assert agent.lost() == {}


def refused(took, attempts=1):
    """What to expect of one whole send episode."""
    return {
        "send": [took],
        "send_backpressure": attempts,
        "send_backpressure_episodes": 1,
        "send_backpressure_time": took,
        "send_backpressure_self_time": took,
    }


def blocked(took, attempts=1):
    """What to expect of one whole receive episode."""
    return {
        "receive": [took],
        "receive_backpressure": attempts,
        "receive_backpressure_episodes": 1,
        "receive_backpressure_time": took,
    }


def expect(series, send=(), receive=(), instances=1, **counters):
    """Every counter of a series: those not named are 0. `send` and `receive` are the durations."""
    wrong = []
    for name in COUNTERS:
        value = counters.pop(name, NEVER if name in TIMES else 0)
        got = series.counters[name]
        if name in TIMES:
            if not value.least // 1_000_000 <= got <= value.most // 1_000_000:
                wrong.append(f"{name} is {got}, not {value.least / 1e6} to {value.most / 1e6} ms")
        elif got != value:
            wrong.append(f"{name} is {got}, not {value}")
    assert not counters, f"no such counter: {counters}"
    for direction, true in (("send", send), ("receive", receive)):
        got = series.durations(direction)
        least, most = sorted(t.least for t in true), sorted(t.most for t in true)
        if len(got) != len(true) or not all(
            lower(low) <= value <= upper(high) for low, value, high in zip(least, got, most)
        ):
            wrong.append(f"{direction} durations are {got}, not {[b / 1e6 for b in least]} ms")
    if series.gauges["instances"] != instances:
        wrong.append(f"instances is {series.gauges['instances']}, not {instances}")
    assert not wrong, wrong


def left_open(d, thread=0):
    """Closed once, open in both directions, and 100 more attempts that no probe tells."""
    d.init(0, "step")
    first = d.submit(0, REJECTED)
    pause()
    closed = d.submit(0, ACCEPTED)
    send = d.submit(0, REJECTED, thread=thread)
    receive = d.forward(0, PROPAGATED, thread=thread)
    pause()
    d.calls([("submit", 0, REJECTED), ("forward", 0, REJECTED)], 100, thread)
    return first, closed, send, receive


def expect_abandoned(series, opened, end, instances=0):
    first, closed, send, receive = opened
    took = between(first, closed)
    expect(
        series,
        send=[took],
        instances=instances,
        send_backpressure=102,
        send_backpressure_episodes=1,
        send_backpressure_abandoned=1,
        send_backpressure_time=took + between(send, end),
        send_backpressure_self_time=took + between(send, receive),
        receive_backpressure=101,
        receive_backpressure_abandoned=1,
        receive_backpressure_time=between(receive, end),
        submit_accepted=1,
    )
