# SPDX-License-Identifier: MIT
"""The statsd sink end to end: records into a real model, lines out of real sockets.

tests/progs/sink_driver feeds it; strict receivers and real servers say what arrived.
"""

import collections
import subprocess

import pytest

from receiver import Receiver
from sink_driver import AGENT, DRIVER, MS, P, Driver, address, lost, receiver, seeded, weight  # noqa: F401
from statsd_servers import Etsy, Netdata


# ---- what is sent ----


def test_all_metrics_of_many_steps_add_up(address, receiver):
    rng = seeded()
    plain = ["send_backpressure", "receive_backpressure", "send_backpressure_abandoned",
             "receive_backpressure_partial", "send_backpressure_folded", "submit_accepted",
             "submit_forwarded"]  # fmt: skip
    sums = collections.Counter()
    steps = 40
    with Driver(receiver.start(address), "env:prod") as d:
        for i in range(steps):
            d.step(i, f"step{i}", f"worker{i % 3}", "service:orders" if i % 2 else "")
        for interval in range(4):
            for i in range(steps):
                for name in rng.sample(plain, 3):
                    n = rng.randrange(100_000)
                    d.do("add", i, name, n)
                    sums[name, i] += n
                ns = rng.randrange(3_000_000)
                d.do("add", i, "send_backpressure_self_time", ns)
                sums["send_backpressure_self_time", i] += ns
                for direction in ("send", "receive"):
                    for _ in range(rng.randrange(60)):
                        ns, n = rng.randrange(1_000, 1_000_000_000), rng.randrange(1, 300)
                        d.do("sample", i, direction, ns, n)
                        sums[f"{direction}_backpressure_episodes", i] += n
                        sums[f"{direction}_backpressure_time", i] += ns * n
            d.interval(last=interval == 3)
            d.settle(receiver)
    receiver.stop()
    for (name, i), total in sums.items():
        tags = {"step": f"step{i}", "process": f"worker{i % 3}", "env": "prod"}
        if i % 2:
            tags["service"] = "orders"
        expected = total // MS if name.endswith("_time") else total
        assert receiver.counter(P + name, **tags) == expected, (name, i)
    for i in range(steps):
        for direction in ("send", "receive"):
            samples = receiver.sample(f"{P}{direction}_backpressure_duration", step=f"step{i}")
            assert sum(samples.values()) == sums[f"{direction}_backpressure_episodes", i]
            assert len(samples) <= 4 * 32
            mean = sum(v * n for v, n in samples.items())
            assert mean == pytest.approx(sums[f"{direction}_backpressure_time", i] / MS, rel=1e-5)
        assert receiver.gauge(P + "instances", step=f"step{i}") == 1
    assert not any("reason:" in line for line in receiver.lines)


def not_loopback(address):
    """The same, as far as the text says: by it packets are of an Ethernet frame, not of a page."""
    return address.replace("127.0.0.1", "0.0.0.0")


@pytest.mark.parametrize("most, named", [(3500, str), (1432, not_loopback)])
def test_udp_packets_are_of_a_page_or_of_a_frame(receiver, most, named):
    packets_are_full(receiver, named(receiver.start("udp://127.0.0.1:0")), most)


def test_packets_are_full_but_not_too_long(address, receiver):
    most = 3500 if address.startswith("udp") else 8192
    packets_are_full(receiver, receiver.start(address), most)


def packets_are_full(receiver, address, most):
    with Driver(address) as d:
        for i in range(200):
            d.step(i, f"step{i:03}" + "x" * 60)
            d.do("add", i, "submit_accepted", i + 1)
        d.interval()
        d.settle(receiver)
    receiver.stop()
    assert most - 200 < receiver.largest <= most
    total = sum(len(line) + 1 for line in receiver.lines)
    assert receiver.packets <= total // (most - 200) + 1


