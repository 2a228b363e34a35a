# SPDX-License-Identifier: MIT
"""Servers that are missing, restarted, slow, replaced or hard to find: no count may be lost by it.

No test looks at a clock; where one waits for something, the limit is only there to fail instead of
hanging.
"""

import collections
import os
import time

import pytest

from receiver import Receiver
from sink_driver import (  # noqa: F401
    AGENT,
    MS,
    P,
    Driver,
    address,
    lost,
    receiver,
    seeded,
    unused,
    weight,
)


def busy_interval(d):
    """Five attempts, and two episodes of 2 ms."""
    d.do("add", 0, "send_backpressure", 5)
    d.do("sample", 0, "send", 2 * MS, 2)
    d.interval()


def test_a_server_that_is_missing_at_first(address, receiver):
    where = unused(address)
    with Driver(where) as d:
        d.step(0, "a")
        for _ in range(3):
            busy_interval(d)
            d.do("poll")
        receiver.start(where)
        busy_interval(d)
    receiver.stop()
    assert receiver.counter(P + "send_backpressure") == 20
    assert receiver.counter(P + "send_backpressure_episodes") == 8
    assert receiver.counter(P + "send_backpressure_time") == 16
    assert weight(receiver, "send_backpressure_duration") == 2
    assert lost(receiver, "durations_unsent") == 6
    reason = "refused" if address.startswith("udp") else "no_socket"
    assert receiver.counter(AGENT + "packets_dropped", reason=reason) == 3
    # An instances gauge and a duration in each, and the agent's nine gauges.
    assert receiver.counter(AGENT + "lines_dropped", reason=reason) == 3 * 11


def test_a_server_that_restarts(address, receiver):
    where = receiver.start(address)
    with Driver(where) as d:
        d.step(0, "a")
        for _ in range(4):
            busy_interval(d)
            busy_interval(d)
            receiver.stop()
            busy_interval(d)
            receiver.start(where)
        d.interval(last=True)
    receiver.stop()
    assert receiver.counter(P + "send_backpressure") == 60
    assert lost(receiver, "durations_unsent") == 8
    assert weight(receiver, "send_backpressure_duration") == 16
    assert receiver.counter(AGENT + "packets_dropped", reason="refused") == 4


@pytest.mark.parametrize("scheme", ["unixgram", "unix"])
def test_a_path_that_becomes_another_server(scheme, receiver, tmp_path):
    old = Receiver()
    where = old.start(f"{scheme}://{tmp_path}/s")
    with Driver(where) as d:
        d.step(0, "a")
        d.do("add", 0, "submit_accepted", 1)
        d.interval()
        assert old.wait_for(lambda r: r.counter(P + "submit_accepted") == 1)
        receiver.start(where)  # the old one still listens, where nobody finds it
        d.do("add", 0, "submit_accepted", 10)
        d.interval()
        d.interval()  # it knows of no gauge yet
    old.stop()
    receiver.stop()
    assert not old.errors
    assert old.counter(P + "submit_accepted") == 1
    assert receiver.counter(P + "submit_accepted") == 10
    assert receiver.gauge(P + "instances") == 1


@pytest.mark.parametrize("scheme", ["unixgram", "unix"])
def test_a_server_that_does_not_read(scheme, receiver, tmp_path):
    """Its queue fills, the sink's does, intervals pass; nothing of a counter is lost."""
    steps, intervals = 400, 6
    where = receiver.start(f"{scheme}://{tmp_path}/s")
    with Driver(where) as d:
        d.steps(steps)
        d.interval()
        receiver.wait_for(lambda r: r.packets > 0)
        receiver.pause()
        took = []
        for _ in range(intervals):
            d.each(steps, "add", "send_backpressure", 3)
            d.each(steps, "sample", "send", 5 * MS, 2)
            d.do("drain")
            took.append(float(d.do("flush").split()[1]))
            took.append(float(d.do("poll").split()[1]))
        print(f"longest call with a server that does not read: {max(took):.1f} ms")
        receiver.resume()
        d.settle(receiver)
        d.interval()
        d.settle(receiver)
        d.interval(last=True)
    receiver.stop()
    closed = 2 * intervals * steps
    assert receiver.counter(P + "send_backpressure") == 3 * intervals * steps
    assert receiver.counter(P + "send_backpressure_episodes") == closed
    dropped = lost(receiver, "durations_unsent")
    assert weight(receiver, "send_backpressure_duration") + dropped == closed
    if scheme == "unixgram":  # a queue of 11; a stream's holds more than this test sends
        assert dropped > 0
        assert receiver.counter(AGENT + "packets_dropped", reason="late") > 0


