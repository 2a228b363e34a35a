# SPDX-License-Identifier: MIT
"""What `trace --chrome` wrote opens in Chrome's trace viewer, with all that is in it."""

import json

import pytest

import trace_viewer
from browser import PROGRAM as CHROMIUM
from driver import ACCEPTED, REJECTED, Driver
from instrumented import ask_of_no_memory, leave_the_rest_out_by
from program import wait_until
from test_trace import Lines, Trace, peak

STEPS = 40
MANY = 100_000

pytestmark = pytest.mark.skipif(
    not CHROMIUM or not trace_viewer.PLACE.exists(), reason="no Chromium, or no trace viewer (golang-1.19-src)"
)


def names(steps):
    return [["driver", f"{step} refusing"] for step in steps]


def test_a_hundred_thousand_episodes(tmp_path):
    file = tmp_path / "trace.json"
    turn = [(op, place, value) for place in range(STEPS) for op, value in (("submit", REJECTED), ("submit", ACCEPTED))]
    with Driver(tmp_path) as d, Trace(tmp_path, "--path", d.file, "--chrome", file) as trace:
        for place in range(STEPS):
            d.init(place, f"step {place}")
        lines, grown = Lines(trace.path), []

        def enough():
            d.calls(turn, 5)
            count = lines.count()
            if count >= MANY * (len(grown) + 1) // 10:
                grown.append(peak(trace.pid))
            return count >= MANY

        wait_until(enough, "lines are missing", 120)
        (end,) = trace.end()["end"]
    if end["untold"]:
        leave_the_rest_out_by("valgrind", reason="it reads less than is written, which is counted")
    assert end["lines"] >= MANY and (end["untold"], end["lost"]) == (0, {})
    with trace_viewer.opened(file, tmp_path / "page") as browser:
        seen = browser.ask(trace_viewer.SEEN)
        headings = browser.ask(trace_viewer.HEADINGS)
    assert not seen["warnings"]
    assert sum(count for _, _, count in seen["tracks"]) == end["lines"]
    expected = names(f"step {place}" for place in range(STEPS))
    assert sorted(track[:2] for track in seen["tracks"]) == sorted(expected)
    assert {name for _, name in expected} <= set(headings)
    ask_of_no_memory()
    assert grown[-1] - grown[0] < 4 << 20, grown
    print(f"\n{end['lines']} episodes, {file.stat().st_size} bytes; grown by {grown[-1] - grown[0]} bytes")


def test_names_and_what_is_open(tmp_path):
    """Whatever a consumer named: it is text, and an open episode is there with its end so far."""
    nasty = ['</script><img src=x onerror="state=1">', 'a"b\\c', "ünïcode"]
    file = tmp_path / "trace.json"
    with Driver(tmp_path) as d, Trace(tmp_path, "--path", d.file, "--chrome", file) as trace:
        for place, name in enumerate(nasty):
            d.init(place, name)
            d.submit(place, REJECTED)
            d.submit(place, ACCEPTED)
        d.submit(0, REJECTED)
        wait_until(lambda: len(trace.episodes()) >= len(nasty), "episodes are missing")
        trace.end()
        d.submit(0, ACCEPTED)
    cats = [e["cat"] for e in json.loads(file.read_text())["traceEvents"] if e["ph"] == "X"]
    assert sorted(cats) == ["closed"] * len(nasty) + ["open"], cats
    with trace_viewer.opened(file, tmp_path / "page") as browser:
        seen = browser.ask(trace_viewer.SEEN)
        assert browser.ask("state") == "loaded"
    assert not seen["warnings"]
    assert {name: count for _, name, count in seen["tracks"]} == {
        f"{name} refusing": 2 if not place else 1 for place, name in enumerate(nasty)
    }
