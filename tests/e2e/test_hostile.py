# SPDX-License-Identifier: MIT
"""Consumers that attack their observer, each beside an honest one whose numbers must stay exact."""

import json
import os
import pathlib
import random
import re
import signal

import pytest

from driver import ACCEPTED
from instrumented import ANY, except_by
from program import PUSHBACK, Program, run, wait_until
from stage import NOBODY, Stage

SEED = int(os.environ.get("PUSHBACK_TEST_SEED") or random.randrange(1 << 30))


@pytest.fixture(autouse=True)
def seed():
    """Of a test that fails pytest shows it; PUSHBACK_TEST_SEED has it again."""
    print(f"PUSHBACK_TEST_SEED={SEED}")


@pytest.fixture
def stage():
    with Stage() as one:
        one.copy("attacker")
        yield one


# ---- What a step's struct says ----


def test_any_bytes(stage):
    """Falling counters, times of the future, cycles of next steps, pointers to nowhere; rewritten while read."""
    stage.watch()
    attacker = stage.attacker("bytes", str(SEED))
    losses = {"step_unreadable", "step_invalid", "step_implausible"}
    assert stage.play_beside(attacker, seen=losses) > 1000
    stage.wait_told()
    assert stage.check(".*", "attacker").keys() >= losses


def test_memory_that_comes_and_goes(stage):
    """Unmapped, not to be read, of a file that is cut short, across a page's end."""
    stage.watch()
    attacker = stage.attacker("memory", str(SEED))
    assert stage.play_beside(attacker, seen={"step_unreadable"}) > 1000
    stage.wait_told()
    assert "step_unreadable" in stage.check("memory|unknown", "attacker")


def test_fires_without_bound(stage):
    stage.watch()
    attacker = stage.attacker("flood")
    assert stage.play_beside(attacker) > 1000
    stage.wait_told()
    stage.check("flood", "attacker")


def test_rings_that_are_full(stage, tmp_path):
    """Episodes that a trace had no room for are counted by it; so are those of the honest one, one and all."""
    stage.watch()
    attacker = stage.attacker("flood", "12000")
    file = tmp_path / "trace"
    with open(file, "w") as out:
        words = ["trace", "--json", "--path", stage.honest.file, "--path", stage.directory / "attacker"]
        trace = stage.stack.enter_context(Program([PUSHBACK, *words], stdout=out))
    trace.wait_line("tracing")
    trace.signal(signal.SIGSTOP)
    stage.play_beside(attacker, 0)
    trace.signal(signal.SIGCONT)
    stage.wait_told()
    trace.signal(signal.SIGINT)
    assert trace.wait() == 0
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    own = [row for row in rows if row["kind"] == "histogram" and row["step"] == "honest"]
    assert [row["episodes"] for row in own] == [stage.rounds] * 2
    assert rows[-1]["kind"] == "end" and rows[-1]["untold"] > 0
    stage.check("flood", "attacker")


def test_semaphore_and_breakpoint_of_its_own(stage):
    stage.watch()
    attacker = stage.attacker("semaphore", str(SEED))
    assert stage.play_beside(attacker) > 1000
    stage.wait_told()
    stage.check("semaphore", "attacker")


def test_claims_take_no_lines_from_others(stage):
    """More durations than a flush has room for: the honest one's are all there."""
    stage.watch(interval="1h")
    attacker = stage.attacker("claims")
    attacker.say("")
    # Then its series come first.
    wait_until(lambda: " 64 steps" in stage.status(), "not all are seen")
    for _ in range(10):
        stage.play()
    lost = stage.check("claims[0-9]+", "attacker")
    assert lost["durations_unsent"] > 0


# ---- Memory that holds who reads it ----


def readers_of(pid):
    return [int(p) for p in run("pgrep", "-P", pid).stdout.split()]


