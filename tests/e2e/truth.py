#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What an observer must say about a consumer, from the consumer's own log of outcomes.

Reads the log that `pushback-demo --truth FILE` writes (format: tools/demo/truth.h) and computes, per
step instance, what the semantics say: attempts, accepted, forwarded, episodes and how they ended,
time in backpressure, self time, durations. It shares no code with the project, on purpose.

An observer sees only a part: `watched` are the windows in which the probes' semaphore is up, that is
in which anybody watches. Whatever a step returns outside of them is not seen, and makes the step
*missed*: what was open is dropped, and the next rejection begins a *partial* episode, as nobody
knows whether it is the first. `observed` are the windows of the observer in question, within the
watched ones and the same by default: only there attempts, ends and time count for it.

A run of the log of which a window's edge cuts a part off holds more than two returns of which only
the first and the last time are known. They are then taken as evenly spread, and `uncertain` says
how many may have been counted on the wrong side. An edge of an episode is never uncertain for
that, but where it is the first thing seen after the window's edge.

The probe reads its clock just after the log does. Where the consumer was pre-empted in between, the
log says by how much at most the probe's reading is later; `slack_ns` is the sum of that over all
edges of a direction's episodes: by so much its time may differ.

All times are ns of CLOCK_MONOTONIC.
"""

import argparse
import gc
import json
import operator
import sys
from dataclasses import dataclass, field

ACCEPTED, REJECTED, PROPAGATED, INVALID = range(4)
NEVER = 1 << 63


@dataclass
class Instance:
    number: int
    name: str
    next: int
    begin: int
    end: int | None = None
    # (first, last, count, kind, outcome, late); kind is s, f or p
    runs: list = field(default_factory=list)


@dataclass
class Log:
    pid: int | None = None
    exit: int | None = None  # None: the log is cut off
    instances: dict = field(default_factory=dict)


def read(path):
    """The log in `path`; ValueError with the line's number where it is none."""
    collecting = gc.isenabled()
    gc.disable()  # millions of small tuples and no cycles: collecting takes half of the time
    try:
        return _read(path)
    finally:
        if collecting:
            gc.enable()


def _read(path):
    log = Log()
    base = 0
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            if line[-1] != "\n":
                break  # the writer was killed in the middle of it
            try:
                if line[0].isdigit():
                    instance, kind, *numbers = line.split(" ")
                    outcome, count, first, length, *late = map(int, numbers)
                    first += base
                    run = (first, first + length, count, kind, outcome, late[0] if late else 0)
                    log.instances[int(instance)].runs.append(run)
                    if kind not in "sfp" or count < 1 or len(late) > 1:
                        raise ValueError(line)
                else:
                    base = _read_line(log, line[:-1], base)
            except (ValueError, KeyError, IndexError) as error:
                raise ValueError(f"{path}:{number}: not a truth log: {line!r}") from error
    for instance in log.instances.values():
        instance.runs.sort(key=operator.itemgetter(0))
    return log


def _read_line(log, line, base):
    if line.startswith("begin "):
        _, number, following, time, name = line.split(" ", 4)
        number = int(number)
        log.instances[number] = Instance(number, name, int(following), int(time) + base)
    elif line.startswith("end "):
        _, number, time = line.split(" ")
        log.instances[int(number)].end = int(time) + base
    elif line.startswith("base "):
        base = int(line.split(" ")[1])
    elif line.startswith("pid "):
        log.pid = int(line.split(" ")[1])
    elif line.startswith("exit "):
        log.exit = int(line.split(" ")[1]) + base
    elif not line.startswith("#"):
        raise ValueError(line)
    return base


class Windows:
    """Half-open spans [from, to), apart from each other."""

    def __init__(self, spans):
        spans = [(0, NEVER)] if spans is None else spans
        self.spans = sorted((a, NEVER if b is None else b) for a, b in spans)
        self.near = (0, 0)  # where the last time asked for was: the next one is mostly there too

    def __contains__(self, time):
        if self.near[0] <= time < self.near[1]:
            return True
        for span in self.spans:
            if span[0] <= time < span[1]:
                self.near = span
                return True
        return False

    def overlap(self, begin, end):
        if self.near[0] <= begin and end < self.near[1]:
            return end - begin
        return sum(max(0, min(end, b) - max(begin, a)) for a, b in self.spans)

    def edges(self):
        return {edge for span in self.spans for edge in span if 0 < edge < NEVER}


