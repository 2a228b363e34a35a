# SPDX-License-Identifier: MIT
"""A server that refuses packets at random, or is away for minutes: counters exact, memory bounded.

PUSHBACK_TEST_LONG=1: away for two minutes, not for some seconds.
"""

import collections
import ctypes
import os
import re
import threading
import time

import pytest

import truth
from agent import PREFIX, Agent
from flaky import Server
from instrumented import ask_of_no_memory
from load import LONG, Consumer, count_errors
from program import now, wait_until
from receiver import Receiver
from sink_driver import AGENT, P, Driver, lost, seeded, unused, weight

AWAY = 120 if LONG else 4  # s


def resident(pid):
    """Bytes of its own; of the file's the kernel may drop some and bring them back."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"RssAnon:\s+(\d+)", f.read())[1]) * 1024


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Choosy(Receiver):
    """With UDP: refuses what comes while it is connected to somebody else, and keeps what it has."""

    def _bind_udp(self, rest):
        address = super()._bind_udp(rest)
        (self._socket,) = (key.fileobj for key in self._selector.get_map().values())
        return address

    def refuse(self, is_on):
        if is_on:
            self._socket.connect(("127.0.0.1", 9))
            return
        # Python's cannot: to AF_UNSPEC.
        assert not ctypes.CDLL(None).connect(self._socket.fileno(), (ctypes.c_char * 16)(), 16)


class Refusing:
    """Turns a server off and on, at random, in a thread of its own."""

    def __init__(self, rng, on, off):
        self.turns = 0
        self._stopping = threading.Event()

        def run():
            while not self._stopping.is_set():
                off()
                time.sleep(rng.random() / 500)
                on()
                self.turns += 1
                time.sleep(rng.random() / 200)

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def end(self):
        self._stopping.set()
        self._thread.join()


def unixgram_server(tmp_path, rng):
    server = Server()
    address = f"unixgram://{tmp_path}/s"
    server.start(address)
    return server, address, lambda: Refusing(rng, lambda: server.start(address), server.stop)


def udp_server(_, rng):
    server = Choosy()
    # A port that the kernel has picked it takes back with the connection.
    address = server.start(unused("udp://127.0.0.1:0"))
    return server, address, lambda: Refusing(rng, lambda: server.refuse(False), lambda: server.refuse(True))


@pytest.mark.parametrize("begin", [unixgram_server, udp_server], ids=["unixgram", "udp"])
def test_packets_refused_at_random(begin, tmp_path):
    """In the middle of flushes, that is between any two packets."""
    rng = seeded()
    steps = 1000
    server, address, refusing = begin(tmp_path, rng)
    sums = collections.Counter()
    dropped = lambda: server.counter(AGENT + "packets_dropped")
    with Driver(address) as d:
        d.steps(steps)
        d.interval()
        refusing = refusing()
        # Until one was refused, too: a flush is over in less time than it is away.
        for turn in range(400):
            if turn >= 12 and dropped():
                break
            for i in rng.sample(range(steps), steps // 2):
                n = rng.randrange(1, 50)
                d.do("add", i, "send_backpressure", n)
                d.do("sample", i, "send", rng.randrange(1000, 10**9), n)
                sums["attempts"] += n
            d.interval()
            d.do("poll")
        refusing.end()
        for _ in range(3):
            d.settle(server)
            d.interval(last=True)
        d.settle(server)
    server.stop()
    assert not server.errors, server.errors[:5]
    print(f"turned off {refusing.turns} times: {server.packets} packets came, {dropped()} did not")
    assert server.counter(P + "send_backpressure") == sums["attempts"]
    assert server.counter(P + "send_backpressure_episodes") == sums["attempts"]
    assert weight(server, "send_backpressure_duration") + lost(server, "durations_unsent") == sums["attempts"]
    assert dropped() > 0


@pytest.mark.parametrize("how", ["missing", "not reading"])
def test_memory_while_it_is_away_for_minutes(how, tmp_path):
    """180 intervals of 200 steps that have all kinds of news. What waits is bounded, and let go of."""
    steps, intervals = 200, 180
    address = f"unixgram://{tmp_path}/s"
    server = Receiver()
    if how != "missing":
        server.start(address)
        server.pause()
    with Driver(address) as d:
        d.steps(steps)

        def some(count):
            for _ in range(count):
                d.each(steps, "add", "send_backpressure", 3)
                d.each(50, "sample", "send", 5_000_000, 2)
                d.interval()

        some(20)
        before = resident(d.process.pid)
        some(intervals - 20)
        after = resident(d.process.pid)
        print(f"{how}: {before >> 10} KiB after 20 intervals, {after >> 10} KiB after {intervals}")
        if how == "missing":
            server.start(address)
        server.resume()
        for _ in range(3):
            d.interval(last=True)
            d.settle(server)
    server.stop()
    assert not server.errors, server.errors[:5]
    assert server.counter(P + "send_backpressure") == 3 * steps * intervals
    closed = 2 * 50 * intervals
    assert weight(server, "send_backpressure_duration") + lost(server, "durations_unsent") == closed
    ask_of_no_memory()
    assert after < before + (2 << 20)


def between_flushes(receiver):
    """What comes while a server closes its socket was sent, and nobody can know that it was not read."""
    wait_until(lambda: 100_000_000 < now() - receiver.last_at < 250_000_000, "no flush is under way")


def test_an_agent_whose_server_is_away(tmp_path):
    """The whole of it, under load: what it had to say in the meantime comes when the server does."""
    with Consumer(tmp_path / "log", "--source", "memory", "--slow", "sink:refuse:2ms") as consumer:
        time.sleep(0.2)
        begin = consumer.pause_unwatched()
        with Agent("--pid", consumer.pid, interval="500ms") as agent:
            consumer.resume()
            time.sleep(2)
            between_flushes(agent.receiver)
            port = next(iter(agent.receiver._selector.get_map().values())).fileobj.getsockname()[1]
            agent.receiver.stop()
            before, cpu, began = resident(agent.pid), cpu_seconds(agent.pid), time.monotonic()
            time.sleep(AWAY)
            after, cpu = resident(agent.pid), cpu_seconds(agent.pid) - cpu
            took = time.monotonic() - began
            agent.receiver.start(f"udp://127.0.0.1:{port}")
            time.sleep(1)
            consumer.pause()
            end, _ = agent.end()
        consumer.resume()
        consumer.end()
    print(f"away for {took:.0f} s: {before >> 10} KiB before, {after >> 10} KiB after, {cpu / took:.2%} of a CPU")
    steps = truth.merge(consumer.truth([(begin, end)], until=end))
    assert not count_errors(agent, steps)
    lost_durations = agent.lost().pop("durations_unsent", 0)
    assert set(agent.lost()) <= {"durations_unsent"} and lost_durations > 0
    told = sum(sum(w.values()) for key, w in agent.receiver.samples.items() if key[0].startswith(PREFIX))
    closed = sum(step[d]["episodes"] for step in steps.values() for d in ("send", "receive"))
    assert told + lost_durations == closed
    ask_of_no_memory()
    assert after < before + (1 << 20)