@except_by(*ANY, reason="a thread reads there, which the process cannot end before")
@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no FUSE: no page of an ordinary user's can hold a reader")
def test_memory_that_holds_its_readers(stage):
    """A file system of the user's own does not answer: the observer does, and it ends when it is told to."""
    (stage.directory / "mounted").mkdir()
    attacker = Program([stage.copy("blocking"), "memory", stage.directory / "mounted", str(NOBODY)], "stdout")
    with attacker:
        attacker.wait_line("^ready$")
        stage.watch(files=("blocking",))
        stage.play()
        reader = wait_until(lambda: readers_of(stage.agent.pid), "nobody reads")
        state = pathlib.Path(f"/proc/{reader[0]}/status").read_text()
        own = pathlib.Path(f"/proc/{stage.agent.pid}/status").read_text()
        for field in ("CapPrm", "CapEff", "NoNewPrivs", "Seccomp"):
            assert re.search(rf"{field}:.*", state)[0] == re.search(rf"{field}:.*", own)[0]
        assert os.listdir(f"/proc/{reader[0]}/fd") == []
        attacker.say("")
        attacker.wait_line("^done$")
        stage.agent.wait_line(rf"process {attacker.pid} holds whoever reads its memory")
        for _ in range(10):
            stage.play()
        stage.wait_told()
        wait_until(lambda: "silent_unreadable 1" in stage.status(), "it is not counted")
        assert run(PUSHBACK, "list", "--pid", attacker.pid, timeout=20).returncode == 0
        assert stage.check("blocking", "blocking") == {"silent_unreadable": 1}
        assert stage.agent.counters(step="blocking")["blocking"]["submit_accepted"] == 1
    wait_until(lambda: not os.path.exists(f"/proc/{reader[0]}"), "it is held for good")


# ---- Steps without end ----


def test_steps_of_one_process(stage):
    """No more than are due to one; the honest one's new step has room."""
    stage.watch()
    attacker = stage.attacker("named")
    assert stage.play_beside(attacker, 0) == 6000
    stage.honest.init(1, "late")
    stage.honest.submit(1, ACCEPTED)
    stage.wait_told()
    lost = stage.check("late|many[0-9]+", "attacker", memory=64)
    assert lost["process_full"] == 6000 - 4096
    assert "steps_full" not in lost
    assert stage.agent.counters(step="late")["late"]["submit_accepted"] == 1


def test_steps_of_many_processes(stage):
    """Several may take all the room that there is: that is counted, what was there stays, and it is let go of."""
    stage.watch()
    stage.play()
    attackers = [stage.attacker("many") for _ in range(5)]
    for attacker in attackers:
        stage.play_beside(attacker, 0)
    wait_until(lambda: "steps 16384 of 16384" in stage.status(), "there is room")
    stage.honest.init(1, "refused")
    stage.honest.submit(1, ACCEPTED)
    wait_until(lambda: "steps_full" in stage.status(), "it is not counted")
    for attacker in attackers:
        attacker.kill()
    stage.assert_empty("steps")
    stage.honest.init(1, "late")
    stage.honest.submit(1, ACCEPTED)
    stage.play()
    stage.wait_told()
    lost = stage.check("late|many", "attacker", memory=256)
    assert lost["steps_full"] >= 5 * 4096 - 16384
    assert stage.agent.counters(step="late")["late"]["submit_accepted"] == 1


# ---- Processes ----


def test_killed_anywhere(stage):
    """At any instruction: each return that was, and at most the one that was under way, is counted."""
    stage.watch()
    attacker = stage.attacker("killed", "300", str(SEED))
    accepted = stage.play_beside(attacker, 0)
    stage.wait_told()
    stage.assert_empty("processes")
    lost = stage.check("edges", "attacker")
    assert lost.keys() <= {"replaced"}
    told = stage.agent.counters(step="edges")["edges"]["submit_accepted"]
    assert accepted <= told <= accepted + 300


@pytest.mark.parametrize("how, count", [("fork", 1500), ("vfork", 300), ("exec", 300)])
def test_processes_of_two_returns(stage, how, count):
    """Begun as fast as can be. They spoil nothing of their own either: all of them are counted."""
    stage.watch()
    attacker = stage.attacker(how, str(count))
    assert stage.play_beside(attacker, 0) == count
    stage.wait_told()
    stage.assert_empty("steps")
    assert stage.check("once", "attacker") == {}
    assert stage.agent.counters(step="once")["once"]["submit_accepted"] == count
