# SPDX-License-Identifier: MIT
"""Scrapes: the numbers are the truth's, also in a real Prometheus; any client may do what it likes."""

import contextlib
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import time
import urllib.parse

import pytest

import truth
from agent import Agent
from driver import ACCEPTED, REJECTED, Driver
from instrumented import BY, ask_of_no_memory, except_by
from load import Consumer, chain_errors, count_errors, time_errors
from program import DEMO, PROGS, PUSHBACK, Program, now, patient, run, wait_until
from scrape import (
    NEW,
    OLD,
    STEM,
    Numbers,
    Prometheus,
    ScrapedAgent,
    check_by_promtool,
    connect,
    get,
    rest,
    samples,
    scrape,
)

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


def settled(numbers):
    """All consumers have ended, and each episode is in a histogram."""
    steps = numbers.counters()
    return steps and not any(
        values["instances"]
        or values[f"{d}_backpressure_episodes"] != values[f"{d}_backpressure_duration_seconds_count"]
        for values in steps.values()
        for d in ("send", "receive")
    )


def errors_of(numbers, results, wall_ns):
    steps = truth.merge(results)
    return (
        count_errors(numbers, steps)
        + time_errors(numbers, steps, wall_ns)
        + numbers.histogram_errors(steps)
        + chain_errors(numbers, results)
    )


def test_the_truth_in_prometheus(tmp_path):
    """Two consumers one after the other, under the same labels: their sums, here and there."""
    demo = shutil.copy(DEMO, tmp_path / "demo")
    begin = now()
    results = []
    with ScrapedAgent("--path", demo) as agent, Prometheus(tmp_path, agent.url) as server:
        for number in range(2):
            log = tmp_path / f"log{number}"
            with Consumer(log, "--slow", "sink:refuse:1ms", program=demo) as consumer:
                time.sleep(1.5)
                consumer.end()
            results += consumer.truth()
            mine = agent.wait_for(settled, "not all durations came")
        wall = now() - begin
        assert results[0]["send"]["episodes"] > 100
        assert not errors_of(mine, results, wall)
        assert not mine.lost()

        def same():
            theirs = server.numbers()
            return theirs if theirs.by_step == mine.by_step and theirs.buckets == mine.buckets else None

        theirs = wait_until(same, "prometheus has other numbers", 30)
        assert not errors_of(theirs, results, wall)
        (up,) = server.query('max_over_time(up{job="pushback"}[1m]) - min_over_time(up{job="pushback"}[1m])')
        assert up["value"][1] == "0", "a scrape failed"
        (quantile,) = server.query(
            f'histogram_quantile(0.5, {STEM}send_backpressure_duration_seconds_bucket{{step="sink"}})'
        )
        assert 0.0001 < float(quantile["value"][1]) < 0.1
        agent.end()


def test_beside_statsd(tmp_path):
    """Both say the same."""
    with Driver(tmp_path) as d, Agent("--path", d.file, "--openmetrics", "0", "--tag", "env:x") as agent:
        url = re.search(r"every 1s, at (http://127\.0\.0\.1:\d+/metrics)$", agent.lines[0])[1]
        d.init(0, "step")
        for _ in range(3):
            d.submit(0, REJECTED)
            d.submit(0, ACCEPTED)
        d.step_end(0)
        numbers = wait_until(lambda: settled(scrape(url)) and scrape(url), "it has not ended")
        assert numbers.all and all(labels["env"] == "x" for _, labels, _ in numbers.all)
        agent.end()
        found = numbers.counters()["step"]
        assert found["send_backpressure_episodes"] == 3 and found["submit_accepted"] == 3
        for name, value in agent.counters()["step"].items():
            # statsd has whole ms
            assert found[name] == value or (name.endswith("_time") and int(found[name]) == value), name
        assert found["send_backpressure_duration_seconds_count"] == sum(agent.samples("step", "send").values())