@pytest.mark.parametrize("type", ["d", "h", "ms"])
def test_durations_come_one_by_one_with_exact_weights(receiver, type):
    values = {1_000: 1, 1_500: 2, 999_999: 3, 12_345_000: 93, 5_000_000_000: 10_000,
              7_200_000_000_000: 25_001}  # fmt: skip
    with Driver(receiver.start("udp://127.0.0.1:0"), type=type) as d:
        d.step(0, "a")
        for ns, n in values.items():
            d.do("sample", 0, "receive", ns, n)
        d.interval()
    receiver.stop()
    expected = {ns / MS: n for ns, n in values.items()}
    assert receiver.sample(P + "receive_backpressure_duration", step="a") == expected
    lines = [line for line in receiver.lines if "_duration:" in line]
    assert len(lines) == len(values) + 2  # the last one in three
    assert all(f"|{type}" in line for line in lines)


def test_idle_counters_are_told_once(receiver):
    with Driver(receiver.start("udp://127.0.0.1:0")) as d:
        d.step(0, "a")
        for n in (3, 0, 0, 4, 0):
            d.do("add", 0, "send_backpressure", n)
            d.interval()
    receiver.stop()
    values = [line.split("|")[0] for line in receiver.lines if line.startswith(P + "send_back")]
    assert values == [f"{P}send_backpressure:{n}" for n in (3, 0, 4, 0)]
    # What has never been anything else is never told.
    assert not any("submit_accepted" in line for line in receiver.lines)


def test_times_keep_their_remainder(receiver):
    with Driver(receiver.start("udp://127.0.0.1:0")) as d:
        d.step(0, "a")
        for _ in range(10):
            d.do("add", 0, "send_backpressure_time", 450_000)
            d.interval()
    receiver.stop()
    assert receiver.counter(P + "send_backpressure_time") == 4


def test_spells_end_with_a_zero(receiver):
    with Driver(receiver.start("udp://127.0.0.1:0")) as d:
        d.step(0, "a")
        d.interval()
        for _ in range(3):
            d.do("add", 0, "send_backpressure_time", 1_000 * MS)
            d.interval()
        for _ in range(4):
            d.interval()
    receiver.stop()
    values = [int(line.split(":")[1].split("|")[0]) for line in receiver.lines
              if "send_backpressure_spell" in line]  # fmt: skip
    assert len(values) == 4 and values[:3] == sorted(set(values[:3])) and values[3] == 0
    assert not any("receive_backpressure_spell" in line for line in receiver.lines)


def told_gauges(receiver, step):
    """How often its `instances` came, and what was said last."""
    values = [line.split(":")[1].split("|")[0] for line in receiver.lines
              if line.startswith(P + "instances:") and f"step:{step}" in line]  # fmt: skip
    return len(values), values[-1]


def test_a_gauge_as_it_was_is_told_every_ten_seconds(receiver):
    with Driver(receiver.start("udp://127.0.0.1:0")) as d:
        d.step(0, "a")
        d.interval()
        for flushes, told in ((8, 1), (1, 2), (8, 2), (1, 3), (9, 4)):
            for _ in range(flushes):
                d.interval()
            d.settle(receiver)
            assert told_gauges(receiver, "a") == (told, "1")
        d.step(1, "a")
        d.interval()  # another value: at once
        d.settle(receiver)
        assert told_gauges(receiver, "a") == (5, "2")
        d.do("wait", 9)
        for flushes in range(3):  # intervals of 10 s: each time
            d.interval()
            d.do("wait", 9)
            d.settle(receiver)
            assert told_gauges(receiver, "a") == (6 + flushes, "2")
    receiver.stop()


def test_what_a_dead_step_has_left_is_sent(receiver):
    with Driver(receiver.start("udp://127.0.0.1:0")) as d:
        d.step(0, "a")
        d.do("add", 0, "submit_accepted", 5)
        d.interval()
        d.do("add", 0, "submit_accepted", 6)
        d.do("dead", 0)
        d.interval()
        assert receiver.wait_for(lambda r: r.counter(P + "submit_accepted", step="a") == 11)
        for _ in range(3):
            d.interval()
        assert receiver.wait_for(lambda r: r.packets == 5)
        count = sum("step:a" in line for line in receiver.lines)
        for _ in range(3):
            d.interval()
    receiver.stop()
    assert receiver.gauge(P + "instances", step="a") == 0
    assert sum("step:a" in line for line in receiver.lines) == count