def test_a_short_pause_costs_nothing(receiver, tmp_path):
    """More than a queue of 11 datagrams in one flush: the rest goes out with the polls."""
    where = receiver.start(f"unixgram://{tmp_path}/s")
    steps = 2000
    with Driver(where) as d:
        d.steps(steps)
        for i in range(steps):
            d.do("sample", i, "send", (i + 1) * 1000, 1)
        receiver.pause()
        d.interval()
        receiver.resume()
        receiver.wait_for(lambda r: (d.do("poll"), weight(r, "send_backpressure_duration") == steps)[1])
        d.interval()
        d.settle(receiver)
    receiver.stop()
    assert weight(receiver, "send_backpressure_duration") == steps
    assert lost(receiver, "durations_unsent") == 0
    assert receiver.counter(AGENT + "packets_dropped") == 0


def test_last_flush_waits_for_a_slow_reader(receiver, tmp_path):
    where = receiver.start(f"unixgram://{tmp_path}/s")
    with Driver(where) as d:
        d.steps(1000)
        d.each(1000, "sample", "send", 1000, 1)
        d.interval(last=True)
    receiver.stop()
    assert weight(receiver, "send_backpressure_duration") == 1000


def test_packets_too_big_for_the_socket_get_smaller(receiver, tmp_path):
    where = receiver.start(f"unixgram://{tmp_path}/s")
    with Driver(where) as d:
        d.steps(100)
        d.interval()
        d.settle(receiver)
        d.do("sndbuf", 0)
        for _ in range(2):
            d.each(100, "add", "submit_accepted", 3)
            d.interval()
            d.settle(receiver)
        d.interval(last=True)
    receiver.stop()
    assert receiver.counter(P + "submit_accepted") == 600
    assert receiver.counter(AGENT + "packets_dropped", reason="too_big") > 0


def test_a_stream_that_takes_a_part_is_closed(receiver, tmp_path):
    where = receiver.start(f"unix://{tmp_path}/s")
    with Driver(where) as d:
        d.steps(300)
        d.interval()
        d.settle(receiver)
        receiver.pause()
        d.do("sndbuf", 0)
        for _ in range(3):
            d.each(300, "add", "submit_accepted", 3)
            d.interval()
        receiver.resume()
        d.settle(receiver)
        d.interval()
        d.settle(receiver)
        d.interval(last=True)
    receiver.stop()
    assert receiver.counter(P + "submit_accepted") == 2700
    partial = receiver.counter(AGENT + "packets_dropped", reason="partial")
    assert partial > 0 and receiver.cut_frames == partial


def test_a_path_of_the_wrong_type(receiver, tmp_path):
    receiver.start(f"unixgram://{tmp_path}/s")
    with Driver(f"unix://{tmp_path}/s") as d:
        d.step(0, "a")
        d.do("add", 0, "submit_accepted", 3)
        d.interval()
        receiver.stop()
        receiver.start(f"unix://{tmp_path}/s")
        d.interval()
    receiver.stop()
    assert receiver.counter(P + "submit_accepted") == 3
    assert receiver.counter(AGENT + "packets_dropped", reason="wrong_type") == 1


