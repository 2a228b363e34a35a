# SPDX-License-Identifier: MIT
"""The demo consumer under load: what the agent says is what the consumer's own log says.

Of each run counts are equal, times within 1 % of wall time, and samples as many as closed episodes.
PUSHBACK_TEST_LONG=1 makes the runs longer.
"""

import shutil
import signal
import threading
import time

import pytest

import truth
from agent import Agent
from instrumented import needs_librdkafka
from load import (
    LONG,
    TIMES,
    Consumer,
    chain_errors,
    count_errors,
    sample_errors,
    time_errors,
    value_of,
)
from program import DEMO, PATIENCE, now

# 10, 1,000, 100,000 freed slots a second; no faster than the chain itself is, or nothing is refused.
SLOTS = [("100ms", 3), ("1ms", 2), (f"{10 * PATIENCE:.0f}us", 1)]
SLOTS_IDS = ["10", "1000", "100000"]
FACTOR = 5 if LONG else 1


@pytest.fixture
def demo(tmp_path):
    """A copy of its own: other tests' consumers and agents are not seen."""
    return shutil.copy(DEMO, tmp_path / "demo")


def check_counts(agent, results, one_by_one=False):
    steps = truth.merge(results)
    assert steps, "the log is empty"
    assert not truth.chain_breaks(results)
    errors = count_errors(agent, steps)
    errors += sample_errors(agent, steps, one_by_one)
    errors += chain_errors(agent, results)
    # What is lost is told, and says why the rest is wrong.
    assert not errors and not agent.lost(), "\n".join([*errors, str(agent.lost())])


def check(agent, results, wall_ns, one_by_one=False, slack_ns=0):
    check_counts(agent, results, one_by_one)
    errors = time_errors(agent, truth.merge(results), wall_ns, slack_ns)
    assert not errors, "\n".join(errors)


def say_rate(results, wall_ns):
    """For who reads along (-s): how many slots a second were really freed, and how sure the log is."""
    steps = truth.merge(results)
    slack = max(step[d]["slack_ns"] for step in steps.values() for d in ("send", "receive"))
    rate = steps["sink"]["send"]["episodes"] / wall_ns * 1e9
    print(f"{rate:.0f} episodes a second at the sink, {slack / wall_ns:.2%} of the time not sure")


def busy(results):
    """Some step was in backpressure, or the run shows nothing."""
    return sum(r["send"]["episodes"] + r["receive"]["episodes"] for r in results)


@pytest.mark.parametrize("slow,seconds", SLOTS, ids=SLOTS_IDS)
def test_from_the_beginning(tmp_path, demo, slow, seconds):
    begin = now()
    options = ("--slow", f"sink:refuse:{slow}")
    with Agent("--path", demo) as agent:
        with Consumer(tmp_path / "log", *options, program=demo) as consumer:
            consumer.wait_line("backpressure")
            time.sleep(seconds * FACTOR)
            consumer.end()
        wall = now() - begin
        agent.end()
    results = consumer.truth()
    assert busy(results) > 10
    check(agent, results, wall, one_by_one=slow == "100ms")
    say_rate(results, wall)


@pytest.mark.parametrize("slow,seconds", SLOTS, ids=SLOTS_IDS)
def test_attached_in_a_pause(tmp_path, demo, slow, seconds):
    """Attached to a running consumer between two calls, and detached likewise: exact."""
    options = ("--slow", f"sink:refuse:{slow}")
    with Consumer(tmp_path / "log", *options, program=demo) as consumer:
        consumer.wait_line("backpressure")
        begin = consumer.pause_unwatched()
        with Agent("--pid", consumer.pid) as agent:
            consumer.resume()
            time.sleep(seconds * FACTOR)
            consumer.pause()
            end, late = agent.end()  # what is open goes on while it is paused, until its last look
        consumer.resume()
        time.sleep(0.1)
        consumer.end()
    results = consumer.truth([(begin, end)], until=end)
    assert busy(results) > 10
    check(agent, results, end - begin, one_by_one=slow == "100ms", slack_ns=late - end)
    say_rate(results, end - begin)


