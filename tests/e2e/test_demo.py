# SPDX-License-Identifier: MIT
"""The demo's consumer by itself: its chain, its log, its commands, and that nothing of it stays."""

import os
import re
import signal

import pytest

import truth
from instrumented import needs_librdkafka
from load import Consumer
from program import DEMO, Program, run, wait_until

CHAIN = ["decode", "filter", "transform", "batch", "sink"]
PATIENCE = 20  # s until what must come is given up


def demo(*options):
    return run(DEMO, *options, input="")


def children(it):
    with open(f"/proc/{it.pid}/task/{it.pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def table(stderr):
    """The summary: step -> (accepted, refused, passed back)."""
    rows = {}
    for line in stderr.partition("\nstep ")[2].splitlines()[1:]:
        step, *numbers = line.split()
        rows[step] = tuple(int(number) for number in numbers[:3])
    return rows


def check_against_table(results, stderr):
    rows = table(stderr)
    merged = truth.merge(results)
    assert list(rows) and set(rows) == set(merged)
    for step, result in merged.items():
        assert (result["accepted"], result["send"]["attempts"]) == rows[step][:2], step


def check_runs(runs):
    """A rejected submit ends a run of ready polls, a ready poll one of rejected submits."""
    rejected = [run for run in runs if run[3:5] == ("s", truth.REJECTED)]
    ready = [run for run in runs if run[3:5] == ("p", 1)]
    edges = sorted([(run[0], run[1], "s") for run in rejected] + [(*run[:2], "p") for run in ready])
    for (_, last, kind), (first, _, following) in zip(edges, edges[1:]):
        assert kind == following or last <= first


@pytest.mark.parametrize(
    "slow",
    [
        "none",
        "sink:refuse:1us",
        "sink:refuse:20us",
        "sink:refuse:1ms",
        "sink:block:50us",
        "batch:refuse:100us",
        "transform:refuse:100us",
        "transform:block:100us",
        "filter:refuse:100us",
        "decode:refuse:100us",
    ],
)
def test_what_a_step_hands_on_is_what_the_next_one_takes(tmp_path, slow):
    path = tmp_path / "truth.log"
    done = demo("--source", "memory", "--slow", slow, "--duration", "300ms", "--truth", str(path))
    assert done.returncode == 0, done.stderr
    log = truth.read(path)
    assert log.exit is not None and all(i.end for i in log.instances.values())
    results = truth.compute(log)
    assert truth.chain_breaks(results) == []
    assert all(result["accepted"] > 0 for result in results)
    check_against_table(results, done.stderr)
    for instance in log.instances.values():
        check_runs(instance.runs)
    # What is refused at a boundary is refused to its caller, whoever it was that refused.
    rows = table(done.stderr)
    merged = truth.merge(results)
    for step, following in zip(CHAIN, CHAIN[1:]):
        assert merged[step]["receive"]["attempts"] == sum(rows[following][1:])


def test_a_refusal_is_kept_by_tasks_and_passed_back_by_pass_through_steps(tmp_path):
    path = tmp_path / "truth.log"
    done = demo(
        "--steps", "decode,filter,first=guard,batch,sink", "--source", "memory",
        "--slow", "sink:refuse:1ms", "--duration", "200ms", "--truth", str(path),
    )  # fmt: skip
    assert done.returncode == 0
    rows = table(done.stderr)
    for step in ("filter", "first"):
        assert rows[step][1] == 0 and rows[step][2] > 0
    for step in ("decode", "batch", "sink"):
        assert rows[step][1] > 0 and rows[step][2] == 0
    for step, result in truth.merge(truth.compute(truth.read(path))).items():
        assert (result["send"]["episodes"] == 0) == (step in ("filter", "first"))


@pytest.mark.parametrize("count", [1, 997, 5003])
def test_every_message_gets_through(tmp_path, count):
    path = tmp_path / "truth.log"
    done = demo("--source", "memory", "--slow", "sink:refuse:10us", "--batch", "5",
                "--messages", str(count), "--truth", str(path))  # fmt: skip
    assert done.returncode == 0
    good = [i for i in range(count) if i % 997 != 996]
    kept = [i for i in good if i % 10 != 9]
    merged = truth.merge(truth.compute(truth.read(path)))
    accepted = {step: result["accepted"] for step, result in merged.items()}
    assert accepted["decode"] == accepted["filter"] == len(good)
    assert accepted["transform"] == accepted["batch"] == len(kept)
    assert accepted["sink"] >= len(kept) / 5
    assert f"{count} messages" in done.stderr and f"{count - len(good)} of them" in done.stderr
    assert all(not result["send"]["abandoned"] for result in merged.values())


def test_a_rebalance_ends_all_steps_and_makes_new_ones(tmp_path):
    path = tmp_path / "truth.log"
    with Consumer(path, "--slow", "sink:refuse:1h") as it:
        it.wait_line("in backpressure")
        it.say("rebalance")
        it.pause()
        it.say("quit")
        assert it.wait(PATIENCE) == 0
    log = truth.read(path)
    results = truth.compute(log)
    assert [result["step"] for result in results] == CHAIN[::-1] * 2
    assert truth.chain_breaks(results) == []
    first = results[:5]
    assert [result["send"]["abandoned"] for result in first][:1] == [1]
    assert log.instances[1].end < log.instances[6].begin


def test_another_step_gets_slow_at_run_time(tmp_path):
    path = tmp_path / "truth.log"
    with Consumer(path, "--slow", "none") as it:
        it.say("transform:refuse:1h")
        it.wait_line("slow is now transform, it refuses for 3600 s")
        it.wait_line("in backpressure")
        it.say("nobody:refuse:1s")
        it.wait_line("there is no step 'nobody'")
        it.say("what")
        it.wait_line("'what' is no command")
        it.say("quit")
        assert it.wait(PATIENCE) == 0
    merged = truth.merge(truth.compute(truth.read(path)))
    assert merged["transform"]["send"]["abandoned"] == 1
    assert merged["decode"]["send"]["abandoned"] == 1
    assert merged["sink"]["send"]["abandoned"] == 0


def test_no_step_is_called_in_a_pause(tmp_path):
    path = tmp_path / "truth.log"
    with Consumer(path, "--slow", "sink:refuse:1ms") as it:
        it.wait_line("in backpressure")
        paused = it.pause()
        it.say("sink:refuse:2ms")
        it.wait_line("slow is now sink")
        resumed = it.resume()
        it.pause()
        it.say("quit")
        assert it.wait(PATIENCE) == 0
    runs = [run for i in truth.read(path).instances.values() for run in i.runs]
    assert any(last < paused for _, last, *_ in runs)
    assert any(first > resumed for first, *_ in runs)
    assert all(last < paused or first > resumed for first, last, *_ in runs)


@needs_librdkafka
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, "quit"])
@pytest.mark.parametrize("slow", ["sink:refuse:1ms", "sink:block:1h"])
def test_it_ends_when_told_and_its_broker_with_it(tmp_path, how, slow):
    path = tmp_path / "truth.log"
    with Consumer(path, "--slow", slow, source="kafka") as it:
        if slow == "sink:refuse:1ms":
            it.wait_line("in backpressure")
        brokers = wait_until(lambda: children(it), "it has no broker", PATIENCE)
        if how == "quit":
            it.say(how)
        else:
            it.signal(how)
        assert it.process.wait(PATIENCE) == 0  # not of its last line: the broker writes there too
        assert not any(alive(broker) for broker in brokers)
    log = truth.read(path)
    assert log.exit is not None
    if slow == "sink:refuse:1ms":
        assert truth.chain_breaks(truth.compute(log)) == [] and len(log.instances) == 5


