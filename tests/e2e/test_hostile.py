# SPDX-License-Identifier: MIT
"""Consumers that attack their observer, each beside an honest one whose numbers must stay exact."""

import os
import random

import pytest

from stage import Stage

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
    assert stage.play_beside(attacker) > 1000
    stage.wait_told()
    lost = stage.check(".*", "attacker")
    assert lost["step_unreadable"] > 0 and lost["step_invalid"] > 0 and lost["step_implausible"] > 0


def test_memory_that_comes_and_goes(stage):
    """Unmapped, not to be read, of a file that is cut short, across a page's end."""
    stage.watch()
    attacker = stage.attacker("memory", str(SEED))
    assert stage.play_beside(attacker) > 100
    stage.wait_told()
    lost = stage.check("memory|unknown", "attacker")
    assert lost["step_unreadable"] > 0


def test_fires_without_bound(stage):
    stage.watch()
    attacker = stage.attacker("flood")
    assert stage.play_beside(attacker) > 1000
    stage.wait_told()
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
    assert stage.play_beside(attacker) > 64
    lost = stage.check("claims[0-9]+", "attacker")
    assert lost["durations_unsent"] > 0


# ---- Processes ----


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