@pytest.mark.parametrize("slow,seconds", SLOTS, ids=SLOTS_IDS)
def test_attached_in_mid_call(tmp_path, demo, slow, seconds):
    """Stopped anywhere: the call it is in may count on either side."""
    options = ("--slow", f"sink:refuse:{slow}")
    with Consumer(tmp_path / "log", *options, program=demo) as consumer:
        consumer.wait_line("backpressure")
        consumer.pause_unwatched()
        consumer.resume()
        time.sleep(0.05)
        consumer.signal(signal.SIGSTOP)
        time.sleep(0.05)
        begin = now()
        with Agent("--pid", consumer.pid) as agent:
            consumer.signal(signal.SIGCONT)
            time.sleep(seconds * FACTOR)
            consumer.end()
            end = now()
            assert agent.wait() == 0  # of its own accord: its only process is gone
            agent.end()
    results = consumer.truth([(begin, None)])
    assert busy(results) > 10
    steps = truth.merge(results)
    errors = mid_call_errors(agent, steps) + chain_errors(agent, results, slack=1)
    errors += time_errors(agent, steps, end - begin)
    assert not errors, "\n".join(errors)
    say_rate(results, end - begin)


def mid_call_errors(agent, steps):
    """Counts, but for what the cut run of the log and the one call in progress leave open."""
    seen = agent.counters()
    errors = []
    for name, step in steps.items():
        for direction, own in (("send", "accepted"), ("receive", "forwarded")):
            wanted = {
                f"{direction}_backpressure": step[direction]["attempts"],
                f"submit_{own}": step[own],
            }
            slack = step["uncertain"] + 1
            for metric, want in wanted.items():
                if abs(seen[name][metric] - want) > slack:
                    errors.append(f"{name} {metric}: {seen[name][metric]}, in truth {want} +- {slack}")
            ends = sum(seen[name][f"{direction}_backpressure_{e}"] for e in ("episodes", "partial", "abandoned"))
            want = sum(step[direction][e] for e in ("episodes", "partial", "abandoned"))
            if abs(ends - want) > 1:
                errors.append(f"{name} {direction}: {ends} ends, in truth {want}")
            samples = sum(agent.samples(name, direction).values())
            if samples != seen[name][f"{direction}_backpressure_episodes"]:
                errors.append(f"{name} {direction}: {samples} samples, {seen[name]}")
    return errors


def test_one_uprobe_a_site(tmp_path, demo):
    """As on kernels without uprobe_multi: nothing that is counted may depend on it."""
    begin = now()
    with Agent("--path", demo, "--no-multi") as agent:
        with Consumer(tmp_path / "log", "--slow", "sink:refuse:1ms", program=demo) as consumer:
            time.sleep(2 * FACTOR)
            consumer.end()
        wall = now() - begin
        agent.end()
    results = consumer.truth()
    assert busy(results) > 100
    check(agent, results, wall)


@needs_librdkafka
def test_kafka(tmp_path, demo):
    """Real messages, read over TCP from librdkafka's mock cluster."""
    begin = now()
    with Agent("--path", demo) as agent:
        options = ("--slow", "sink:refuse:1ms", "--rate", "50000")
        with Consumer(tmp_path / "log", *options, program=demo, source="kafka") as consumer:
            consumer.wait_line("backpressure")
            time.sleep(2 * FACTOR)
            consumer.end()
        wall = now() - begin
        agent.end()
        results = consumer.truth()
        assert busy(results) > 100
        check(agent, results, wall)


@pytest.mark.parametrize("slow", ["100ms", "1ms"])
def test_killed(tmp_path, demo, slow):
    """What is open when the consumer is killed is abandoned, and its memory is read at that moment."""
    begin = now()
    with Agent("--path", demo) as agent:
        with Consumer(tmp_path / "log", "--slow", f"sink:refuse:{slow}", program=demo) as consumer:
            consumer.wait_line("backpressure")
            time.sleep(1.2)
            paused = consumer.pause_in_backpressure()
            time.sleep(0.2)
            killed = now()
            consumer.kill()
            exited = now()
        wall = now() - begin
        agent.end()
        results = consumer.truth(exited=exited)
        assert paused < killed and busy(results)
        assert sum(r[d]["abandoned"] for r in results for d in ("send", "receive"))
        check_counts(agent, results)
        errors = time_errors(agent, truth.merge(results), wall, slack_ns=exited - killed)
        assert not errors, "\n".join(errors)


