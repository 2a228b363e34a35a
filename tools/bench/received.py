# SPDX-License-Identifier: MIT
"""What `pushback run` really sends, as a statsd server gets it: the tests' strict receiver, and bytes."""

import collections
import contextlib
import dataclasses
import sys
import time

from bench import TOP, done

sys.path.append(str(TOP / "tests/e2e"))

from receiver import Receiver  # noqa: E402

PREFIX = "streams.pipeline."


@dataclasses.dataclass
class Flush:
    """What an agent said of one interval."""

    bytes: int = 0
    own_bytes: int = 0  # of them about itself
    datagrams: int = 0
    counters: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    at: float = 0  # when it was all there


class Server(Receiver):
    """Also knows what came in which interval, and how many bytes."""

    def __init__(self):
        super().__init__()
        self.bytes = 0
        self.flushes = []  # the complete ones
        self.current = Flush()

    def take_payload(self, payload, limit):
        super().take_payload(payload, limit)
        self.bytes += len(payload)
        self.current.bytes += len(payload)
        self.current.datagrams += 1
        for line in payload.decode().splitlines():
            if line.startswith("pushback.agent."):
                self.current.own_bytes += len(line) + 1
            elif "|c" in line:
                name, value = line.split("|")[0].split(":")
                self.current.counters[name.removeprefix(PREFIX)] += int(value)
        if b"pushback.agent.drain_time:" in payload:  # the last line of a flush
            self.current.at = time.monotonic()
            self.flushes.append(self.current)
            self.current = Flush()

    def whole(self, since):
        """The flushes of intervals that began after `since`."""
        return [flush for before, flush in zip(self.flushes, self.flushes[1:]) if before.at > since]

    def series(self):
        """{(step, pid): Series}, of all that have a step."""
        result = collections.defaultdict(Series)
        with self.lock:
            for kind in ("counters", "samples"):
                for (name, tags), value in getattr(self, kind).items():
                    have = dict(tag.split(":", 1) for tag in tags)
                    if name.startswith(PREFIX) and "step" in have:
                        series = result[have["step"], have.get("pid")]
                        getattr(series, kind)[name.removeprefix(PREFIX)] += value
        return result

    def lost(self):
        """{reason: count} of what the agent says that it has lost, in the kernel or on the way."""
        result = collections.Counter()
        with self.lock:
            for (name, tags), value in self.counters.items():
                if name.startswith("pushback.agent.") and name.endswith(("lost", "dropped")) and value:
                    result[" ".join([name.removeprefix("pushback.agent."), *sorted(tags)])] += value
        return dict(result)


@dataclasses.dataclass
class Series:
    """Of one step of one process: sums, and {ms: weight}."""

    counters: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    samples: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(collections.Counter))

    def sampled(self, direction):
        return self.samples[f"{direction}_backpressure_duration"].total()


@contextlib.contextmanager
def watching(bench, *arguments):
    """An agent and its server; after the block the agent has ended and all that it said is there."""
    server = Server()
    address = server.start("udp://127.0.0.1:0")
    try:
        with bench.agent(*arguments, "--statsd", address) as agent:
            server.agent = agent.pid
            yield server
    finally:
        server.stop()
    if agent.returncode or server.errors:
        done(f"the agent ended with {agent.returncode}; the server: {server.errors[:5]}")