class Direction:
    """Send or receive of one step instance."""

    def __init__(self, observed):
        self.observed = observed
        self.attempts = self.episodes = self.partial = self.abandoned = 0
        self.time = self.slack = 0
        self.durations = []
        self.since = None
        self.is_partial = False
        self.unknown = False

    def _stop(self, time):
        self.time += self.observed.overlap(self.since, time)
        self.since = None

    def reject(self, time, count, counts):
        self.attempts += count if counts else 0
        if self.since is None:
            self.since = time
            self.is_partial = self.unknown
        self.unknown = False

    def close(self, time, counts):
        self.unknown = False
        if self.since is None:
            return
        if counts and self.is_partial:
            self.partial += 1
        elif counts:
            self.episodes += 1
            self.durations.append(time - self.since)
        self._stop(time)

    def abandon(self, time, counts):
        if self.since is not None:
            self.abandoned += 1 if counts else 0
            self._stop(time)

    def miss(self, time):
        if self.since is not None:
            self._stop(time)
        self.unknown = True

    def result(self, until):
        open_since = self.since
        if open_since is not None:
            self._stop(until)
        return {
            "attempts": self.attempts,
            "episodes": self.episodes,
            "partial": self.partial,
            "abandoned": self.abandoned,
            "time_ns": self.time,
            "slack_ns": self.slack,
            "durations_ns": self.durations,
            "open_since_ns": open_since,
        }


class Step:
    """One step instance, as its returns go by."""

    def __init__(self, watched, observed):
        self.watched = watched
        self.observed = observed
        self.send = Direction(observed)
        self.receive = Direction(observed)
        self.accepted = self.forwarded = self.uncertain = 0
        self.self_since = None
        self.self_time = 0

    def _turn_self(self, time):
        """Self time runs while the step refuses and is not itself blocked."""
        if self.self_since is not None:
            self.self_time += self.observed.overlap(self.self_since, time)
        runs = self.send.since is not None and self.receive.since is None
        self.self_since = time if runs else None

    def _submit(self, time, count, outcome, counts):
        if outcome == REJECTED:
            self.send.reject(time, count, counts)
        elif outcome == ACCEPTED:
            self.accepted += count if counts else 0
            self.send.close(time, counts)

    def _forward(self, time, count, outcome, counts):
        if outcome in (REJECTED, PROPAGATED):
            self.receive.reject(time, count, counts)
        elif outcome == ACCEPTED:
            self.forwarded += count if counts else 0
            self.receive.close(time, counts)

    def returned(self, time, count, kind, outcome, late=0):
        was_open = self.send.since, self.receive.since
        if time not in self.watched:
            self.send.miss(time)
            self.receive.miss(time)
        elif kind == "s":
            self._submit(time, count, outcome, time in self.observed)
        elif kind == "f":
            self._forward(time, count, outcome, time in self.observed)
        elif outcome:
            self.send.close(time, time in self.observed)
        now_open = self.send.since, self.receive.since
        if was_open == now_open:
            return
        self._turn_self(time)
        for direction, was, is_now in zip((self.send, self.receive), was_open, now_open):
            direction.slack += late if was != is_now else 0

    def ended(self, time):
        if time not in self.watched:
            return
        self.send.abandon(time, time in self.observed)
        self.receive.abandon(time, time in self.observed)
        self._turn_self(time)

    def result(self, until):
        self._turn_self(until)
        result = {
            "accepted": self.accepted,
            "forwarded": self.forwarded,
            "uncertain": self.uncertain,
            "send": self.send.result(until),
            "receive": self.receive.result(until),
        }
        result["send"]["self_ns"] = self.self_time
        result["send"]["self_slack_ns"] = self.send.slack + self.receive.slack
        return result


