# SPDX-License-Identifier: MIT
"""Which step is at fault: self time on real chains, one step of which is slow."""

import shutil
import time

import pytest

import truth
from agent import Agent
from load import Consumer, count_errors, time_errors
from program import DEMO, now

CHAIN = ("decode", "filter", "transform", "batch", "sink")
BRANCHES = "decode,split=broadcast,left=sink/transform,right=sink"
# 10 and 2,000 freed slots a second
SLOTS = ("100ms", "500us")


@pytest.fixture
def demo(tmp_path):
    """A copy of its own: other tests' consumers and agents are not seen."""
    return shutil.copy(DEMO, tmp_path / "demo")


def watch(demo, log, *options, seconds=3):
    """(what the agent said, the truth by step, ns) of a consumer that was already slow."""
    with Consumer(log, *options, program=demo) as consumer:
        time.sleep(0.5)
        begin = consumer.pause()
        with Agent("--pid", consumer.pid, interval="1s") as agent:
            consumer.resume()
            time.sleep(seconds)
            consumer.pause()
            end, _ = agent.end()
        consumer.resume()
        consumer.end()
    return agent, truth.merge(consumer.truth([(begin, end)], until=end)), end - begin


def self_shares(agent):
    """Of the chain's self time, by step."""
    ms = {step: seen["send_backpressure_self_time"] for step, seen in agent.counters().items()}
    assert sum(ms.values()) > 100, ms
    return {step: value / sum(ms.values()) for step, value in ms.items()}


def check_fault(agent, steps, wall_ns, slow):
    shares = self_shares(agent)
    assert shares.pop(slow) > 0.95, shares
    assert all(share < 0.05 for share in shares.values()), shares
    errors = count_errors(agent, steps) + time_errors(agent, steps, wall_ns)
    assert not errors, "\n".join(errors)


@pytest.mark.parametrize("every", SLOTS)
@pytest.mark.parametrize("slow", CHAIN)
def test_at_each_position(tmp_path, demo, slow, every):
    """The second one drops one message in ten: those behind it are behind a step that drops."""
    seen = watch(demo, tmp_path / "log", "--slow", f"{slow}:refuse:{every}")
    check_fault(*seen, slow)


@pytest.mark.parametrize("every", SLOTS)
@pytest.mark.parametrize("slow", ["left", "right", "transform"])
def test_on_one_branch(tmp_path, demo, slow, every):
    options = ("--steps", BRANCHES, "--slow", f"{slow}:refuse:{every}")
    seen = watch(demo, tmp_path / "log", *options)
    check_fault(*seen, slow)