@needs_librdkafka
def test_killed_it_leaves_no_broker():
    with Program([DEMO]) as it:
        it.wait_line("in backpressure")
        (broker,) = children(it)
        assert alive(broker)
        it.process.kill()
        it.process.wait()
        try:
            wait_until(lambda: not alive(broker), "the broker is still there", PATIENCE)
        finally:
            if alive(broker):
                os.kill(broker, signal.SIGKILL)


@needs_librdkafka
def test_a_broker_of_its_own_serves_a_consumer():
    with Program([DEMO, "broker", "--rate", "5000"], "stdout") as broker:
        address = broker.wait_line(r"^127\.0\.0\.1:\d+$")[0]
        done = demo("--brokers", address, "--messages", "3000", "--slow", "none")
        assert done.returncode == 0
        # Which of the two partitions is ahead, and so how many garbled ones come, nobody knows.
        (invalid,) = re.findall("3000 messages in .* s, ([0-9]+) of them invalid", done.stderr)
        assert table(done.stderr)["decode"][0] == 3000 - int(invalid)
        assert int(invalid) > 0
        broker.signal(signal.SIGTERM)
        assert broker.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    "options, status, words",
    [
        (["nonsense"], 2, "unknown role 'nonsense'"),
        (["--nonsense"], 2, "unknown option '--nonsense'"),
        (["--duration"], 2, "missing after '--duration'"),
        (["--duration", "0"], 2, "--duration does not take '0'"),
        (["--duration", "1x"], 2, "--duration does not take '1x'"),
        (["--duration", "1e3"], 2, "--duration does not take '1e3'"),
        (["--duration", "nan"], 2, "--duration does not take 'nan'"),
        (["--duration", "."], 2, "--duration does not take '.'"),
        (["--rate", "-1"], 2, "--rate does not take '-1'"),
        (["--messages", "0"], 2, "--messages does not take '0'"),
        (["--slow", "sink"], 2, "--slow does not take 'sink'"),
        (["--slow", "sink:stop:1s"], 2, "--slow does not take 'sink:stop:1s'"),
        (["--slow", ":refuse:1s"], 2, "--slow does not take ':refuse:1s'"),
        (["--slow", "nobody:refuse:1s"], 2, "nobody: no step has that name"),
        (["--steps", "decode,what"], 2, "a kind is decode"),
        (["--steps", "decode,,sink"], 2, "a step has no name"),
        (["--steps", "decode,decode"], 2, "the same name"),
        (["--source", "file"], 2, "--source does not take 'file'"),
        (["--source", "memory", "--truth", "/proc/no/such"], 1, "/proc/no/such: No such file"),
        (["extra", "words"], 2, "unknown role 'extra'"),
        (["consumer", "words"], 2, "unexpected 'words'"),
    ],
)
def test_wrong_usage_is_said_in_one_line(options, status, words):
    done = demo(*options)
    assert done.returncode == status
    assert words in done.stderr and done.stderr.count("\n") == 1


@needs_librdkafka
def test_no_kafka_there():
    done = demo("--brokers", "127.0.0.1:1")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "127.0.0.1:1: " in done.stderr


def test_help_names_every_option():
    done = demo("--help")
    assert done.returncode == 0 and done.stderr == ""
    for option in ("brokers", "source", "truth", "slow", "steps", "messages", "duration", "rate"):
        assert f"--{option} " in done.stdout
