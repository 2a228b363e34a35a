# SPDX-License-Identifier: MIT
"""What `pushback run` really sends, as a statsd server gets it: the tests' strict receiver, and bytes."""

import collections
import contextlib
import dataclasses
import sys

from bench import TOP, done

sys.path.append(str(TOP / "tests/e2e"))

from receiver import Receiver  # noqa: E402

PREFIX = "streams.pipeline."


class Server(Receiver):
    """Also knows how many bytes each step's lines were."""

    def __init__(self):
        super().__init__()
        self.bytes = 0
        self.flushes = 0  # of the agent: each says once how many steps there are

    def take_payload(self, payload, limit):
        self.bytes += len(payload)
        self.flushes += payload.count(b"pushback.agent.steps:")
        super().take_payload(payload, limit)

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
