# SPDX-License-Identifier: MIT
"""A consumer under load, agents that watch it, and what they said held against the truth."""

import collections
import contextlib
import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import threading
import time

import truth
from receiver import Receiver

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PUSHBACK_BUILD", ROOT / "build"))
PUSHBACK = BUILD / "pushback"
DEMO = BUILD / "pushback-demo"
PROGS = BUILD / "tests"
PREFIX = "streams.pipeline."
# Longer runs and more of them, for a machine that has the time.
LONG = os.environ.get("PUSHBACK_TEST_LONG", "") not in ("", "0")

NS = 1_000_000_000
BUCKET = 0.016  # what a bucket's middle may be off
CLOCK = 0.0002  # s; what the truth's clock reading and the probe's may lie apart


def now():
    return time.monotonic_ns()


class Program:
    """A process of ours with its lines on stderr (or stdout) read as they come."""

    def __init__(self, argv, output="stderr", **more):
        streams = {"stdin": subprocess.PIPE, "text": True, "bufsize": 1, output: subprocess.PIPE}
        self.process = subprocess.Popen([str(a) for a in argv], **(streams | more))
        self.pid = self.process.pid
        self.lines = []
        self._fresh = queue.Queue()
        stream = getattr(self.process, output)
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    def _read(self, stream):
        for line in stream:
            self.lines.append(line.rstrip("\n"))
            self._fresh.put(line)
        self._fresh.put(None)

    def wait_line(self, pattern, timeout=20):
        """The match in the next line that has one; AssertionError when it ends without."""
        end = time.monotonic() + timeout
        while True:
            try:
                line = self._fresh.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"no line with {pattern!r} in {self.lines}")
            found = re.search(pattern, line)
            if found:
                return found

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=60):
        status = self.process.wait(timeout)
        self._reader.join()
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                if stream:
                    stream.close()


class Consumer(Program):
    """The demo consumer with its truth log."""

    def __init__(self, log, *options, program=DEMO, source="memory", prefix=()):
        self.log = log
        self.exited = None
        super().__init__([*prefix, program, "--source", source, "--truth", log, *options])

    def hurry(self):
        """Pre-empted between the log's clock and the probe's, it would show as the agent's error."""
        os.setpriority(os.PRIO_PROCESS, self.pid, -15)

    def pause(self):
        """It calls no step any more; the moment is before or after all calls, ns."""
        self.say("pause")
        return int(self.wait_line(r"paused at (\d+)")[1])

    def resume(self):
        self.say("resume")
        return int(self.wait_line(r"resumed at (\d+)")[1])

    def end(self):
        self.signal(signal.SIGTERM)
        assert self.wait() == 0, self.lines

    def kill(self):
        self.signal(signal.SIGKILL)
        self.wait()

    def truth(self, watched=None, observed=None, **more):
        log = truth.read(self.log)
        return truth.compute(log, watched, observed, **more)


class Agent(Program):
    """`pushback run` with a receiver of its own."""

    def __init__(self, *options, interval="1s"):
        self.receiver = Receiver()
        # Not a unix socket: its queue of ten packets is for a server that reads at once.
        address = self.receiver.start("udp://127.0.0.1:0")
        super().__init__(
            [PUSHBACK, "run", "--statsd", address, "--interval", interval, *options]
        )
        self._marked = {}
        self._marked_samples = {}
        try:
            self.wait_line(r"^pushback: watching")
        except AssertionError:
            self.__exit__()
            raise

    def end(self):
        """Lets it flush; what it said is complete then, as of the moment that is returned, ns."""
        ended = now()
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        assert self.wait() == 0, self.lines
        self.receiver.stop()
        assert not self.receiver.errors, self.receiver.errors[:10]
        return ended

    def __exit__(self, *_):
        super().__exit__()
        self.receiver.stop()

    def mark(self):
        """From now on counters() and samples() say what came since."""
        with self.receiver.lock:
            self._marked = dict(self.receiver.counters)
            self._marked_samples = {k: v.copy() for k, v in self.receiver.samples.items()}

    def counters(self, **tags):
        """{step: {metric: sum}} of the series with these tags."""
        wanted = {f"{k}:{v}" for k, v in tags.items()}
        result = collections.defaultdict(collections.Counter)
        for (name, have), value in self.receiver.counters.items():
            step = step_of(have)
            if step and wanted <= have and name.startswith(PREFIX):
                value -= self._marked.get((name, have), 0)
                result[step][name.removeprefix(PREFIX)] += value
        return result

    def samples(self, step, direction, **tags):
        """Counter of ms -> weight."""
        name = PREFIX + direction + "_backpressure_duration"
        wanted = {f"{k}:{v}" for k, v in ({"step": step} | tags).items()}
        total = collections.Counter()
        for key, counts in self.receiver.samples.items():
            if key[0] == name and wanted <= key[1]:
                total += counts - self._marked_samples.get(key, collections.Counter())
        return total

    def lost(self):
        """{reason: count} of what the agent says it has lost."""
        result = collections.Counter()
        for (name, tags), value in self.receiver.counters.items():
            if name == "pushback.agent.lost" and value:
                result["".join(t for t in tags if t.startswith("reason:"))] += value
        return result


def step_of(tags):
    for tag in tags:
        if tag.startswith("step:"):
            return tag.removeprefix("step:")
    return None


COUNTS = (
    # what the truth calls it, and the metric
    ("accepted", None, "submit_accepted"),
    ("forwarded", None, "submit_forwarded"),
    ("attempts", "send", "send_backpressure"),
    ("attempts", "receive", "receive_backpressure"),
    ("episodes", "send", "send_backpressure_episodes"),
    ("episodes", "receive", "receive_backpressure_episodes"),
    ("abandoned", "send", "send_backpressure_abandoned"),
    ("abandoned", "receive", "receive_backpressure_abandoned"),
    ("partial", "send", "send_backpressure_partial"),
    ("partial", "receive", "receive_backpressure_partial"),
)
TIMES = (
    ("time_ns", "send", "send_backpressure_time"),
    ("time_ns", "receive", "receive_backpressure_time"),
    ("self_ns", "send", "send_backpressure_self_time"),
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
    """Where a time is off by more than 1 % of wall time, and `slack_ns`."""
    seen = agent.counters(**tags)
    errors = []
    for name, step in steps.items():
        for key, direction, metric in TIMES:
            want, have = value_of(step, key, direction) / 1e6, seen[name][metric]
            if abs(want - have) > (0.01 * wall_ns + slack_ns) / 1e6:
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
                errors += duration_errors(name, direction, samples, step[direction]["durations_ns"])
    return errors


def sum_errors(name, direction, samples, durations_ns):
    """Their weights are those of the episodes that they stand for: a sum cannot be far off.

    It is no exact one: of the folded episodes between two fires one is told, picked at random.
    """
    have, want = sum(v * n for v, n in samples.items()), sum(durations_ns) / 1e6
    if not want / 1.5 < have < want * 1.5:
        return [f"{name} {direction}: samples of {have:.1f} ms in all, in truth {want:.1f} ms"]
    return []


def duration_errors(name, direction, samples, durations_ns):
    errors = []
    have = sorted(value / 1e3 for value in samples.elements())
    for want, value in zip(sorted(d / NS for d in durations_ns), have, strict=True):
        if abs(want - value) > max(CLOCK, BUCKET * want):
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
    done = subprocess.run(
        [str(a) for a in argv], stdout=subprocess.PIPE, text=True, timeout=timeout, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