def _split(run, edges):
    """The run's parts between the edges, as (first, count), and how many returns may be misplaced."""
    first, last, count = run[:3]
    inside = sorted(edge for edge in edges if first < edge <= last)
    parts = []
    done = 0
    for edge in inside:
        # Return i is at first + i * (last - first) / (count - 1): how many are before the edge?
        before = -(-(edge - first) * (count - 1) // (last - first))
        before = min(max(before, done), count - 1)
        if before > done:
            parts.append((_moment(run, done), before - done))
        done = before
    parts.append((_moment(run, done), count - done))
    return parts, count - 2


def _moment(run, i):
    first, last, count = run[:3]
    return first + i * (last - first) // (count - 1)


def compute_instance(instance, log, watched=None, observed=None, until=None, exited=None):
    watched = Windows(watched)
    observed = watched if observed is None else Windows(observed)
    edges = watched.edges() | observed.edges()
    step = Step(watched, observed)
    end = instance.end
    if end is None:
        end = exited if exited is not None else log.exit
    last = end if end is not None else max((run[1] for run in instance.runs), default=0)
    if until is not None:
        edges.add(until)
        last = min(last, until) if end is not None else until
    for run in instance.runs:
        parts, uncertain = [(run[0], run[2])], 0
        if edges and any(run[0] < edge <= run[1] for edge in edges):
            parts, uncertain = _split(run, edges)
        step.uncertain += uncertain
        for first, count in parts:
            if until is None or first < until:
                step.returned(first, count, run[3], run[4], run[5] if first == run[0] else 0)
    if end is not None and (until is None or end < until):
        step.ended(end)
    return {"step": instance.name, "instance": instance.number, "next": instance.next} | step.result(
        last
    )


def compute(log, watched=None, observed=None, until=None, exited=None):
    """Results of all instances, in the order in which they were made.

    watched, observed: lists of (attach, detach), a detach of None being never; None means always.
    until: the state as of then, later returns being ignored. exited: when the process died, if the
    log doesn't say.
    """
    return [
        compute_instance(instance, log, watched, observed, until, exited)
        for instance in log.instances.values()
    ]


def merge(results):
    """By step name, all instances added up; the names in the order of their first instances."""
    merged = {}
    for result in results:
        total = merged.setdefault(result["step"], {"step": result["step"], "instances": 0})
        total["instances"] += 1
        _add(total, {k: v for k, v in result.items() if k not in ("step", "instance", "next")})
    return merged


def _add(total, more):
    for key, value in more.items():
        if isinstance(value, dict):
            _add(total.setdefault(key, {}), value)
        elif key == "open_since_ns":
            known = [since for since in (total.get(key), value) if since is not None]
            total[key] = min(known, default=None)
        elif isinstance(value, list):
            total[key] = total.get(key, []) + value
        else:
            total[key] = total.get(key, 0) + value


def chain_breaks(results):
    """Where forwarded(k) = accepted(k + 1) does not hold: (step, forwarded, next step, accepted)."""
    by_number = {result["instance"]: result for result in results}
    breaks = []
    for result in results:
        following = by_number.get(result["next"])
        if following and result["forwarded"] != following["accepted"]:
            pair = (result["step"], result["forwarded"], following["step"], following["accepted"])
            breaks.append(pair)
    return breaks


def _window(text):
    attach, _, detach = text.partition(":")
    return int(attach), int(detach) if detach else None


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("log")
    parser.add_argument("--watch", type=_window, action="append", metavar="ATTACH:[DETACH]")
    parser.add_argument("--observe", type=_window, action="append", metavar="ATTACH:[DETACH]")
    parser.add_argument("--until", type=int, metavar="NS")
    parser.add_argument("--exited", type=int, metavar="NS")
    parser.add_argument("--no-durations", action="store_true")
    options = parser.parse_args(arguments)
    try:
        log = read(options.log)
    except (OSError, ValueError) as error:
        print(f"truth.py: {error}", file=sys.stderr)
        return 1
    results = compute(log, options.watch, options.observe, options.until, options.exited)
    if options.no_durations:
        for result in results:
            del result["send"]["durations_ns"], result["receive"]["durations_ns"]
    json.dump({"pid": log.pid, "complete": log.exit is not None, "steps": results}, sys.stdout)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
