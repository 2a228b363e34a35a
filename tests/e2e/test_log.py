# SPDX-License-Identifier: MIT
"""`run --log` and `--events`: what they say adds up to the truth, and who is stuck is said once."""

import collections
import re
import shutil
import time

import pytest

import truth
from agent import Agent
from driver import ACCEPTED, REJECTED, Driver
from load import Consumer
from pinning import Relay, bpf_file_system
from program import DEMO, PUSHBACK, run, wait_until

LINE = re.compile(
    r"pushback: (?P<process>\S+) (?P<step>\S+): in (?P<span>[0-9.]+) s it "
    r"(?:refused (?P<rejected>\d+) of (?P<submits>\d+) submits, for (?P<send_s>[0-9.]+) s, "
    r"by itself for (?P<self_s>[0-9.]+) s \((?P<send_episodes>\d+) episodes?(?:, [^)]*)?\))?"
    r"(?:, and )?"
    r"(?:was blocked for (?P<receive_s>[0-9.]+) s \((?P<receive_episodes>\d+) episodes?(?:, [^)]*)?\))?"
)
TIMES = {
    "send_s": "send_backpressure_time",
    "receive_s": "receive_backpressure_time",
    "self_s": "send_backpressure_self_time",
}


def end(agent):
    """As Agent.end(), of one that says more than one line."""
    agent.process.terminate()
    assert agent.wait() == 0, agent.lines
    agent.receiver.stop()
    assert not agent.receiver.errors, agent.receiver.errors


def sums_of(lines):
    """{step: sums of what its lines say}, and how many it had."""
    sums, count = collections.defaultdict(collections.Counter), collections.Counter()
    for line in lines:
        found = LINE.fullmatch(line)
        assert found, line
        count[found["step"]] += 1
        for key, value in found.groupdict().items():
            if value is not None and key not in ("process", "step"):
                sums[found["step"]][key] += float(value)
    return sums, count


def test_lines_add_up_to_the_truth(tmp_path):
    demo = shutil.copy(DEMO, tmp_path / "demo")
    options = ("--path", demo, "--log", "600ms", "--stuck", "1h")
    with Agent(*options, interval="300ms") as agent:
        with Consumer(tmp_path / "log", "--slow", "sink:refuse:1ms", program=demo) as consumer:
            time.sleep(4)
            consumer.end()
        end(agent)
    steps = truth.merge(consumer.truth())
    sums, count = sums_of(agent.lines[1:])
    told = agent.counters()
    assert steps["sink"]["send"]["episodes"] > 100 and count["sink"] > 4
    for step, right in steps.items():
        send, receive, said = right["send"], right["receive"], sums.get(step, collections.Counter())
        if not send["attempts"] and not receive["attempts"]:
            assert not said
            continue
        assert said["rejected"] == send["attempts"], step
        assert said["send_episodes"] == send["episodes"], step
        assert said["receive_episodes"] == receive["episodes"], step
        for key, name in TIMES.items():
            # Each of its lines leaves out a part of a ms.
            assert abs(said[key] * 1000 - told[step][name]) <= count[step] + 1, (step, key)


@pytest.fixture
def driver(tmp_path):
    with Driver(tmp_path) as one:
        yield one


def watch(driver, *options):
    return Agent("--path", driver.file, "--log", "1h", *options, interval="100ms")


def stuck_lines(agent):
    return [line for line in agent.lines if "stuck" in line or "held up" in line]


def test_who_is_stuck_is_said_at_its_beginning_and_end(driver):
    driver.init(0, "front")
    driver.init(1, "behind")
    with watch(driver, "--stuck", "2s", "--events") as agent:
        driver.calls([("submit", 1, REJECTED), ("forward", 0, REJECTED), ("submit", 0, REJECTED)])
        wait_until(lambda: len(stuck_lines(agent)) == 2, "two lines")
        driver.calls([("submit", 1, ACCEPTED), ("forward", 0, ACCEPTED), ("submit", 0, ACCEPTED)])
        wait_until(lambda: len(stuck_lines(agent)) == 4, "two more")
        assert agent.receiver.wait_for(lambda r: len(r.events) == 4)
        end(agent)
    lines = [re.sub(r"[0-9.]+ s", "N s", line) for line in stuck_lines(agent)]
    assert lines[:2] == [
        "pushback: driver behind: is stuck, most of the time for N s by now",
        "pushback: driver front: is held up by what is behind it, most of the time for N s by now",
    ]
    assert sorted(lines[2:]) == [
        "pushback: driver behind: is no longer stuck, after about N s",
        "pushback: driver front: is no longer held up by what is behind it, after about N s",
    ]
    events = agent.receiver.events
    assert [(e["title"], e["t"]) for e in events[:2]] == [
        ("driver: behind is stuck", "warning"),
        ("driver: front is held up", "info"),
    ]
    assert sorted((e["title"], e["t"]) for e in events[2:]) == [
        ("driver: behind is no longer stuck", "success"),
        ("driver: front is no longer held up", "info"),
    ]
    assert {e["k"] for e in events} == {"pushback driver behind", "pushback driver front"}
    assert events[0]["tags"] == {"step:behind", "process:driver"}
    assert float(re.search(r"for ([0-9.]+) s by now", events[0]["text"])[1]) >= 2