def test_random_outages_lose_no_count(address, receiver):
    rng = seeded()
    where = unused(address)
    sums = collections.Counter()
    up = False
    with Driver(where) as d:
        d.steps(60)
        for _ in range(60):
            for i in rng.sample(range(60), 20):
                n = rng.randrange(1, 50)
                d.do("add", i, "send_backpressure", n)
                sums["send_backpressure"] += n
                d.do("sample", i, "send", rng.randrange(1000, 10**9), n)
                sums["episodes"] += n
            event = rng.choice(["none", "none", "stop", "start", "pause", "resume", "restart"])
            if event in ("stop", "restart"):
                receiver.stop()
                up = False
            if event in ("start", "restart") and not up:
                receiver.start(where)
                up = True
            if up and event == "pause" and not address.startswith("udp"):
                receiver.pause()
            if up and event == "resume":
                receiver.resume()
            d.interval()
            if rng.random() < 0.5:
                d.do("poll")
        if not up:
            receiver.start(where)
        receiver.resume()
        for _ in range(3):
            d.settle(receiver)
            d.interval(last=True)
        d.settle(receiver)
    receiver.stop()
    assert receiver.counter(P + "send_backpressure") == sums["send_backpressure"]
    assert receiver.counter(P + "send_backpressure_episodes") == sums["episodes"]
    samples = weight(receiver, "send_backpressure_duration")
    assert samples + lost(receiver, "durations_unsent") == sums["episodes"]


# ---- names ----


def in_namespace(tmp_path):
    """A prefix for a command: its /etc/hosts is tmp_path/hosts, and no name server is asked."""
    (tmp_path / "hosts").touch()
    (tmp_path / "nsswitch").write_text("hosts: files\n")
    script = f"mount --bind {tmp_path}/hosts /etc/hosts && mount --bind {tmp_path}/nsswitch " \
             '/etc/nsswitch.conf && exec "$0" "$@"'  # fmt: skip
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]


def wait_resolved(d, receiver, condition):
    assert receiver.wait_for(lambda r: (d.do("poll"), d.interval(), condition(r))[2])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a mount namespace")
def test_a_name_that_resolves_later_and_moves(receiver, tmp_path):
    other = Receiver()
    where = receiver.start("udp://127.0.0.1:0")
    port = where.rpartition(":")[2]
    other.start(f"udp://127.0.0.2:{port}")
    hosts = tmp_path / "hosts"
    with Driver(f"udp://statsd.test:{port}", wrap=in_namespace(tmp_path)) as d:
        d.step(0, "a")
        d.do("add", 0, "submit_accepted", 1)
        d.interval()
        d.interval()
        hosts.write_text("127.0.0.1 statsd.test\n")
        d.do("wait", 6)
        wait_resolved(d, receiver, lambda r: r.counter(P + "submit_accepted") == 1)
        assert receiver.counter(AGENT + "packets_dropped", reason="unresolved") >= 2

        # It moves: seen at the next periodic lookup. (An interval in wait_resolved is a second.)
        hosts.write_text("127.0.0.2 statsd.test\n")
        d.do("wait", 31)
        wait_resolved(d, other, lambda r: r.gauge(P + "instances") == 1)

        # It no longer resolves: the old address stays.
        hosts.write_text("")
        d.do("wait", 31)
        for _ in range(5):
            d.do("poll")
            time.sleep(0.02)
        d.do("add", 0, "submit_accepted", 5)
        d.interval()
    other.stop()
    assert not other.errors
    assert receiver.counter(P + "submit_accepted") == 1
    assert other.counter(P + "submit_accepted") == 5


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a mount namespace")
def test_a_name_with_a_dead_first_address(receiver, tmp_path):
    """As localhost where the server listens on 127.0.0.1 only."""
    port = receiver.start("udp://127.0.0.1:0").rpartition(":")[2]
    wrap = in_namespace(tmp_path)
    (tmp_path / "hosts").write_text("::1 statsd.test\n127.0.0.1 statsd.test\n")
    with Driver(f"udp://statsd.test:{port}", wrap=wrap) as d:
        d.step(0, "a")
        d.do("add", 0, "submit_accepted", 3)
        d.do("poll")
        d.do("drain")
        d.do("last")  # waits for the lookup
    receiver.stop()
    assert receiver.counter(P + "submit_accepted") == 3