def test_counters_are_no_older_than_a_second(tmp_path):
    """Whatever the interval is; durations are its end's."""
    with Driver(tmp_path) as d, ScrapedAgent("--path", d.file, interval="1h") as agent:
        d.init(0, "step")
        for n in (1, 2):
            d.submit(0, REJECTED)
            d.submit(0, ACCEPTED)
            agent.wait_for(lambda s, n=n: s.by_step["step"]["submit_accepted"] == n, "no news")
        assert not agent.scrape().buckets
        agent.end()


NAMES = [
    b'a"} 1\nevil_total{x="',
    b"back\\slash\\",
    b"\\",
    b'"',
    b"\n",
    b"two\r\nlines\x85",
    b"\xff\xfe\x00"[:2],
    b"\xc3",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    "äöü €😀 \u2028".encode(),
    b'le="0.1",x="',
    b"# EOF",
    b"# TYPE evil counter",
    b"{}{}[]',;:= \t\x1b[31m",
    b"x" * 127,
    b"\x80" * 127,
    b'"' * 127,
    b"same\x80",
    b"same\x81",  # looks the same
    b"",
]


def test_hostile_names(tmp_path):
    """No name becomes a metric, a label or a line; those that look the same are one."""
    expected = {}
    for name in NAMES:
        text = name.decode(errors="replace") or "unknown"
        if name in (b"\xed\xa0\x80", b"\xe2\x82"):
            text = "\ufffd" * len(name)  # a byte each
        text = re.sub("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", "\ufffd", text)
        expected[text] = expected.get(text, 0) + 1
    with Driver(tmp_path) as d, ScrapedAgent("--path", d.file) as agent:
        for place, name in enumerate(NAMES):
            d.init(place, name)
            d.submit(place, REJECTED)
            d.submit(place, ACCEPTED)
        d.exit()
        numbers = agent.wait_for(settled, "not all came")
        found = {step: v["submit_accepted"] for step, v in numbers.counters().items()}
        assert found == expected
        assert {frozenset(labels) for n, labels, _ in numbers.all if n.startswith(STEM + "submit")} == {
            frozenset({"step", "process"})
        }
        kind, text = get(agent.url, accept="text/plain")
        assert kind == OLD
        check_by_promtool(text)
        old = Numbers(samples(text, False))
        assert old.by_step == numbers.by_step and old.buckets == numbers.buckets
        keys = [(name, tuple(sorted(labels.items()))) for name, labels, _ in numbers.all]
        assert len(keys) == len(set(keys)), "a line is there twice"
        agent.end()


# ---- HTTP ----


@pytest.fixture(scope="module", name="big")
def a_big_page():
    """A sink with 1,500 steps: more of a page than any socket's buffers hold."""
    with Program([PROGS / "openmetrics_driver", "[::1]:0", "1500"], output="stdout") as driver:
        driver.url = driver.wait_line(r"^(http://\[::1\]:\d+/metrics)$")[1]
        yield driver
        driver.process.stdin.close()
        assert driver.wait() == 0


def test_a_big_page_is_whole(big):
    kind, text = get(big.url)
    assert kind == NEW and len(text) > 10_000_000 and text.endswith("# EOF\n")
    counts = re.findall(r'^streams_pipeline_(\w+)_backpressure_duration_seconds_count\{step="([^"]*)".*\} (\d+)$', text, re.M)
    assert len(set(counts)) == 3000
    assert {(d, n) for d, _, n in counts} == {("send", "3"), ("receive", "2")}
    check_by_promtool(get(big.url, accept="*/*")[1])


def test_http_1_0(big):
    with connect(big.url, b"GET /metrics HTTP/1.0\r\nAccept: application/openmetrics-text\r\n\r\n") as s:
        head, _, body = rest(s).partition(b"\r\n\r\n")
    assert b"chunked" not in head and body.startswith(b"# TYPE ") and body.endswith(b"# EOF\n")