def test_the_agent_tells_about_itself(receiver):
    with Driver(receiver.start("udp://127.0.0.1:0"), "env:prod") as d:
        d.do("stats", 12, 3, 2_500_000)
        d.do("lost", "steps_full", 7)
        d.interval()
        d.do("lost", "steps_full", 9)
        d.interval()
    receiver.stop()
    assert receiver.gauge(AGENT + "steps", env="prod") == 12
    assert receiver.gauge(AGENT + "processes") == 3
    assert receiver.gauge(AGENT + "drain_time") == 2.5
    assert receiver.counter(AGENT + "lost", reason="steps_full", env="prod") == 9
    assert receiver.counter(AGENT + "packets_sent") == 1


# ---- hostile input ----


def test_names_cannot_inject_anything(receiver):
    rng = seeded()
    names = [b"x:1|c\nadmin.metric:1|c|#a:b", b"|#,@:\n=;", b"\n", b"\xff" * 127, b"a\tb\rc", b"%s%n"]
    names += [bytes(rng.randrange(1, 256) for _ in range(rng.randrange(1, 128))) for _ in range(300)]
    with Driver(receiver.start("udp://127.0.0.1:0")) as d:
        for i, name in enumerate(names):
            d.step(i, name, "p|q\n")
            d.do("add", i, "submit_accepted", 1)
        d.step(9999, "", "")
        d.do("add", 9999, "submit_accepted", 1)
        d.interval()
        d.settle(receiver)
    receiver.stop()
    counters = [key for key in receiver.counters if key[0] != AGENT + "packets_sent"]
    gauges = [key for key in receiver.gauges if not key[0].startswith(AGENT)]
    assert {key[0] for key in counters} == {P + "submit_accepted"}
    assert {key[0] for key in gauges} == {P + "instances"}
    assert receiver.counter(P + "submit_accepted", process="p_q_") == len(names)
    assert receiver.counter(P + "submit_accepted", step="unknown", process="unknown") == 1
    assert receiver.counter(P + "submit_accepted", step="x:1_c_admin.metric:1_c__a:b") == 1
    for key in counters + gauges:
        assert {tag.split(":")[0] for tag in key[1]} == {"step", "process"}


def test_names_that_become_the_same_are_added_up(receiver):
    with Driver(receiver.start("udp://127.0.0.1:0")) as d:
        for i, name in enumerate(["變", "換", "步"]):
            d.step(i, name)
            d.do("add", i, "submit_accepted", 10**i)
            d.do("sample", i, "send", (i + 1) * MS, 2)
        d.interval()
        d.do("dead", 0)
        d.interval()
        d.interval()
    receiver.stop()
    assert receiver.counter(P + "submit_accepted", step="___") == 111
    assert receiver.sample(P + "send_backpressure_duration", step="___") == {1: 2, 2: 2, 3: 2}
    assert receiver.gauge(P + "instances", step="___") == 2


def test_bad_options_say_why(tmp_path):
    def refused(*arguments):
        run = subprocess.run([DRIVER, *arguments], capture_output=True, text=True, input="")
        assert run.returncode == 1 and run.stdout.count("\n") == 1
        return run.stdout

    assert "udp://host:port" in refused("127.0.0.1:8125", "p", "statsd", "d")
    assert "at most 107" in refused("unix://" + "/x" * 60, "p", "statsd", "d")
    assert "'host'" in refused("udp://a", "p", "statsd", "d", "host:a")
    assert "key:value" in refused("udp://a", "p", "statsd", "d", "a")
    assert "prefix" in refused("udp://a", "p|", "statsd", "d")
    many = [f"k{i}:{'v' * 100}" for i in range(9)]
    assert "too long" in refused("udp://a", "p", "statsd", "d", *many)


def test_a_line_longer_than_a_packet_is_dropped_and_counted(receiver):
    tags = [f"k{i}:{'v' * 190}" for i in range(4)]
    with Driver(not_loopback(receiver.start("udp://127.0.0.1:0")), *tags, prefix="p" * 120) as d:
        d.step(0, "a" * 120, "p", ",".join(f"l{i}:{'v' * 190}" for i in range(2)))
        d.step(1, "b")
        for i in range(2):
            d.do("add", i, "submit_accepted", 1)
            d.do("sample", i, "send", MS, 5)
        d.interval()
        d.interval()
    receiver.stop()
    # Counters that will never fit are given up: accepted, time, episodes, once each; the gauge at
    # each interval; the durations.
    assert lost(receiver, "line_too_long") == 3 + 2 + 1
    assert lost(receiver, "durations_unsent") == 5
    assert receiver.counter("p" * 120 + ".submit_accepted", step="b") == 1
    assert not [key for key in receiver.counters if f"step:{'a' * 120}" in key[1]]


