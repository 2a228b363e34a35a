# SPDX-License-Identifier: MIT
"""The order of steps and the refusals on each edge, learned from what consumers do."""

import collections
import json
import os
import re
import shutil
import subprocess
import threading
import time

import pytest

from driver import ACCEPTED, INVALID, PROPAGATED, REJECTED, Driver
from load import Consumer
from program import DEMO, PUSHBACK, Program, patient, run, wait_until
from watched import wait_watched


UTF8 = os.environ | {"LC_ALL": "C.UTF-8"}


def graph(*options):
    """The consumers that `pushback graph --json` has learned of."""
    done = run(PUSHBACK, "graph", "--json", *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def names(consumer):
    return [step["step"] for step in consumer["steps"]]


def edges(consumer):
    return {(e["from"], e["to"]): e["refused"] for e in consumer["edges"]}


def levels(consumer):
    return {step["step"]: step["level"] for step in consumer["steps"]}


def hand_on(giver, taker, outcome, seen=None):
    """The taker's submit returns, then the giver's offer with that outcome (or `seen`)."""
    return [("submit", taker, outcome), ("forward", giver, outcome if seen is None else seen)]


def scripted(directory, steps, script, seconds="2.5s"):
    """What graph says of a driver that runs `script` (calls) again and again, and how often it did."""
    turns = 0
    over = threading.Event()
    with Driver(directory) as driver:
        for place, name in enumerate(steps):
            driver.init(place, name)
        agent = subprocess.Popen(
            [PUSHBACK, "graph", "--json", "--path", driver.file, "--for", seconds],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=lambda: (agent.wait(), over.set()), daemon=True).start()
        wait_watched(driver, agent)
        while not over.is_set() and driver.semaphore("driver"):
            driver.calls(script)
            turns += 1
            time.sleep(0.002)
        out, err = agent.communicate(timeout=patient(30))
    assert agent.returncode == 0, err
    print(f"{turns} turns; {err}")
    return [json.loads(line) for line in out.splitlines()], turns


def test_a_chain(tmp_path):
    program = shutil.copy(DEMO, tmp_path / "demo")
    with Consumer(tmp_path / "log", "--slow", "sink:refuse:1ms", program=program) as consumer:
        (seen,) = graph("--pid", consumer.pid, "--for", "2.5s")
        assert seen["pid"] == consumer.pid and seen["process"] == "demo"
        assert names(seen) == ["decode", "filter", "transform", "batch", "sink"]
        assert list(levels(seen).values()) == [0, 1, 2, 3, 4]
        assert list(edges(seen)) == [
            ("decode", "filter"),
            ("filter", "transform"),
            ("transform", "batch"),
            ("batch", "sink"),
        ]
        assert min(edges(seen).values()) > 10
        assert not any(e["estimated"] for e in seen["edges"])
        consumer.end()


def test_which_branch_blocks(tmp_path):
    program = shutil.copy(DEMO, tmp_path / "demo")
    steps = "decode,split=broadcast,left=sink/transform,right=sink"
    options = ("--steps", steps, "--slow", "right:refuse:1ms")
    with Consumer(tmp_path / "log", *options, program=program) as consumer:
        (seen,) = graph("--pid", consumer.pid, "--for", "2.5s")
        assert levels(seen) == {"decode": 0, "split": 1, "left": 2, "transform": 2, "right": 3}
        refused = edges(seen)
        assert refused["split", "left"] == 0
        assert refused["split", "transform"] > 1000 and refused["transform", "right"] > 1000
        consumer.end()


def test_refusals_are_counted_on_each_edge(tmp_path):
    """Each of two next steps refuses by itself: both are exact."""
    script = [
        *hand_on(0, 1, REJECTED),
        *hand_on(0, 1, ACCEPTED),
        *hand_on(0, 2, REJECTED) * 3,
        *hand_on(0, 2, ACCEPTED),
        ("submit", 0, ACCEPTED),
    ]
    (seen,), _ = scripted(tmp_path, ["head", "left", "right"], script)
    by_name = {step["step"]: step for step in seen["steps"]}
    refused = edges(seen)
    # The steps are read one after the other, perhaps in the middle of a turn.
    assert abs(refused["head", "left"] - by_name["left"]["rejected"]) <= 1
    assert abs(refused["head", "right"] - by_name["right"]["rejected"]) <= 3
    assert abs(refused["head", "right"] - 3 * refused["head", "left"]) <= 3 < refused["head", "left"]
    assert not any(e["estimated"] for e in seen["edges"])


TAIL_IN_SUBMIT = [
    ("forward", 2, ACCEPTED),
    *hand_on(1, 2, ACCEPTED),
    *hand_on(0, 1, ACCEPTED),
    ("submit", 0, ACCEPTED),
]
# The head refuses meanwhile; nobody says that a poll has ended.
TAIL_IN_POLL = [
    *hand_on(1, 2, ACCEPTED),
    *hand_on(0, 1, ACCEPTED),
    ("submit", 0, ACCEPTED),
    ("submit", 0, REJECTED),
    ("forward", 2, REJECTED),
    ("submit", 0, REJECTED),
    ("forward", 2, ACCEPTED),
]


@pytest.mark.parametrize("script", [TAIL_IN_SUBMIT, TAIL_IN_POLL], ids=["submit", "poll"])
def test_the_last_step_hands_on_to_something_unwatched(tmp_path, script):
    """Without enter marks it finds there whose submit returned last: the head's. That is no edge."""
    (seen,), _ = scripted(tmp_path, ["head", "middle", "tail"], script)
    assert levels(seen) == {"head": 0, "middle": 1, "tail": 2}
    assert set(edges(seen)) == {("head", "middle"), ("middle", "tail")}


def test_propagated_refusals_go_to_who_passed_them_on(tmp_path):
    """left never refuses itself, right passes on what its sink refuses: only sampled, but clear."""
    script = [
        *hand_on(0, 1, ACCEPTED),
        ("submit", 3, REJECTED),
        ("forward", 2, REJECTED),
        ("submit", 2, PROPAGATED),
        ("forward", 0, PROPAGATED),
        ("submit", 3, ACCEPTED),
        ("forward", 2, ACCEPTED),
        ("submit", 2, ACCEPTED),
        ("forward", 0, ACCEPTED),
    ]
    (seen,), _ = scripted(tmp_path, ["head", "left", "right", "sink"], script)
    refused = edges(seen)
    assert refused["right", "sink"] > 10
    assert refused["head", "left"] == 0
    # The steps are read one after the other, perhaps in the middle of a turn.
    assert abs(refused["head", "right"] - refused["right", "sink"]) <= 1


def test_what_something_unwatched_refuses_is_not_the_only_known_one_s(tmp_path):
    script = [*hand_on(0, 1, ACCEPTED), *[("forward", 0, REJECTED)] * 3, ("forward", 0, ACCEPTED)]
    (seen,), _ = scripted(tmp_path, ["head", "known"], script)
    (edge,) = seen["edges"]
    assert (edge["from"], edge["to"]) == ("head", "known")
    assert edge["estimated"] and edge["refused"] == 0


def test_a_step_shared_by_two(tmp_path):
    script = [
        *hand_on(0, 2, ACCEPTED),
        *hand_on(1, 2, REJECTED),
        *hand_on(1, 2, ACCEPTED),
        *hand_on(2, 3, ACCEPTED),
    ]
    (seen,), _ = scripted(tmp_path, ["a", "b", "shared", "sink"], script)
    assert levels(seen) == {"a": 0, "b": 0, "shared": 1, "sink": 2}
    refused = edges(seen)
    assert set(refused) == {("a", "shared"), ("b", "shared"), ("shared", "sink")}
    assert refused["a", "shared"] == 0 and refused["b", "shared"] > 10


def test_two_consumers_in_one_process(tmp_path):
    script = [*hand_on(0, 1, ACCEPTED), *hand_on(2, 3, REJECTED), *hand_on(2, 3, ACCEPTED)]
    seen, _ = scripted(tmp_path, ["a", "b", "c", "d"], script)
    assert sorted(names(consumer) for consumer in seen) == [["a", "b"], ["c", "d"]]
    assert len({consumer["pid"] for consumer in seen}) == 1


def test_a_step_that_nobody_calls(tmp_path):
    seen, _ = scripted(tmp_path, ["lonely"], [("submit", 0, INVALID), ("poll", 0, 1)])
    assert [(names(c), c["edges"]) for c in seen] == [(["lonely"], [])]


def test_a_diamond_and_a_ring(tmp_path):
    """Longest way from a head; and what hands on in a ring does not hang."""
    script = [
        *hand_on(0, 1, ACCEPTED),
        *hand_on(1, 2, ACCEPTED),
        *hand_on(0, 2, ACCEPTED),
        *hand_on(3, 4, ACCEPTED),
        *hand_on(4, 3, ACCEPTED),
    ]
    seen, _ = scripted(tmp_path, ["a", "b", "c", "x", "y"], script)
    by_first = {names(consumer)[0]: consumer for consumer in seen}
    assert levels(by_first["a"]) == {"a": 0, "b": 1, "c": 2}
    ring = by_first["x"] if "x" in by_first else by_first["y"]
    assert sorted(levels(ring).values()) == [0, 1]


def test_a_late_observer_learns_it_all(tmp_path):
    """Another one was there before; the steps have told it long ago."""
    script = [*hand_on(0, 1, ACCEPTED), *hand_on(0, 2, ACCEPTED), *hand_on(1, 3, ACCEPTED)]
    with Driver(tmp_path) as driver:
        for place in range(4):
            driver.init(place, f"s{place}")
        with Program([PUSHBACK, "run", "--path", driver.file, "--statsd", "udp://127.0.0.1:9"]) as agent:
            agent.wait_line("watching")
            for _ in range(100):
                driver.calls(script)
                time.sleep(0.005)
            argv = [PUSHBACK, "graph", "--json", "--for", "2.5s", "--path", driver.file]
            late = Program(argv, output="stdout")
            with late:
                while late.process.poll() is None:
                    driver.calls(script)
                    time.sleep(0.005)
                late.wait()
                (seen,) = [json.loads(line) for line in late.lines]
    assert set(edges(seen)) == {("s0", "s1"), ("s0", "s2"), ("s1", "s3")}


def test_text_and_dot(tmp_path):
    program = shutil.copy(DEMO, tmp_path / "demo")
    steps = "decode,split=broadcast,left=sink/transform,right=sink"
    options = ("--steps", steps, "--slow", "right:refuse:1ms")
    with Consumer(tmp_path / "log", *options, program=program) as consumer:
        argv = [PUSHBACK, "graph", "--pid", consumer.pid, "--for", "2.5s"]
        with Program([*argv, "--dot"], "stdout", stderr=subprocess.STDOUT) as beside:
            text = run(*argv, env=UTF8)
            assert beside.wait() == 0
        consumer.end()
    dot = "".join(line + "\n" for line in beside.lines)
    tree = [line.rstrip() for line in text.stdout.splitlines()]
    assert re.fullmatch(rf"demo \({consumer.pid}\)\s+refused to it\s+accepted", tree[0]), tree
    shape = [re.sub(r"\s+~?[\d ]+$", "", line) for line in tree[1:]]
    assert shape == [
        "  decode",
        "  └─ split",
        "     ├─ left",
        "     └─ transform",
        "        └─ right",
    ] or shape == [
        "  decode",
        "  └─ split",
        "     ├─ transform",
        "     │  └─ right",
        "     └─ left",
    ], text.stdout
    assert text.stderr == ""
    arrows = re.findall(r"^\t\ts0_(\d) -> s0_(\d) \[label=\"~?\d+\"\];$", dot, re.M)
    assert len(arrows) == 4, dot
    labels = re.findall(r"^\t\ts0_\d \[label=\"(\w+)\\naccepted \d+\"\];$", dot, re.M)
    assert collections.Counter(labels) == collections.Counter(["decode", "split", "left", "transform", "right"])
    assert dot.startswith("digraph pushback {\n") and dot.endswith("}\n")


@pytest.mark.parametrize("name", [b"\x1b[31m|#:,\n", b'"\\', b"\xff\xfe"])
def test_names_stay_names(tmp_path, name):
    with Driver(tmp_path) as driver:
        driver.init(0, name)
        argv = [PUSHBACK, "graph", "--path", driver.file, "--for", "2.5s"]
        with Program([*argv, "--dot"], "stdout") as dot, Program([*argv, "--json"], "stdout") as lines:
            wait_watched(driver, dot)
            while None in (dot.process.poll(), lines.process.poll()):
                driver.submit(0, ACCEPTED)
                time.sleep(0.005)
            assert dot.wait() == lines.wait() == 0
    (seen,) = [json.loads(line) for line in lines.lines]
    assert [step["step"] for step in seen["steps"]] == [name.decode("utf-8", "replace")]
    label = [line for line in dot.lines if "label" in line and "accepted" in line]
    assert len(label) == 1, dot.lines
    assert all(32 <= ord(c) < 127 or c == "\t" for line in dot.lines for c in line), dot.lines


def test_killed_while_it_is_looked_at(tmp_path):
    """What was seen of it is shown, and that it has ended."""
    demo = shutil.copy(DEMO, tmp_path / "demo")
    with Consumer(tmp_path / "log", "--slow", "sink:refuse:1ms", program=demo) as consumer:
        argv = [PUSHBACK, "graph", "--for", "1h", "--pid", str(consumer.pid)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as graph:
            watched = re.compile(rf"^ *{consumer.pid} +demo +yes", re.M)
            wait_until(lambda: watched.search(run(PUSHBACK, "list").stdout), "it is watched", 20)
            time.sleep(2)
            consumer.kill()
            shown, said = graph.communicate(timeout=patient(30))
    assert graph.returncode == 0
    assert re.search(r"\bsink +\d", shown), shown
    assert f"pushback: process {consumer.pid} has ended\n" in said
    assert "no step returned" not in said


def test_nothing_to_see_and_wrong_usage(tmp_path):
    with Driver(tmp_path) as driver:
        done = run(PUSHBACK, "graph", "--path", driver.file, "--for", "2.5s")
        assert (done.returncode, done.stdout) == (0, "")
        assert "no step returned" in done.stderr
    assert run(PUSHBACK, "graph", "--dot", "--json").returncode == 2
    assert run(PUSHBACK, "graph", "--for", "10ms").returncode == 2