REQUESTS = [
    (GET, "200 OK"),
    (b"HEAD /metrics HTTP/1.1\r\n\r\n", "200 OK"),
    (b"GET /metrics?x=y HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde", "200 OK"),
    (GET * 3, "200 OK"),  # pipelined: the first is answered, then it is closed
    (b"GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
    (b"GET /metrics/../etc/passwd HTTP/1.1\r\n\r\n", "404 Not Found"),
    (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405 Method Not Allowed"),
    (b"HEAD /x HTTP/1.1\r\n\r\n", "404 Not Found"),
    (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\n\n", "400 Bad Request"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 HTTP Version Not Supported"),
    (b"GET /metrics HTTP/1.1\r\nX: " + b"y" * 8192, "431 Request Header Fields Too Large"),
    (b"GET /metrics HTTP/1.1\r\nX: " + b"y" * 2_000_000, "431 Request Header Fields Too Large"),
    (b"z" * 100_000, "431 Request Header Fields Too Large"),
]


@pytest.mark.parametrize("request_,status", REQUESTS, ids=lambda r: repr(r[:24]))
def test_what_is_answered(big, request_, status):
    """Also where the client has said all that it has to say."""
    with connect(big.url) as s:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            s.sendall(request_)
            s.shutdown(socket.SHUT_WR)
        head, _, body = rest(s).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 " + status
    assert "Connection: close" in lines
    assert ("Allow: GET, HEAD" in lines) == status.startswith("405")
    assert bool(body) != request_.startswith(b"HEAD")
    if status.startswith("200") and body:
        assert body.endswith(b"0\r\n\r\n")


def test_a_request_byte_by_byte(big):
    with connect(big.url) as s:
        for at in range(len(GET)):
            s.sendall(GET[at : at + 1])
            time.sleep(0.001)
        assert rest(s).startswith(b"HTTP/1.1 200 OK\r\n")


def memory(pid):
    """kB that it has had at most."""
    return int(re.search(r"VmHWM:\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def dropped(big):
    """{reason: connections}, as it says."""
    found = re.findall(r'^pushback_agent_http_dropped_total{reason="(\w+)"} (\d+)$', get(big.url)[1], re.M)
    assert len(found) == 4
    return {reason: int(count) for reason, count in found}


def reset(s):
    """Closes it with RST."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def dribble(s):
    """A byte at a time, until the other side has enough."""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        for _ in range(600):
            s.sendall(b"y")
            time.sleep(0.1)
        raise AssertionError("it is never enough")


def rest_of_broken(s):
    """All that had come, where it may have been reset behind that."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while data := s.recv(65536):
            found += data
    return found


def test_hostile_clients(big):
    """They never get in the way of others for good, they take no memory, and they are told apart."""
    before, first = dropped(big), memory(big.pid)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            reset(connect(big.url, GET))
            reset(connect(big.url, b"GET /metr"))
        unread = [stack.enter_context(connect(big.url, GET)) for _ in range(6)]
        halves = [stack.enter_context(connect(big.url, b"GET /metrics HTTP/1.1\r\nX: ")) for _ in range(40)]
        # All places are taken by those that have not asked: they go, the oldest first.
        assert get(big.url)[1].endswith("# EOF\n")
        for s in halves[:10]:
            assert rest_of_broken(s) == b""
        dribble(halves[-1])
        wait_until(lambda: dropped(big)["slow_reader"] - before["slow_reader"] == 6, "they are still there", 30)
        # Of them comes what was in the buffers.
        for s in unread:
            found = rest_of_broken(s)
            assert found.startswith(b"HTTP/1.1 200 OK\r\n") and not found.endswith(b"0\r\n\r\n")
    grown = {reason: count - before[reason] for reason, count in dropped(big).items()}
    assert grown["crowded"] >= 30
    assert grown["slow_request"] >= 1
    assert grown["broken"] >= 20
    assert len(list(pathlib.Path(f"/proc/{big.pid}/fd").iterdir())) < (16 if BY != "valgrind" else 24)
    ask_of_no_memory()
    assert memory(big.pid) - first < 8 * 1024


def asked_with_no_room(url):
    """A socket that has asked and takes nothing, with next to no buffer for what comes."""
    parts = urllib.parse.urlsplit(url)
    s = socket.socket(socket.AF_INET6)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(patient(20))
    s.connect((parts.hostname, parts.port))
    s.sendall(GET)
    return s


def test_readers_that_take_nothing(big):
    """As many as there are places: who comes then waits a second for one of theirs."""
    before = dropped(big)
    with contextlib.ExitStack() as stack:
        unread = [stack.enter_context(asked_with_no_room(big.url)) for _ in range(16)]
        for s in unread:
            assert s.recv(4) == b"HTTP"  # all are being answered
        begin = now()
        assert get(big.url)[1].endswith("# EOF\n")
        assert now() - begin < min(patient(5), 12) * 1e9, "they had 15 s to read"
        # Whose place serves one after the other.
        assert dropped(big)["slow_reader"] - before["slow_reader"] == 1
    wait_until(lambda: dropped(big)["broken"] - before["broken"] == 15, "they are still there")


@except_by("valgrind", reason="it takes more files itself")
def test_without_files_for_connections():
    """It does not spin, and goes on when there are some again."""
    with Program(["prlimit", "--nofile=8", PROGS / "openmetrics_driver", "0", "5"], output="stdout") as d:
        url = d.wait_line(r"^(http://\S+)$")[1]
        with contextlib.ExitStack() as stack:
            for _ in range(12):
                stack.enter_context(connect(url))
            time.sleep(1)
            ticks = sum(map(int, pathlib.Path(f"/proc/{d.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
            assert ticks < 50, "a core for a second is 100"
        assert scrape(url).by_step


# ---- Addresses ----


def complains(address, status, *patterns):
    done = run(PUSHBACK, "run", "--openmetrics", address, "--path", "/bin/true", timeout=30)
    assert done.returncode == status and done.stderr.count("\n") == 1, done.stderr
    for pattern in patterns:
        assert re.search(pattern, done.stderr), done.stderr


def test_a_port_that_is_taken(tmp_path):
    with Driver(tmp_path) as d, ScrapedAgent("--path", d.file) as agent:
        port = agent.url.split(":")[2].split("/")[0]
        complains(port, 1, rf"cannot listen on 127\.0\.0\.1:{port} .*in use", "another port")
        # Not one that has just been ours.
        get(agent.url)
        agent.end()
        with ScrapedAgent("--path", d.file, address=f"127.0.0.1:{port}") as again:
            assert get(again.url)[0] == NEW
            again.end()


def test_an_address_of_another_host():
    complains("192.0.2.1:9000", 1, "cannot listen on 192.0.2.1:9000", "an address that this host has")


def test_a_port_that_is_not_allowed(open_directory):
    copy = open_directory / "pushback"
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
    low = "sysctl -qw net.ipv4.ip_unprivileged_port_start=1024; exec \"$@\""
    done = subprocess.run(["unshare", "-n", "sh", "-c", "ip link set lo up; " + low, "sh", *nobody, copy, "run",
                           "--openmetrics", "80", "--path", "/bin/true"],
                          capture_output=True, text=True, timeout=patient(30), check=False)
    assert done.returncode == 3, done.stderr
    assert "a port from 1024 on" in done.stderr


def test_every_address_of_the_host(tmp_path):
    with Driver(tmp_path) as d, ScrapedAgent("--path", d.file, address="[::]:0") as agent:
        port = re.fullmatch(r"http://\[::\]:(\d+)/metrics", agent.url)[1]
        for host in ("127.0.0.1", "[::1]"):
            assert get(f"http://{host}:{port}/metrics")[0] == NEW
        agent.end()
