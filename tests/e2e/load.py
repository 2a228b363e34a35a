# SPDX-License-Identifier: MIT
"""A consumer under load, and what agents said of it held against the truth."""

import json
import math
import os
import signal
import statistics
import time

import truth
from program import DEMO, PATIENCE, Program, now, patient, run, semaphore_of

# Longer runs and more of them, for a machine that has the time.
LONG = os.environ.get("PUSHBACK_TEST_LONG", "") not in ("", "0")

NS = 1_000_000_000
BUCKET = 0.016  # what a bucket's middle may be off
CLOCK = 0.0002  # s; what the truth's clock reading and the probe's may lie apart


class Consumer(Program):
    """The demo consumer with its truth log."""

    def __init__(self, log, *options, program=DEMO, source="memory", prefix=()):
        self.log = log
        super().__init__([*prefix, program, "--source", source, "--truth", log, *options])

    def hurry(self):
        """Pre-empted between the log's clock and the probe's, it would show as the agent's error."""
        os.setpriority(os.PRIO_PROCESS, self.pid, -15)

    def pause(self):
        """It calls no step any more; the moment is before or after all calls, ns."""
        self.say("pause")
        return int(self.wait_line(r"paused at (\d+)")[1])

    def pause_in_backpressure(self, timeout=60):
        """Pauses it while some step is in backpressure: between two slots, for microseconds, none is."""
        end = time.monotonic() + patient(timeout)
        while True:
            paused = self.pause()
            if any(step[d]["open_since_ns"] for step in self.truth(until=paused) for d in ("send", "receive")):
                return paused
            self.resume()
            assert time.monotonic() < end, "it is not in backpressure"

    def is_watched(self):
        return semaphore_of(self.pid, os.readlink(f"/proc/{self.pid}/exe"), f"/proc/{self.pid}/exe") > 0

    def pause_unwatched(self, timeout=60):
        """Pauses it while nobody watches it, and each of its steps has seen that.

        Another test's agent may watch all of this machine. An agent that comes to a watch of somebody
        else's has a step from its first event on, and so would miss what comes before that.
        """
        since, end = None, time.monotonic() + patient(timeout)
        while True:
            if self.is_watched():
                since = None
            elif since is None:
                since = now()
            time.sleep(0.1)
            paused = self.pause()
            if since and not self.is_watched() and self._has_returned(since):
                return paused
            self.resume()
            assert time.monotonic() < end, "others watch it all the time"

    def _has_returned(self, since):
        """Each living step that ever did, since then: by the log, which a pause completes."""
        living = [i for i in truth.read(self.log).instances.values() if i.runs and i.end is None]
        return all(max(run[1] for run in instance.runs) >= since for instance in living)

    def resume(self):
        self.say("resume")
        return int(self.wait_line(r"resumed at (\d+)")[1])

    def end(self):
        self.signal(signal.SIGTERM)
        assert self.wait() == 0, self.lines

    def truth(self, watched=None, observed=None, **more):
        log = truth.read(self.log)
        return truth.compute(log, watched, observed, **more)


# What the truth calls it, of which direction, and the metric.
COUNTS = (
    ("accepted", None, "submit_accepted"),
    ("forwarded", None, "submit_forwarded"),
    *(("attempts", d, f"{d}_backpressure") for d in ("send", "receive")),
    *(
        (end, d, f"{d}_backpressure_{end}")
        for end in ("episodes", "abandoned", "partial")
        for d in ("send", "receive")
    ),
)
TIMES = (
    # ... and what of it the truth itself does not know
    ("time_ns", "slack_ns", "send", "send_backpressure_time"),
    ("time_ns", "slack_ns", "receive", "receive_backpressure_time"),
    ("self_ns", "self_slack_ns", "send", "send_backpressure_self_time"),
)


def value_of(step, key, direction):
    return step[direction][key] if direction else step[key]


