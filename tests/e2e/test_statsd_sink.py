# SPDX-License-Identifier: MIT
"""The statsd sink end to end: records into a real model, lines out of real sockets.

tests/progs/sink_driver feeds it; strict receivers and real servers say what arrived. No test looks at
a clock; where one waits for something, the limit is only there to fail instead of hanging.
"""

import collections
import os
import pathlib
import random
import subprocess
import time

import pytest

from receiver import Receiver
from statsd_servers import BUILD, Etsy, Netdata, free_port

DRIVER = BUILD / "tests" / "sink_driver"
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
        assert self.process.wait(30) == 0 or kind, rest

    def do(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer.startswith("ok"), (words, answer)
        return answer

    def step(self, index, name, process="consumer", tags=""):
        texts = [name if isinstance(name, bytes) else name.encode(), process.encode(), tags.encode()]
        self.do("step", index, *[t.hex() or "-" for t in texts])

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


def lost(receiver, reason):
    return receiver.counter(AGENT + "lost", reason=reason)


def weight(receiver, name, **tags):
    return sum(receiver.sample(P + name, **tags).values())


# ---- what is sent ----


def test_all_metrics_of_many_steps_add_up(address, receiver):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
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


def test_packets_are_full_but_not_too_long(address, receiver):
    with Driver(receiver.start(address)) as d:
        for i in range(200):
            d.step(i, f"step{i:03}" + "x" * 60)
            d.do("add", i, "submit_accepted", i + 1)
        d.interval()
        d.settle(receiver)
    receiver.stop()
    most = 1432 if address.startswith("udp") else 8192
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
        receiver.wait_for(lambda r: r.gauge(P + "instances", step="a") == 0)
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
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
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
    with Driver(receiver.start("udp://127.0.0.1:0"), *tags, prefix="p" * 120) as d:
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


# ---- outages ----


def test_a_server_that_is_missing_at_first(address, receiver):
    where = unused(address)
    with Driver(where) as d:
        d.step(0, "a")
        for _ in range(3):
            d.do("add", 0, "send_backpressure", 7)
            d.do("sample", 0, "send", 2 * MS, 3)
            d.interval()
            d.do("poll")
        receiver.start(where)
        d.do("add", 0, "send_backpressure", 7)
        d.do("sample", 0, "send", 2 * MS, 3)
        d.interval()
    receiver.stop()
    assert receiver.counter(P + "send_backpressure") == 28
    assert receiver.counter(P + "send_backpressure_episodes") == 12
    assert receiver.counter(P + "send_backpressure_time") == 24
    assert weight(receiver, "send_backpressure_duration") == 3
    assert lost(receiver, "durations_unsent") == 9
    reason = "refused" if address.startswith("udp") else "no_socket"
    assert receiver.counter(AGENT + "packets_dropped", reason=reason) == 3
    # An instances gauge and a duration in each, and the agent's three gauges.
    assert receiver.counter(AGENT + "lines_dropped", reason=reason) == 3 * 5


def test_a_server_that_restarts(address, receiver):
    where = receiver.start(address)
    with Driver(where) as d:
        d.step(0, "a")
        for _ in range(4):
            for _ in range(2):
                d.do("add", 0, "send_backpressure", 5)
                d.do("sample", 0, "receive", MS, 2)
                d.interval()
            receiver.stop()
            d.do("add", 0, "send_backpressure", 5)
            d.do("sample", 0, "receive", MS, 2)
            d.interval()
            receiver.start(where)
        d.interval(last=True)
    receiver.stop()
    assert receiver.counter(P + "send_backpressure") == 60
    assert lost(receiver, "durations_unsent") == 8
    assert weight(receiver, "receive_backpressure_duration") == 16
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
    old.stop()
    receiver.stop()
    assert not old.errors
    assert old.counter(P + "submit_accepted") == 1
    assert receiver.counter(P + "submit_accepted") == 10


@pytest.mark.parametrize("scheme", ["unixgram", "unix"])
def test_a_server_that_does_not_read(scheme, receiver, tmp_path):
    """Its queue fills, the sink's does, intervals pass; nothing of a counter is lost."""
    steps, intervals = 400, 6
    where = receiver.start(f"{scheme}://{tmp_path}/s")
    with Driver(where) as d:
        for i in range(steps):
            d.step(i, f"step{i}")
        d.interval()
        receiver.wait_for(lambda r: r.packets > 0)
        receiver.pause()
        took = []
        for _ in range(intervals):
            for i in range(steps):
                d.do("add", i, "send_backpressure", 3)
                d.do("sample", i, "send", 5 * MS, 2)
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
        for i in range(steps):
            d.step(i, f"step{i}")
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
        for i in range(1000):
            d.step(i, f"step{i}")
            d.do("sample", i, "send", 1000, 1)
        d.interval(last=True)
    receiver.stop()
    assert weight(receiver, "send_backpressure_duration") == 1000


def test_packets_too_big_for_the_socket_get_smaller(receiver, tmp_path):
    where = receiver.start(f"unixgram://{tmp_path}/s")
    with Driver(where) as d:
        for i in range(100):
            d.step(i, f"step{i}")
        d.interval()
        d.settle(receiver)
        d.do("sndbuf", 0)
        for _ in range(2):
            for i in range(100):
                d.do("add", i, "submit_accepted", 3)
            d.interval()
            d.settle(receiver)
        d.interval(last=True)
    receiver.stop()
    assert receiver.counter(P + "submit_accepted") == 600
    assert receiver.counter(AGENT + "packets_dropped", reason="too_big") > 0


def test_a_stream_that_takes_a_part_is_closed(receiver, tmp_path):
    where = receiver.start(f"unix://{tmp_path}/s")
    with Driver(where) as d:
        for i in range(300):
            d.step(i, f"step{i}")
        d.interval()
        d.settle(receiver)
        receiver.pause()
        d.do("sndbuf", 0)
        for _ in range(3):
            for i in range(300):
                d.do("add", i, "submit_accepted", 3)
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
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    where = unused(address)
    sums = collections.Counter()
    up = False
    with Driver(where) as d:
        for i in range(60):
            d.step(i, f"step{i}")
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
