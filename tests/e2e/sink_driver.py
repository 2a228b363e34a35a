# SPDX-License-Identifier: MIT
"""What the tests of the statsd sink share: its driver (tests/progs/sink_driver.c) and fixtures."""

import random
import subprocess
import time

import pytest

from program import PROGS, patient
from receiver import Receiver

DRIVER = PROGS / "sink_driver"
P = "streams.pipeline."
AGENT = "pushback.agent."
MS = 1_000_000


class Driver:
    """The sink under test, in a process of its own."""

    def __init__(self, address, *tags, format="dogstatsd", type="d", prefix=P[:-1], wrap=()):
        self.process = subprocess.Popen(
            [*wrap, DRIVER, address, prefix, format, type, *tags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.stdin.close()
        rest = self.process.stdout.read()
        assert self.process.wait(patient(30)) == 0 or kind, rest

    def do(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer.startswith("ok"), (words, answer)
        return answer

    def step(self, index, name, process="consumer", tags=""):
        texts = [name if isinstance(name, bytes) else name.encode(), process.encode(), tags.encode()]
        self.do("step", index, *[t.hex() or "-" for t in texts])

    def steps(self, count):
        """step0, step1 and so on."""
        for i in range(count):
            self.step(i, f"step{i}")

    def each(self, count, verb, *words):
        """The same of as many steps."""
        for i in range(count):
            self.do(verb, i, *words)

    def interval(self, last=False):
        self.do("drain")
        self.do("last" if last else "flush")

    def settle(self, receiver=None):
        """Polls until nothing new comes, as the agent's loop would over the interval."""
        before = None
        while receiver and before != receiver.packets:
            before = receiver.packets
            self.do("poll")
            time.sleep(0.05)


@pytest.fixture(params=["udp4", "udp6", "unixgram", "unix"])
def address(request, tmp_path):
    if request.param == "udp4":
        return "udp://127.0.0.1:0"
    if request.param == "udp6":
        return "udp://[::1]:0"
    return f"{request.param}://{tmp_path}/statsd.sock"


@pytest.fixture
def receiver():
    r = Receiver()
    yield r
    r.stop()
    assert not r.errors, r.errors[:10]


def unused(address):
    """The address of a server that is not there yet."""
    probe = Receiver()
    found = probe.start(address)
    probe.stop(unlink=True)
    return found


def seeded():
    """Chance, with its seed printed."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    return random.Random(seed)


def lost(receiver, reason):
    return receiver.counter(AGENT + "lost", reason=reason)


def weight(receiver, name, **tags):
    return sum(receiver.sample(P + name, **tags).values())