def count_errors(agent, steps, **tags):
    """Where the agent's counts are not the truth's (merged by step), a line each."""
    seen = agent.counters(**tags)
    errors = []
    for name, step in steps.items():
        for key, direction, metric in COUNTS:
            want, have = value_of(step, key, direction), seen[name][metric]
            if want != have:
                errors.append(f"{name} {metric}: {have}, in truth {want}")
    errors += [f"{name}: no such step" for name in seen if name not in steps]
    return errors


def time_errors(agent, steps, wall_ns, slack_ns=0, **tags):
    """Where a time is off by more than 1 % of wall time, what the truth leaves open, and `slack_ns`.

    A fire lies between the header's look at the clock and the consumer's own: 1 % on hardware, and as much
    more where it is emulated.
    """
    seen = agent.counters(**tags)
    errors = []
    for name, step in steps.items():
        for key, slack_key, direction, metric in TIMES:
            want, have = value_of(step, key, direction) / 1e6, seen[name][metric]
            slack = slack_ns + value_of(step, slack_key, direction)
            if abs(want - have) > (0.01 * PATIENCE * wall_ns + slack) / 1e6:
                errors.append(f"{name} {metric}: {have} ms, in truth {want:.1f} ms")
    return errors


def sample_errors(agent, steps, one_by_one=False, **tags):
    """Where the samples' weights are not the closed episodes, or single ones not the truth's."""
    errors = []
    for name, step in steps.items():
        for direction in ("send", "receive"):
            samples = agent.samples(name, direction, **tags)
            count, want = sum(samples.values()), step[direction]["episodes"]
            if count != want:
                errors.append(f"{name} {direction}: {count} samples of {want} episodes")
            elif want > 100 and "durations_ns" in step[direction]:
                errors += sum_errors(name, direction, samples, step[direction]["durations_ns"])
            elif one_by_one:
                errors += duration_errors(name, direction, samples, step[direction])
    return errors


def sum_errors(name, direction, samples, durations_ns):
    """Their weights are those of the episodes that they stand for: a sum cannot be far off.

    It is no exact one: of the folded episodes between two fires one is told, picked at random, and on a
    busy machine few stand for all. Six standard deviations of such picks are allowed. A few very long ones
    (the consumer was pre-empted) would decide it alone, and count as no more than the 95th percentile.
    """
    most = sorted(durations_ns)[len(durations_ns) * 95 // 100] / 1e6
    have = sum(min(v, most) * n for v, n in samples.items())
    true = [min(d / 1e6, most) for d in durations_ns]
    want = sum(true)
    spread = 6 * statistics.pstdev(true) * math.sqrt(sum(n * n for n in samples.values()))
    if not want - max(want / 3, spread) < have < want + max(want / 2, spread):
        return [f"{name} {direction}: samples of {have:.1f} ms in all, in truth {want:.1f} ms"]
    return []


def duration_errors(name, direction, samples, true):
    errors = []
    slack = CLOCK + true["slack_ns"] / NS
    have = sorted(value / 1e3 for value in samples.elements())
    for want, value in zip(sorted(d / NS for d in true["durations_ns"]), have, strict=True):
        if abs(want - value) > max(slack, BUCKET * want):
            errors.append(f"{name} {direction}: {value * 1e3:.3f} ms, in truth {want * 1e3:.3f} ms")
    return errors


def chain_errors(agent, results, slack=0, **tags):
    """forwarded(k) = accepted(k + 1), in what the agent says."""
    seen = agent.counters(**tags)
    names = {result["instance"]: result["step"] for result in results}
    errors = []
    for step, following in {(r["step"], names.get(r["next"])) for r in results}:
        if not following:
            continue
        forwarded, accepted = seen[step]["submit_forwarded"], seen[following]["submit_accepted"]
        if abs(forwarded - accepted) > slack:
            errors.append(f"{step} forwarded {forwarded}, {following} accepted {accepted}")
    return errors


def run_json(argv, timeout=300):
    """One of our programs that prints an object a line."""
    done = run(*argv, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