def test_two_agents(tmp_path, demo):
    """Each sees its own window; the later one has a step from its first event of it on."""
    begin = now()
    with Agent("--path", demo) as first:
        with Consumer(tmp_path / "log", "--slow", "sink:refuse:20ms", program=demo) as consumer:
            consumer.wait_line("backpressure")
            consumer.pause()
            with Agent("--pid", consumer.pid, interval="500ms") as second:
                joined = consumer.resume()
                time.sleep(1.5 * FACTOR)
                consumer.pause()
                time.sleep(2.5)  # all steps are silent, and so read and settled
                in_all = second.counters()
                second.mark()
                marked = consumer.resume()
                time.sleep(1.5 * FACTOR)
                consumer.pause()
                left, _ = second.end()
            consumer.resume()
            time.sleep(0.5)
            consumer.end()
        wall = now() - begin
        first.end()
    check(first, consumer.truth(), wall)
    results = consumer.truth(None, [(marked, left)], until=left)
    assert busy(results) > 100
    check_counts(second, results)
    for name, seen in second.counters().items():
        in_all[name] += seen
    for name, step in truth.merge(consumer.truth(None, [(joined, left)], until=left)).items():
        for key, _, direction, metric in TIMES:
            late = value_of(step, key, direction) / 1e6 - in_all[name][metric]
            # Its first event is an edge, within a slot or two; the rest is 1 %.
            assert -0.01 < late / ((left - joined) / 1e6) < 0.01 + 40 / ((left - joined) / 1e6), (
                name,
                metric,
                late,
            )


def test_what_somebody_else_watches_is_waited_for(tmp_path, demo):
    """Or else an agent of another test makes this one's a late observer, and counts are too low."""
    with Consumer(tmp_path / "log", "--slow", "sink:refuse:500us", program=demo) as consumer:
        with Agent("--pid", consumer.pid) as other:
            consumer.wait_line("backpressure")
            time.sleep(0.3)  # beyond its allowance: most of its edges are not told
            leaving = threading.Timer(0.5, other.end)
            leaving.start()
            begin = consumer.pause_unwatched()
            leaving.join()
        with Agent("--pid", consumer.pid) as agent:
            consumer.resume()
            time.sleep(0.5)
            consumer.pause()
            end, _ = agent.end()
        consumer.resume()
        consumer.end()
    results = consumer.truth([(begin, end)], until=end)
    assert busy(results) > 10
    check_counts(agent, results)


def test_another_step_becomes_slow(tmp_path, demo):
    begin = now()
    with Agent("--path", demo) as agent:
        with Consumer(tmp_path / "log", "--slow", "sink:refuse:20ms", program=demo) as consumer:
            for command in ("transform:refuse:5ms", "none", "filter:block:2ms", "batch:refuse:1ms"):
                time.sleep(0.8 * FACTOR)
                consumer.say(command)
            time.sleep(0.8)
            consumer.end()
        wall = now() - begin
        agent.end()
        results = consumer.truth()
        assert busy(results) > 100
        check(agent, results, wall)


def test_rebalance(tmp_path, demo):
    """New instances under the same names, often where the old ones were: added up, none lost."""
    begin = now()
    times = 20 * FACTOR
    with Agent("--path", demo) as agent:
        with Consumer(tmp_path / "log", "--slow", "sink:refuse:10ms", program=demo) as consumer:
            for _ in range(times):
                time.sleep(0.15)
                consumer.say("rebalance")
            time.sleep(0.3)
            consumer.end()
        wall = now() - begin
        agent.end()
        results = consumer.truth()
        assert {s["instances"] for s in truth.merge(results).values()} == {times + 1}
        assert sum(r["send"]["abandoned"] for r in results)
        check(agent, results, wall)