# ---- real servers ----


def feed_real_server(d):
    """Three intervals of two steps; the sums as they should be computed."""
    d.step(0, "fetch", "orders")
    d.step(1, "a:b/c|d", "orders")
    for n in (1, 2, 3):
        d.do("add", 0, "send_backpressure", 1000 * n)
        d.do("add", 1, "send_backpressure", n)
        for ns, count in ((1_500_000, 93 * n), (250_000, 10_001), (7_000_000, 1)):
            d.do("sample", 0, "send", ns, count)
        d.interval(last=n == 3)
    counts = 93 * 6 + 3 * 10_001 + 3
    time_ms = (1_500_000 * 93 * 6 + 250_000 * 3 * 10_001 + 7_000_000 * 3) // MS
    return counts, time_ms


def test_etsy_statsd_computes_the_sums(tmp_path):
    with Etsy(tmp_path) as server:
        with Driver(server.address, "env:prod", format="statsd") as d:
            counts, time_ms = feed_real_server(d)
        server.settle()
        fetch, odd = ";step=fetch;process=orders;env=prod", ";step=a_b-c_d;process=orders;env=prod"
        assert server.bad_lines() == 0
        assert server.counters[P + "send_backpressure" + fetch] == 6000
        assert server.counters[P + "send_backpressure" + odd] == 6
        assert server.counters[P + "send_backpressure_time" + fetch] == time_ms
        assert server.counters[P + "send_backpressure_episodes" + fetch] == counts
        assert server.timer_counts[P + "send_backpressure_duration" + fetch] == pytest.approx(counts, abs=1e-6)
        assert set(server.timer_values[P + "send_backpressure_duration" + fetch]) == {0.25, 1.5, 7}
        assert server.gauges[P + "instances" + odd] == 1
        # Nothing of ours has become a counter that is none.
        names = {name.split(";")[0] for name in server.counters if name.startswith(P)}
        assert not any("duration" in name for name in names)


def test_etsy_statsd_takes_the_summary(tmp_path):
    with Etsy(tmp_path) as server:
        with Driver(server.address, format="summary") as d:
            counts, time_ms = feed_real_server(d)
        server.settle()
        name, tags = P + "send_backpressure_duration", ";step=fetch;process=orders"
        assert server.bad_lines() == 0
        assert server.counters[f"{name}.count{tags}"] == counts
        assert server.counters[f"{name}.sum{tags}"] == time_ms
        found = {s: server.gauges[f"{name}.{s}{tags}"] for s in ("min", "max", "p50", "p90", "p99")}
        assert found == {"min": 0.25, "max": 7, "p50": 0.25, "p90": 0.25, "p99": 1.5}


def test_etsy_statsd_restarts(tmp_path):
    with Etsy(tmp_path) as server, Driver(server.address, format="statsd") as d:
        d.step(0, "a")
        for _ in range(3):
            d.do("add", 0, "send_backpressure", 5)
            d.interval()
            server.settle()
            server.stop()
            d.do("add", 0, "send_backpressure", 7)
            d.interval()
            server.start()
        d.interval(last=True)
        server.settle()
        assert server.counters[P + "send_backpressure;step=a;process=consumer"] == 36


def test_netdata_computes_the_sums(tmp_path):
    with Netdata(tmp_path) as server:
        with Driver(server.address, "env:prod", format="summary") as d:
            counts, time_ms = feed_real_server(d)
        base = "streams_pipeline_send_backpressure"
        expected = {  # it ignores tags: both steps together
            base: 6006,
            base + "_time": time_ms,
            base + "_episodes": counts,
            base + "_duration_count": counts,
            base + "_duration_sum": time_ms,
        }
        assert server.wait_for(expected) == expected
