# SPDX-License-Identifier: MIT
"""A consumer of the shape that Arroyo's have in Python, which counts for itself what its steps do.

    PYTHONPATH=... python3 streams_consumer.py SECONDS

decode (a task that carries) -> filter (hands through) -> transform (a task that carries) ->
batch (a buffer that flushes before it accepts) -> sink (some threads, slow). A line on stdin
starts it; half way it is rebalanced: closed, joined and built anew. At the end it prints its
truth as JSON: per step, what each return was by the code that knows. Nothing of the truth comes
from the probes.
"""

import collections
import concurrent.futures
import json
import sys
import time

from pushback import observe

SEND, RECEIVE = "send", "receive"


class MessageRejected(Exception):
    pass


class InvalidMessage(Exception):
    pass


class Truth:
    """Of one step, all of its instances: counts, and the episodes by the design's table."""

    def __init__(self):
        self.counts = collections.Counter()
        self.open = {SEND: False, RECEIVE: False}

    def count(self, what):
        self.counts[what] += 1

    def opens(self, direction):
        self.count(f"{direction}_rejections")
        self.open[direction] = True

    def closes(self, direction):
        self.counts[f"{direction}_episodes"] += self.open[direction]
        self.open[direction] = False

    def ends(self):
        for direction in (SEND, RECEIVE):
            self.counts[f"{direction}_abandoned"] += self.open[direction]
            self.open[direction] = False
        self.count("instances")

    # ---- What a strategy says of its own returns ----

    def accepted(self):
        self.count("accepted")
        self.closes(SEND)

    def rejected(self):
        self.opens(SEND)

    def propagated(self):
        self.count("propagated")

    def forwarded(self):
        self.count("forwarded")
        self.closes(RECEIVE)

    def refused(self):
        self.opens(RECEIVE)


class Step:
    """What strategies have in common. A truth of its own, and a next step."""

    def __init__(self, truth, next_step):
        self.truth, self.next_step, self.closed = truth, next_step, False

    def hand_on(self, message):
        try:
            self.next_step.submit(message)
        except MessageRejected:
            self.truth.refused()
            raise
        self.truth.forwarded()

    def poll(self):
        self.next_step.poll()

    def close(self):
        self.closed = True

    def terminate(self):
        self.closed = True
        self.next_step.terminate()

    def join(self, timeout=None):
        self.next_step.close()
        self.next_step.join(timeout=timeout)
        self.truth.ends()


class Task(Step):
    """Carries what the next step refused, and refuses until that is gone."""

    carried = None

    def submit(self, message):
        assert not self.closed
        if message % 1000 == 999:
            raise InvalidMessage(message)
        if self.carried is not None:
            self.truth.rejected()
            raise MessageRejected
        try:
            self.hand_on(message)
        except MessageRejected:
            self.carried = message
        self.truth.accepted()

    def poll(self):
        self.next_step.poll()
        if self.carried is not None:
            try:
                self.hand_on(self.carried)
            except MessageRejected:
                return
            self.carried = None


class Filter(Step):
    def submit(self, message):
        if message % 5:
            try:
                self.hand_on(message)
            except MessageRejected:
                self.truth.propagated()
                raise
        self.truth.accepted()


class Batch(Step):
    """Accepts only after what is full was handed on; poll tries, too, and keeps quiet."""

    def __init__(self, *more):
        super().__init__(*more)
        self.held = []

    def flush(self):
        if len(self.held) >= 4:
            self.hand_on(list(self.held))
            self.held.clear()

    def submit(self, message):
        try:
            self.flush()
        except MessageRejected:
            self.truth.propagated()
            raise
        self.held.append(message)
        self.truth.accepted()

    def poll(self):
        self.next_step.poll()
        try:
            self.flush()
        except MessageRejected:
            pass

    def join(self, timeout=None):
        if self.held:
            try:
                self.hand_on(self.held)
            except MessageRejected:
                pass
        super().join(timeout)


class Sink:
    """Two threads that take 2 ms each, and two batches that wait."""

    def __init__(self, truth):
        self.truth, self.pending = truth, collections.deque()
        self.pool = concurrent.futures.ThreadPoolExecutor(2)

    def is_full(self):
        return len(self.pending) >= 4

    def submit(self, batch):
        if self.is_full():
            self.truth.rejected()
            raise MessageRejected
        self.pending.append(self.pool.submit(time.sleep, 0.002))
        self.truth.accepted()

    def poll(self):
        while self.pending and self.pending[0].done():
            self.pending.popleft().result()
        if not self.is_full():
            self.truth.closes(SEND)

    def close(self):
        pass

    def terminate(self):
        self.pool.shutdown(cancel_futures=True)

    def join(self, timeout=None):
        self.pool.shutdown()
        self.truth.ends()


class Processor:
    """The framework's loop: poll, submit what it carries or the next message. Sleeps 1 ms, not 10."""

    def __init__(self, truths):
        self.truths, self.message, self.carried = truths, 0, False
        self.build()

    def build(self):
        step = observe(Sink(self.truths["sink"]), "sink", ready=lambda sink: not sink.is_full())
        for kind, name in (
            (Batch, "batch"),
            (Task, "transform"),
            (Filter, "filter"),
            (Task, "decode"),
        ):
            step = observe(kind(self.truths[name], step), name)
        self.strategy = step

    def rebalance(self):
        self.end()
        self.build()

    def run_once(self):
        self.strategy.poll()
        if not self.carried:
            self.message += 1
        try:
            self.strategy.submit(self.message)
        except MessageRejected:
            if self.carried:
                time.sleep(0.001)
            self.carried = True
            return
        except InvalidMessage:
            pass
        self.carried = False

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.run_once()

    def end(self):
        self.strategy.close()
        self.strategy.join(10.0)


def main():
    truths = {name: Truth() for name in ("decode", "filter", "transform", "batch", "sink")}
    processor = Processor(truths)
    print("ready", flush=True)
    sys.stdin.readline()
    seconds = float(sys.argv[1]) / 2
    processor.run(seconds)
    processor.rebalance()
    processor.run(seconds)
    processor.end()
    print(json.dumps({name: truth.counts for name, truth in truths.items()}), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
