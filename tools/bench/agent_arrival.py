# SPDX-License-Identifier: MIT
"""How soon the agent counts a consumer's first event, and how long it takes to attach and to detach."""

import contextlib
import os
import subprocess
import time

from agent_cost import agent, ask, sums
from bench import Table, done, figure

MS_NS = 1_000_000
INTERVAL = 10  # s; counting does not wait for it
PATIENCE = 10  # s


class Newcomer:
    """A consumer, and when it was first counted."""

    def __init__(self, process, started):
        self.process = process
        self.started = started  # ns, before the fork

    def state(self):
        return sums(ask(self.process, "", "state"))

    def counted(self):
        """Its state once it is watched."""
        end = time.monotonic() + PATIENCE
        while not (state := self.state())["first"]:
            if time.monotonic() > end:
                done(f"{self.process.args[0]}: nobody watches it")
            time.sleep(0.02)
        return state

    def end(self):
        """It ends; what it did in all."""
        said, _ = self.process.communicate()
        return sums(said.split("state", 1)[1].split())


@contextlib.contextmanager
def newcomer(bench, program, *arguments):
    started = time.monotonic_ns()
    with bench.started([program, *arguments], "ready", stdin=subprocess.PIPE) as process:
        yield Newcomer(process, started)


# ---- From a start to the first counted event ----


def first_call(bench, program, watched):
    """ms until its first call has returned. Watched, this is what is counted first."""
    with newcomer(bench, program) as consumer:
        state = consumer.state()
        if watched and (state["missed"] or not state["watched"]):
            done(f"{state['missed']:.0f} calls of a consumer that started watched were not seen")
        return (state["began"] - consumer.started) / MS_NS, consumer.end()["calls"]


def started_watched(bench, rounds):
    """Beside one whose file nobody watches, in turns; in the end the agent has counted all calls."""
    programs = {watched: bench.copy(bench.programs / "newcomer", f"newcomer-{watched}") for watched in (0, 1)}
    took, calls = {0: [], 1: []}, 0
    with agent(bench, programs[1], INTERVAL) as watching:
        for n in range(rounds):
            for watched in (n % 2, 1 - n % 2):
                ms, done_calls = first_call(bench, programs[watched], watched)
                took[watched].append(ms)
                calls += watched * done_calls
        watching.end()
        watching.check({"submit_accepted": calls})
    return took


def replace(bench, program):
    """As a deploy does it: another file under this name."""
    os.replace(bench.copy(bench.programs / "newcomer", f"{program.name}.new"), program)


def started_replaced(bench, n):
    """ms, and how many of its calls were not counted."""
    program = bench.copy(bench.programs / "newcomer", f"newcomer-replaced-{n}")
    with agent(bench, program, INTERVAL) as watching:
        time.sleep(n * 0.37 % 1)  # the agent looks once a second
        replace(bench, program)
        with newcomer(bench, program) as consumer:
            state = consumer.counted()
            all_calls = consumer.end()["calls"]
        watching.end()
        watching.check({"submit_accepted": all_calls - state["missed"]})
    return (state["first"] - consumer.started) / MS_NS


def started_before(bench, n):
    """ms from the start of an agent until it counts a consumer that runs."""
    program = bench.copy(bench.programs / "newcomer", f"newcomer-before-{n}")
    with newcomer(bench, program) as consumer:
        began = time.monotonic_ns()
        with agent(bench, program, INTERVAL) as watching:
            state = consumer.counted()
            all_calls = consumer.end()["calls"]
            watching.end()
            watching.check({"submit_accepted": all_calls - state["missed"]})
    return (state["first"] - began) / MS_NS


def arrivals(bench):
    took = started_watched(bench, 1 if bench.smoke else 20)
    rounds = range(1 if bench.smoke else 5)
    replaced = [started_replaced(bench, n) for n in rounds]
    before = [started_before(bench, n) for n in rounds]
    rows = [
        ["a consumer starts, nobody watches its file: its first call", figure(took[0]).text()],
        ["the same, its file is watched: its first call, which is counted", figure(took[1]).text()],
        ["its file was replaced just before (a deploy): when that exec was told of", figure(replaced).text(0)],
        ["the agent starts, the consumer runs", figure(before).text(0)],
    ]
    note = (
        "From before the fork of what starts. None of the calls from then on was missed; the server has "
        "them at the end of the interval."
    )
    return Table("The agent: time to a consumer's first counted event, ms", ["", "ms"], rows, note)


# ---- Attach and detach ----


def crowd(bench, stack, count, name):
    """So many running consumers, each of a file of its own, calm."""
    programs = [bench.copy(bench.programs / "newcomer", f"{name}-{n}") for n in range(count)]
    return [stack.enter_context(newcomer(bench, program, "100000")) for program in programs]


def check_watched(consumers, watched):
    """Who lists the links of this machine just then may hold one a little longer."""
    end = time.monotonic() + PATIENCE
    for consumer in consumers:
        while bool(consumer.state()["watched"]) != watched:
            if time.monotonic() > end:
                done(f"{consumer.process.args[0]} is {'not ' if watched else ''}watched")
            time.sleep(0.02)


def attach_once(bench, consumers):
    """ms from the agent's start until it watches, and from a SIGTERM until it is gone."""
    paths = [word for consumer in consumers for word in ("--path", consumer.process.args[0])]
    began = time.monotonic_ns()
    with bench.agent(*paths, "--interval", f"{INTERVAL}s") as process:
        attached = time.monotonic_ns()
        check_watched(consumers, True)
        ends = time.monotonic_ns()
        process.terminate()
        process.wait()
        gone = time.monotonic_ns()
    check_watched(consumers, False)
    return (attached - began) / MS_NS, (gone - ends) / MS_NS


def attaching(bench):
    many = 3 if bench.smoke else 100
    rows = []
    took = {1: [], many: []}
    with contextlib.ExitStack() as stack:
        consumers = crowd(bench, stack, many, "crowd")
        for _ in range(1 if bench.smoke else 3):
            for count in took:
                took[count].append(attach_once(bench, consumers[:count]))
    for index, what in enumerate(("start, attached", "SIGTERM, gone")):
        one, other = ([times[index] for times in took[count]] for count in (1, many))
        each = [(b - a) / (many - 1) for a, b in zip(one, other)]
        rows.append([what, *(figure(values).text(1) for values in (one, other)), figure(each).text()])
    columns = ["ms", "1 binary", f"{many} binaries", "each more"]
    note = "Each is run by a process; each of them was watched then, and not any more after."
    return Table("The agent: attach and detach", columns, rows, note)


def measure(bench):
    yield arrivals(bench)
    yield attaching(bench)