def test_who_ends_while_it_is_stuck(driver):
    driver.init(0, "step")
    with watch(driver, "--stuck", "1s", "--events") as agent:
        driver.submit(0, REJECTED)
        wait_until(lambda: stuck_lines(agent), "it is stuck")
        driver.kill()
        wait_until(lambda: len(stuck_lines(agent)) == 2, "it has ended")
        end(agent)
    assert re.fullmatch(
        r"pushback: driver step: has ended, and was stuck most of the last [0-9.]+ s", stuck_lines(agent)[1]
    )
    assert agent.receiver.events[1]["text"].endswith("s until it ended.")


def test_a_spell_that_is_too_short_is_not_told(driver):
    driver.init(0, "step")
    with watch(driver, "--stuck", "1h", "--events") as agent:
        driver.submit(0, REJECTED)
        time.sleep(2.5)
        end(agent)
    assert not stuck_lines(agent) and not agent.receiver.events
    (line,) = agent.lines[1:]  # of the end
    assert LINE.fullmatch(line)["rejected"] == "1"


def test_a_log_stays_short(driver):
    for place in range(60):
        driver.init(place, f"step{place}")
    with watch(driver, "--stuck", "1s") as agent:
        driver.calls([("submit", place, REJECTED) for place in range(60)])
        wait_until(lambda: stuck_lines(agent), "they are stuck")
        end(agent)
    assert len([line for line in agent.lines if "is stuck" in line]) == 20
    assert "pushback: 40 more lines of steps that are stuck were left out here" in agent.lines
    assert len([line for line in agent.lines if LINE.fullmatch(line)]) == 20
    assert re.fullmatch(
        r"pushback: in these [0-9.]+ s 40 more steps were in backpressure, each for less time", agent.lines[-1]
    )


def test_what_a_consumer_names_makes_no_line_and_no_field(driver):
    driver.init(0, b"a|b\n_e{1,1}:x|y\x1b[31m\xff")
    with watch(driver, "--stuck", "1s", "--events") as agent:
        driver.submit(0, REJECTED)
        wait_until(lambda: stuck_lines(agent), "it is stuck")
        end(agent)
    assert all(line.startswith("pushback: ") and line.isascii() and line.isprintable() for line in agent.lines)
    assert len(agent.lines) == 3, agent.lines
    assert len(agent.receiver.events) == 1


@pytest.mark.parametrize(
    "options,said",
    [
        (["--stuck", "5s"], "--stuck is for --log or --events: add one of them"),
        (["--events", "--format", "statsd"], "--events are sent to statsd in --format dogstatsd only: leave out --format"),
        (["--events", "--openmetrics", "1"], "--events are sent to statsd in --format dogstatsd only: add --statsd ADDRESS"),
        (["--log", "1ms"], "--log"),
    ],
)
def test_what_does_not_go_together(options, said):
    done = run(PUSHBACK, "run", *options)
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count("\n") <= 2, done.stderr


LOST = re.compile(r"pushback: in these [0-9.]+ s lost: (\d+) replaced \(these numbers are not complete\)")


def replace(driver):
    """What is written over may have done more: that is lost."""
    driver.submit(0, REJECTED)
    driver.init(0, "step")
    driver.submit(0, ACCEPTED)


def test_what_was_lost_is_said_once_in_a_round(tmp_path, driver):
    driver.init(0, "step")
    with Agent("--path", driver.file, "--log", "300ms", interval="100ms") as agent:
        for told in (1, 2):
            replace(driver)
            wait_until(lambda: sum(bool(LOST.fullmatch(line)) for line in agent.lines) == told, "a line")
        end(agent)
    assert [found[1] for found in map(LOST.fullmatch, agent.lines) if found] == ["1", "1"]
    assert agent.lost() == {"replaced": 2}


def test_what_the_former_agent_said_is_not_lost_again(tmp_path, driver):
    driver.init(0, "step")
    with bpf_file_system() as directory, Relay(directory, "--path", driver.file, "--log", "1h") as relay:
        replace(driver)
        relay.stop()
        relay.start()
        time.sleep(1.5)  # its first round
        replace(driver)
        relay.stop()
        assert [found[1] for found in map(LOST.fullmatch, relay.said) if found] == ["1", "1"]
        unpin = run(PUSHBACK, "unpin", "--pin-dir", directory)
        assert unpin.returncode == 0, unpin.stderr


def test_the_next_agent_says_only_what_is_new(tmp_path, driver):
    driver.init(0, "step")
    with bpf_file_system() as directory, Relay(directory, "--path", driver.file, "--log", "1h") as relay:
        driver.calls([("submit", 0, REJECTED), ("submit", 0, ACCEPTED)], 30)
        relay.stop()
        relay.start()
        driver.calls([("submit", 0, REJECTED), ("submit", 0, ACCEPTED)], 7)
        relay.stop()
        lines = [found for found in map(LINE.fullmatch, relay.said) if found]
        assert [(line["rejected"], line["submits"], line["send_episodes"]) for line in lines] == [
            ("30", "60", "30"),
            ("7", "14", "7"),
        ]
        unpin = run(PUSHBACK, "unpin", "--pin-dir", directory)
        assert unpin.returncode == 0, unpin.stderr
