# SPDX-License-Identifier: MIT
"""tests/progs/soaked.c from outside: a consumer that does things at random, and its truth."""

import collections
import select
import struct
import subprocess

STEPS = ("decode", "filter", "transform", "batch", "sink")
# In the order of the program's counts.
METRICS = (
    "submit_accepted",
    "send_backpressure",
    "submit_forwarded",
    "receive_backpressure",
    "send_backpressure_episodes",
    "receive_backpressure_episodes",
    "send_backpressure_partial",
    "receive_backpressure_partial",
    "send_backpressure_abandoned",
    "receive_backpressure_abandoned",
)
COUNTS = len(METRICS)
SIZE = 8 * ((COUNTS + 6) * (len(STEPS) + 2) + 1 + 2 * COUNTS * len(STEPS) + 3)  # of the file


class Counts:
    """Of a step; what is open has been abandoned by its end."""

    def __init__(self, numbers):
        self.n = list(numbers[:COUNTS])
        for direction in range(2):
            self.n[COUNTS - 2 + direction] += numbers[COUNTS + direction]


class Truth:
    """What the file says, once its writer has ended.

    Killed in a call, either of before it and after it is true, count by count: the probe may have been
    half-way.
    """

    def __init__(self, data):
        assert len(data) == SIZE
        numbers = struct.unpack(f"={len(data) // 8}Q", data)
        size = COUNTS + 6
        steps = [Counts(numbers[i * size : (i + 1) * size]) for i in range(len(STEPS))]
        rest = numbers[len(STEPS) * size :]
        before, after, calling = Counts(rest[:size]), Counts(rest[size : 2 * size]), rest[2 * size]
        doubts, (self.hidden, self.found) = rest[2 * size + 1 : -3], rest[-3:-1]
        self.in_call = calling > 0
        self.steps = {}  # {step: {metric: (least, most)}}
        for i, (name, counts) in enumerate(zip(STEPS, steps)):
            low = high = counts.n
            if calling == i + 1:
                low = [min(pair) for pair in zip(before.n, after.n)]
                high = [max(pair) for pair in zip(before.n, after.n)]
            less, more = doubts[i * COUNTS :], doubts[(len(STEPS) + i) * COUNTS :]
            self.steps[name] = {
                metric: (max(0, low[k] - less[k]), high[k] + more[k]) for k, metric in enumerate(METRICS)
            }

    def is_exact(self):
        return all(low == high for step in self.steps.values() for low, high in step.values())

    def totals(self):
        """Counter of metric -> the most of it, over all steps."""
        total = collections.Counter()
        for step in self.steps.values():
            for metric, (_, high) in step.items():
                total[metric] += high
        return total


class Consumer:
    def __init__(self, program, directory, number, seed, careless):
        self.careless = careless  # it may write over steps
        self.file = directory / f"truth{number}"
        self.process = subprocess.Popen(
            [program, self.file, str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self.pid = self.process.pid
        self.awaited = b"."
        self.truth = None

    def is_busy(self):
        """It has not answered yet."""
        if self.awaited and select.select([self.process.stdout], [], [], 0)[0]:
            self._take()
        return bool(self.awaited)

    def _take(self):
        letter = self.process.stdout.read(1)
        if letter != self.awaited:
            raise AssertionError(f"consumer {self.pid} answers {letter}, not {self.awaited}")
        self.awaited = b""

    def settle(self):
        if self.awaited:
            if not select.select([self.process.stdout], [], [], 60)[0]:
                raise AssertionError(f"consumer {self.pid} does not answer")
            self._take()

    def tell(self, letter):
        self.settle()
        self.process.stdin.write(letter)
        self.awaited = letter

    def end(self, how):
        """q or e: by itself; else a signal, at any moment."""
        if how in (b"q", b"e"):
            self.settle()
            self.process.stdin.write(how)
        else:
            self.process.send_signal(how)
        self.process.wait(60)
        self.process.stdin.close()
        self.process.stdout.close()
        self.truth = self.look()
        self.file.unlink(missing_ok=True)

    def look(self):
        """Its truth so far. It may not even have made the file, and then has done nothing."""
        data = self.file.read_bytes() if self.file.exists() else b""
        return Truth(data or bytes(SIZE))
