# SPDX-License-Identifier: MIT
"""The receiver that other tests rely on refuses what servers refuse, and adds up what they take."""

import json
import pathlib
import signal
import socket
import struct
import subprocess
import sys

import pytest

from receiver import Receiver, Refused, parse_line

GOOD = {
    "a.b:1|c": ("a.b", set(), "c", 1, 1),
    "a:0|c|#step:x": ("a", {"step:x"}, "c", 0, 1),
    "a:1.5|g|#step:x,env:p": ("a", {"step:x", "env:p"}, "g", 1.5, 1),
    "a:0.001|d|@0.5|#s:x": ("a", {"s:x"}, "d", 0.001, 2),
    "a:1|ms|@0.33333333333333331": ("a", set(), "ms", 1, 3),
    "a:1|h|@1": ("a", set(), "h", 1, 1),
    "a:1|c|#url:http://x/y": ("a", {"url:http://x/y"}, "c", 1, 1),
}

BAD = [
    "", "a", "a:", "a:1", ":1|c", "a:1|", "a:|c", "a:x|c", "a:1|x", "a:1|s", "a:1.5|c", "a:-1|g",
    "a:+1|g", "a:1e3|d", "a:1:2|d", "a:nan|g", "a:.5|g", "a:1,5|d", "9a:1|c", "a b:1|c", "a-b:1|c",
    "a" * 201 + ":1|c", "a:1|c|@0.5", "a:1|g|@0.5", "a:1|d|@0", "a:1|d|@2", "a:1|d|@1e-05",
    "a:1|d|@0.3", "a:1|d|@0.33333333333333337", "a:1|d|@", "a:1|d|#s:x|@0.5", "a:1|d|@0.5|@0.5",
    "a:1|c|#", "a:1|c|#x", "a:1|c|#x:", "a:1|c|#:x", "a:1|c|#x:y,", "a:1|c|#host:x",
    "a:1|c|#X:y", "a:1|c|#x:a b", "a:1|c|#x:a#b", "a:1|c|#x:y,x:y", "a:1|c|#step:a,step:b",
    "a:1|c|#x:" + "y" * 201, "a:1|c|T1700000000", "a:1|c|#x:y|c:abc", "a:1|c\r",
]  # fmt: skip


@pytest.mark.parametrize("line", GOOD)
def test_good_lines(line):
    name, tags, kind, value, weight = parse_line(line)
    assert (name, set(tags), kind, value, weight) == GOOD[line]


@pytest.mark.parametrize("line", BAD)
def test_bad_lines(line):
    with pytest.raises(Refused):
        parse_line(line)


def test_sums_and_errors():
    r = Receiver()
    r.take_payload(b"a:1|c|#s:x\na:2|c|#s:x\na:4|c|#s:y\ng:1|g\ng:2|g\nd:1.5|d|@0.1\n", 1432)
    assert r.counter("a") == 7 and r.counter("a", s="x") == 3
    assert r.counters[("a", frozenset({"s:x"}))] == 3
    assert r.gauge("g") == 2 and r.gauge("h") is None
    assert r.sample("d") == {1.5: 10}
    assert not r.errors
    for payload in (b"a:1|g", b"\xc3\xa9:1|c", b"a:1|c\n\nb:1|c", b"b:1|c\n" * 300):
        before = len(r.errors)
        r.take_payload(payload, 1432)
        assert len(r.errors) == before + 1, payload


def send(address, *payloads):
    scheme, _, rest = address.partition("://")
    if scheme == "udp":
        host, _, port = rest.rpartition(":")
        family, to = socket.AF_INET, (host, int(port))
    else:
        family, to = socket.AF_UNIX, rest
    kind = socket.SOCK_STREAM if scheme == "unix" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as s:
        s.connect(to)
        for payload in payloads:
            s.send(payload)


def test_streams_are_length_prefixed(tmp_path):
    r = Receiver()
    address = r.start(f"unix://{tmp_path}/s")
    frame = struct.pack("<I", 5) + b"a:1|c"
    send(address, frame + frame[:3], frame[3:], frame[:6])
    send(address, struct.pack(">I", 5) + b"a:1|c")
    assert r.wait_for(lambda r: r.errors)
    r.stop()
    assert r.counter("a") == 2 and r.packets == 2
    assert r.cut_frames == 1
    assert r.errors == [f"a frame of {5 << 24} bytes"]


@pytest.mark.parametrize("address", ["udp://127.0.0.1:0", "unixgram://{}/s", "unix://{}/s"])
@pytest.mark.parametrize("good", [True, False])
def test_command(address, good, tmp_path):
    p = subprocess.Popen(
        [sys.executable, pathlib.Path(__file__).with_name("receiver.py"), "--json",
         "--listen", address.format(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    where = p.stdout.readline().strip()
    payload = b"a:3|c|#s:x" if good else b"a:3|c|#host:x"
    send(where, struct.pack("<I", len(payload)) + payload if where.startswith("unix:") else payload)
    if good:
        p.send_signal(signal.SIGTERM)
        answer = json.loads(p.stdout.read())
        p.stdin.close()
    else:
        answer = json.loads(p.communicate()[0])
    assert p.wait(20) == (0 if good else 1)
    assert bool(answer["errors"]) != good
    assert answer["counters"] == ([{"name": "a", "tags": ["s:x"], "value": 3}] if good else [])
