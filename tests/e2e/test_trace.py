# SPDX-License-Identifier: MIT
"""Episodes one by one: as many as there were in truth, each as long as it was, and none made up."""

import collections
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

import truth
from driver import ACCEPTED, REJECTED, Driver
from instrumented import ask_of_no_memory, except_by, leave_the_rest_out_by
from load import BUCKET, CLOCK, NS, Consumer, run_json
from program import DEMO, PUSHBACK, ROOT, Program, now, patient, run, wait_until
from scene import PAUSE, between, pause, refuse

STATES = {"send": "refusing", "receive": "blocked"}
UTF8 = os.environ | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


class Trace(Program):
    """`pushback trace`, attached; what it writes goes into a file."""

    def __init__(self, directory, *options, output="--json"):
        self.path = directory / "trace.out"
        with open(self.path, "w") as out:
            argv = [PUSHBACK, "trace", *filter(None, [output]), *options]
            super().__init__(argv, stdout=out, env=UTF8)
        self.wait_line("^pushback: tracing ")

    def text(self):
        return self.path.read_text()

    def objects(self):
        """All so far, by kind."""
        kinds = collections.defaultdict(list)
        for line in self.text().splitlines(keepends=True):
            if line.endswith("\n"):
                found = json.loads(line)
                kinds[found["kind"]].append(found)
        return kinds

    def episodes(self, **like):
        return [e for e in self.objects()["episode"] if like.items() <= e.items()]

    def end(self):
        self.signal(signal.SIGINT)
        assert self.wait() == 0, self.lines
        return self.objects()


@pytest.fixture
def demo(tmp_path):
    """A copy of its own: other tests' consumers are not seen."""
    return shutil.copy(DEMO, tmp_path / "demo")


# ---- Held against the consumer's own log ----


def of(objects, step, state):
    return [o for o in objects if (o["step"], o["state"]) == (step, state)]


def state_errors(found, name, direction, true, wall_ns):
    """Where a step's lines of one state are not what its log says."""
    lines = of(found["episode"], name, STATES[direction])
    ends = collections.Counter(line["end"] for line in lines)
    told = of(found["histogram"], name, STATES[direction])
    whole = told[0] if told else collections.Counter()
    closed = [line for line in lines if line["end"] == "closed"]
    right = {
        "lines of closed and folded ones": (ends["closed"] + whole["folded"], true["episodes"]),
        "episodes": (whole["episodes"], true["episodes"]),
        "abandoned": (ends["abandoned"], true["abandoned"]),
        "partial": (ends["partial"], true["partial"]),
        "in buckets": (sum(n for _, n in whole["buckets"]) if told else 0, true["episodes"]),
    }
    errors = [f"{name} {direction} {what}: {a}, in truth {b}" for what, (a, b) in right.items() if a != b]
    # All that ended has its time in some line, but for what is folded after the last one.
    all_ns = sum(line["duration"] + line["folded_time"] for line in lines) * 1e6
    whole_ns = whole["time"] * 1e6
    after = whole["folded"] - sum(line["folded"] for line in lines)
    if all_ns > whole_ns + 1000 or (not after and all_ns < whole_ns - 1000):
        errors.append(f"{name} {direction}: lines of {all_ns} ns, {whole_ns} ns in all")
    # An abandoned one has folded ones before it as well.
    have = (sum(line["duration"] for line in closed) + sum(line["folded_time"] for line in lines)) / 1e3
    want = sum(true["durations_ns"]) / NS
    slack = 0.02 * wall_ns / NS + true["slack_ns"] / NS + CLOCK + after * (max(true["durations_ns"], default=0) / NS)
    if abs(have - want) > slack:
        errors.append(f"{name} {direction}: {have:.4f} s, in truth {want:.4f} s")
    if not whole["folded"]:
        errors += one_by_one(name, direction, lines, closed, true)
    return errors


def one_by_one(name, direction, lines, closed, true):
    slack = CLOCK + true["slack_ns"] / NS
    have = sorted(line["duration"] / 1e3 for line in closed)
    pairs = zip(have, sorted(d / NS for d in true["durations_ns"]), strict=True)
    errors = [
        f"{name} {direction}: {a:.6f} s, in truth {b:.6f} s"
        for a, b in pairs
        if abs(a - b) > max(slack, BUCKET * b)
    ]
    attempts = sum(line["rejections"] for line in lines)
    if attempts != true["attempts"]:
        errors.append(f"{name} {direction}: {attempts} rejections, in truth {true['attempts']}")
    return errors


def errors_of(found, results, wall_ns):
    steps = truth.merge(results)
    return [
        error
        for name, step in steps.items()
        for direction in STATES
        for error in state_errors(found, name, direction, step[direction], wall_ns)
    ]


@pytest.mark.parametrize("options", [[], ["--no-multi"]], ids=["uprobe_multi", "perf"])
@pytest.mark.parametrize("slow", ["100ms", "1ms", "10us"])
def test_all_ends_are_there(tmp_path, demo, slow, options):
    begin = now()
    with Trace(tmp_path, "--path", demo, *options) as trace:
        with Consumer(tmp_path / "log", "--slow", f"sink:refuse:{slow}", program=demo) as consumer:
            time.sleep(2)
            consumer.end()
        wall = now() - begin
        found = trace.end()
    results = consumer.truth()
    errors = errors_of(found, results, wall)
    assert not errors, "\n".join(errors)
    (end,) = found["end"]
    assert (end["untold"], end["lost"], end["unlisted"]) == (0, {}, 0)
    if slow == "10us":
        leave_the_rest_out_by("thread", reason="the consumer takes longer than its sink, which has nobody to refuse")
    assert {line["pid"] for line in found["episode"]} == {consumer.pid}
    if slow == "100ms":
        sink = of(found["episode"], "sink", "refusing")
        assert all(line["self"] == line["duration"] for line in sink)
    assert sum(r["send"]["episodes"] for r in results) > 10


def test_a_killed_one_is_abandoned(tmp_path, demo):
    with Trace(tmp_path, "--path", demo) as trace:
        with Consumer(tmp_path / "log", "--slow", "sink:refuse:100ms", program=demo) as consumer:
            consumer.wait_line("backpressure")
            consumer.pause_in_backpressure()
            time.sleep(0.1)
            consumer.kill()
        found = trace.end()
    gone = [line for line in found["episode"] if line["end"] == "abandoned"]
    assert {"sink", "batch", "transform"} <= {line["step"] for line in gone}
    assert all(line["duration"] >= 100 and line["rejections"] for line in gone)


# ---- Scripted: what each line says ----


def lines_of(trace, step):
    return [line for line in trace.objects()["episode"] if line["step"] == step]


def assert_took(line, begin, end):
    took = between(begin, end)
    assert took.least <= line["duration"] * 1e6 <= took.most


def test_what_a_line_says(tmp_path):
    with Driver(tmp_path) as d, Trace(tmp_path, "--path", tmp_path / "driver") as trace:
        d.init(0, "step")
        refuse(d)
        begin = d.submit(0, REJECTED)
        pause()
        blocked = d.forward(0, REJECTED)
        d.calls([("submit", 0, REJECTED), ("forward", 0, REJECTED)], 100)
        freed = d.forward(0, ACCEPTED)
        end = d.submit(0, ACCEPTED)
        found = trace.end()["episode"]
    _, receive, send = found
    common = {"pid": d.pid, "process": "driver", "step": "step", "end": "closed", "at_least": False,
              "late": False, "folded": 0, "untold": 0, "rejections": 101}
    assert common.items() <= send.items() and common.items() <= receive.items()
    assert (send["state"], receive["state"], receive["self"]) == ("refusing", "blocked", None)
    assert_took(send, begin, end)
    assert_took(receive, blocked, freed)
    assert PAUSE * 1e3 <= send["self"] == pytest.approx(send["duration"] - receive["duration"])
    since_1970 = time.time_ns() - time.monotonic_ns()
    assert end.before - NS // 10 <= send["time"] * NS - since_1970 <= end.after + NS // 10


def test_a_beginning_that_was_not_seen(tmp_path):
    with Driver(tmp_path) as d:
        d.init(0, "step")
        d.submit(0, ACCEPTED)
        d.submit(0, REJECTED)
        with Trace(tmp_path, "--path", tmp_path / "driver") as trace:
            begin = d.submit(0, REJECTED)
            pause()
            end = d.submit(0, ACCEPTED)
            refuse(d)
            partial, closed = trace.end()["episode"]
    assert (partial["end"], partial["at_least"]) == ("partial", True)
    assert_took(partial, begin, end)
    assert (closed["end"], closed["at_least"], closed["rejections"]) == ("closed", False, 1)


def test_an_opening_that_was_not_told_leaves_it_unknown(tmp_path):
    """Another one watched it from its beginning: how long is known, what it has refused is not."""
    with Driver(tmp_path) as d, Trace(tmp_path, "--path", tmp_path / "driver"):
        d.init(0, "step")
        begin = d.submit(0, REJECTED)
        d.calls([("submit", 0, REJECTED)], 100)
        (tmp_path / "second").mkdir()
        with Trace(tmp_path / "second", "--path", tmp_path / "driver") as second:
            d.tell_all(0)
            end = d.submit(0, ACCEPTED)
            (line,) = second.end()["episode"]
    assert (line["end"], line["rejections"], line["self"]) == ("closed", None, None)
    assert_took(line, begin, end)


@pytest.mark.parametrize("how", ["step_end", "exit", "renew"])
def test_abandoned(tmp_path, how):
    with Driver(tmp_path) as d, Trace(tmp_path, "--path", tmp_path / "driver") as trace:
        d.init(0, "step")
        begin = d.calls([("submit", 0, REJECTED)], 5)[0]
        pause()
        if how == "step_end":
            end = d.step_end(0)
        else:
            end = d.renew(0, "step") if how == "renew" else d.exit()
        (line,) = trace.end()["episode"]
    assert (line["end"], line["rejections"]) == ("abandoned", 5)
    assert_took(line, begin, end)


def test_what_is_written_over_may_have_done_more(tmp_path):
    with Driver(tmp_path) as d, Trace(tmp_path, "--path", tmp_path / "driver") as trace:
        d.init(0, "step")
        begin = d.submit(0, REJECTED)
        pause()
        d.init(0, "other")
        end = d.forward(0, REJECTED)
        d.forward(0, ACCEPTED)
        found = trace.end()
    line, other = found["episode"]
    assert (line["step"], line["end"], line["rejections"]) == ("step", "abandoned", None)
    assert_took(line, begin, end)
    assert (other["step"], other["end"], other["rejections"]) == ("other", "closed", 1)
    assert found["end"][0]["lost"] == {"replaced": 1}


def test_a_consumer_with_a_recipe(tmp_path):
    """Each episode is told: as many, and with as many refusals, as the program says."""
    program = tmp_path / "plain"
    source = ROOT / "tests" / "recipe"
    assert run("gcc", "-O2", source / "plain.c", "-o", program, "-pthread").returncode == 0
    with Trace(tmp_path, "--path", program, "--recipe", source / "plain.ini", "--budget", "400%") as trace:
        right = {step["step"]: step for step in run_json([program, 1, 3000, 2])}
        found = trace.end()
    assert right["write"]["send_backpressure_episodes"] > 10
    for name, step in right.items():
        for direction, state in STATES.items():
            lines = of(found["episode"], name, state)
            ends = collections.Counter(line["end"] for line in lines)
            assert ends["closed"] == step[f"{direction}_backpressure_episodes"]
            assert ends["abandoned"] == step[f"{direction}_backpressure_abandoned"]
            assert sum(line["rejections"] for line in lines) == step[f"{direction}_backpressure"]
            assert not any(line["folded"] or line["untold"] for line in lines)


def test_a_consumer_that_is_watched_partly(tmp_path):
    program = tmp_path / "plain"
    source = ROOT / "tests" / "recipe"
    assert run("gcc", "-O2", source / "plain.c", "-o", program, "-pthread").returncode == 0
    with Trace(tmp_path, "--path", program, "--recipe", source / "plain.ini", "--budget", "0.1%") as trace:
        run_json([program, 1, 6000, 2])
        found = trace.end()
    assert found["end"][0]["partly"] == 1
    assert any("1 file was watched for a part of the time" in line for line in trace.lines)


def test_what_stays_open_is_shown_once_and_at_the_end(tmp_path):
    with Driver(tmp_path) as d, Trace(tmp_path, "--path", tmp_path / "driver") as trace:
        d.init(0, "stuck")
        d.init(1, "short")
        d.submit(0, REJECTED)
        refuse(d, 1)
        wait_until(lambda: trace.episodes(end="open"), "never shown")
        time.sleep(2.5)
        d.submit(1, REJECTED)
        time.sleep(0.05)
        assert len(trace.episodes(end="open")) == 1
        found = trace.end()
    lines = [(e["step"], e["end"]) for e in found["episode"]]
    assert lines == [("short", "closed"), ("stuck", "open"), ("stuck", "open"), ("short", "open")]
    first, last = of(found["episode"], "stuck", "refusing")
    assert first["duration"] >= 1000 and last["duration"] >= first["duration"] + 2000
    assert last["rejections"] is None
    (end,) = found["end"]
    assert end["lines"] == 1


def test_an_open_one_that_ends_has_its_line(tmp_path):
    with Driver(tmp_path) as d, Trace(tmp_path, "--path", tmp_path / "driver") as trace:
        d.init(0, "step")
        begin = d.submit(0, REJECTED)
        wait_until(lambda: trace.episodes(end="open"), "never shown")
        end = d.submit(0, ACCEPTED)
        wait_until(lambda: trace.episodes(end="closed"), "never told")
        refuse(d)
        found = trace.end()["episode"]
    assert [e["end"] for e in found] == ["open", "closed", "closed"]
    assert_took(found[1], begin, end)


def test_min_and_step(tmp_path):
    options = ("--path", tmp_path / "driver", "--min", "10ms", "--step", "li*", "--step", "other")
    with Driver(tmp_path) as d, Trace(tmp_path, *options) as trace:
        for place, name in enumerate(["line", "hidden", "other"]):
            d.init(place, name)
            refuse(d, place)
            d.calls([("submit", place, REJECTED), ("submit", place, ACCEPTED)])
        found = trace.end()
    assert [line["step"] for line in found["episode"]] == ["line", "other"]
    assert all(line["duration"] >= 10 for line in found["episode"])
    # A histogram is of all that closed.
    assert [(h["step"], h["episodes"]) for h in found["histogram"]] == [("line", 2), ("other", 2)]
    (end,) = found["end"]
    assert (end["lines"], end["short"], end["other"]) == (2, 2, 2)
    assert any("2 episodes were shorter than --min" in line for line in trace.lines)


def test_match_name_leaves_out_others(tmp_path):
    (tmp_path / "b").mkdir()
    with Driver(tmp_path, name="one") as one, Driver(tmp_path / "b", name="two") as two:
        files = ("--path", one.file, "--path", two.file)
        with Trace(tmp_path, *files, "--match-name", "tw*") as trace:
            for d in (one, two):
                d.init(0, "step")
                refuse(d)
            found = trace.end()
    assert [line["process"] for line in found["episode"]] == ["two"]


# ---- Its end ----


def test_duration(tmp_path, demo):
    with Consumer(tmp_path / "log", "--slow", "sink:refuse:1ms", program=demo) as consumer:
        found = run_json([PUSHBACK, "trace", "--json", "--pid", consumer.pid, "--duration", "1.5s"])
        assert found[-1]["kind"] == "end" and found[-1]["lines"] > 10
        consumer.end()


@except_by("valgrind", reason="so slow that what is open is shown before what had ended, and the order is asked here")
def test_lines_for_people(tmp_path):
    with Driver(tmp_path) as d, Trace(tmp_path, "--path", tmp_path / "driver", output=None) as trace:
        d.init(0, b"ev\x1b[31mil\xff\n")
        d.init(1, "caf\u00e9")
        refuse(d)
        refuse(d, 1)
        d.submit(1, REJECTED)
        time.sleep(0.05)
        trace.signal(signal.SIGINT)
        assert trace.wait() == 0, trace.lines
    text = trace.text()
    titles, evil, cafe, still, *rest = text.splitlines()
    assert titles.split() == "TIME PID PROCESS STEP STATE LASTED REJECTED SELF FOLDED MEAN".split()
    assert "\x1b" not in text and " ev?[31mil?? " in evil
    assert cafe.split()[1:5] == [str(d.pid), "driver", "caf\u00e9", "refusing"]
    assert cafe.split()[6] == "1" and still.endswith("  still open")
    # What is wider than its column moves it for all that follows.
    assert titles.index(" STATE ") < evil.index(" refusing ") == cafe.index(" refusing ")
    assert f"driver[{d.pid}] caf\u00e9 refusing " in text and "1 episode\n" in text
    assert any("|" in line and " to " in line for line in rest)


def test_a_reader_that_goes_ends_it(tmp_path, demo):
    with Consumer(tmp_path / "log", "--slow", "sink:refuse:1ms", program=demo) as consumer:
        argv = [PUSHBACK, "trace", "--pid", str(consumer.pid)]
        trace = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert trace.stdout.readline().startswith("TIME")
        trace.stdout.close()
        assert trace.wait(patient(20)) == 0
        assert "Broken" not in trace.stderr.read()
        trace.stderr.close()
        consumer.end()


def test_a_reader_that_does_not_read_holds_up_nothing(tmp_path):
    """Its lines stay in the ring: what then has no room is counted, and a signal ends it all the same."""
    argv = [PUSHBACK, "trace", "--json", "--path", tmp_path / "driver"]
    reading, writing = os.pipe()
    with Driver(tmp_path) as d, Program(argv, stdout=writing) as trace:
        os.close(writing)
        trace.wait_line("^pushback: tracing ")
        before = peak(trace.pid)
        for place in range(1000):
            d.init(place, f"step {place}")
            d.calls([("submit", place, REJECTED), ("submit", place, ACCEPTED)], 40)
        trace.wait_line("more episodes end than are read")
        after = peak(trace.pid)
        trace.signal(signal.SIGINT)
        assert trace.wait(20) == 0
        assert any("the output is stuck" in line for line in trace.lines)
        assert not any("memory ran out" in line for line in trace.lines)
    os.close(reading)
    ask_of_no_memory()
    assert after - before < 32 << 20


def test_it_ends_with_its_process(tmp_path, demo):
    with Consumer(tmp_path / "log", "--slow", "sink:refuse:100ms", program=demo) as consumer:
        with Trace(tmp_path, "--pid", consumer.pid) as trace:
            time.sleep(0.5)
            consumer.end()
            assert trace.wait() == 0
    assert f"pushback: process {consumer.pid} has ended" in trace.lines
    assert trace.objects()["end"][0]["lines"] > 10


def test_a_full_disk_is_said(demo):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [PUSHBACK, "trace", "--json", "--path", demo, "--duration", "1s"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=patient(60),
        )
    assert done.returncode == 1
    assert "cannot write to standard output: No space left" in done.stderr


@pytest.mark.parametrize("wrong", [["--min", "soon"], ["--duration", "0"], ["--step", ""], ["step"]])
def test_wrong_usage(wrong):
    assert run(PUSHBACK, "trace", *wrong).returncode == 2


# ---- A file for Perfetto ----


def tracks_of(path):
    """(process, track name) -> its slices, in order; what the format asks of a file is checked."""
    found = json.loads(path.read_text())
    names, slices = {}, collections.defaultdict(list)
    for event in found["traceEvents"]:
        if event["ph"] == "M":
            names[event["name"], event["pid"], event["tid"]] = event["args"]
        else:
            assert event["ph"] == "X" and event["dur"] >= 0
            slices[event["pid"], event["tid"]].append(event)
    for of_one in slices.values():
        of_one.sort(key=lambda event: event["ts"])
        ends = [event["ts"] + event["dur"] for event in of_one]
        # One begins when the one before has ended: slices of a track may not overlap.
        assert all(end <= event["ts"] + 0.01 for end, event in zip(ends, of_one[1:]))
    return found["otherData"], {
        (names["process_name", pid, tid]["name"], names["thread_name", pid, tid]["name"]): of_one
        for (pid, tid), of_one in slices.items()
    }


def test_a_file_of_a_track_per_step_and_a_slice_per_episode(tmp_path, demo):
    file = tmp_path / "trace.json"
    with Trace(tmp_path, "--path", demo, "--chrome", file) as trace:
        with Consumer(tmp_path / "log", "--slow", "sink:refuse:100ms", program=demo) as consumer:
            time.sleep(1.5)
            consumer.end()
        assert not file.exists()
        found = trace.end()
    other, tracks = tracks_of(file)
    assert other["untold"] == 0
    lines = collections.Counter((e["step"], e["state"]) for e in found["episode"])
    assert {tuple(name.split()): len(s) for (_, name), s in tracks.items()} == lines
    assert {process for process, _ in tracks} == {"demo"}
    for line, piece in zip(of(found["episode"], "sink", "refusing"), tracks["demo", "sink refusing"]):
        assert piece["dur"] == pytest.approx(line["duration"] * 1e3, abs=0.001)
        assert piece["args"]["rejections"] == line["rejections"]
    assert sorted(os.listdir(tmp_path)) == ["demo", "log", "trace.json", "trace.out"]
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_file_has_what_is_open_once(tmp_path):
    file = tmp_path / "trace.json"
    options = ("--path", tmp_path / "driver", "--chrome", file)
    with Driver(tmp_path) as d, Trace(tmp_path, *options) as trace:
        d.init(0, 'st"uck\\\x01\xff'.encode("latin-1"))
        d.submit(0, REJECTED)
        wait_until(lambda: trace.episodes(end="open"), "never shown")
        trace.end()
    _, tracks = tracks_of(file)
    ((name, slices),) = tracks.items()
    assert name == ("driver", 'st"uck\\\x01\ufffd refusing')
    assert [s["args"]["end"] for s in slices] == ["open"] and slices[0]["dur"] > 1e6


def test_a_file_that_is_there_stays_until_the_end(tmp_path):
    file, link = tmp_path / "trace.json", tmp_path / "link"
    file.write_text("before")
    file.chmod(0o600)
    link.symlink_to(file)
    with Driver(tmp_path), Trace(tmp_path, "--path", tmp_path / "driver", "--chrome", link) as trace:
        assert file.read_text() == "before"
        trace.end()
    assert tracks_of(file) == ({"clock": "CLOCK_MONOTONIC", "untold": 0, "left_out": 0}, {})
    assert link.is_symlink() and file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("where", ["missing/trace.json", ".", "fifo"])
def test_a_file_that_cannot_be_written(tmp_path, demo, where):
    os.mkfifo(tmp_path / "fifo")
    done = run(PUSHBACK, "trace", "--path", demo, "--chrome", tmp_path / where)
    assert done.returncode == 1
    assert re.fullmatch(r"pushback: cannot write .*: (No such file .*|it is no regular file|Is a directory)\n", done.stderr)
    assert sorted(os.listdir(tmp_path)) == ["demo", "fifo"]


def test_a_disk_that_is_full(tmp_path, demo):
    """It is said, at once, and nothing of it is left."""
    disk = tmp_path / "disk"
    disk.mkdir()
    assert run("mount", "-t", "tmpfs", "-o", "size=64k", "none", disk).returncode == 0
    try:
        options = ("--path", demo, "--chrome", disk / "trace.json")
        with Trace(tmp_path, *options) as trace:
            with Consumer(tmp_path / "log", "--slow", "sink:refuse:1ms", program=demo) as consumer:
                assert trace.wait() == 1
                consumer.end()
        assert [line for line in trace.lines if "trace.json" in line] == [
            f"pushback: cannot write {disk}/trace.json: No space left on device"
        ]
        assert not os.listdir(disk)
        # What was seen is there all the same.
        assert trace.objects()["end"]
    finally:
        assert run("umount", disk).returncode == 0


def test_a_signal_while_it_writes_leaves_a_whole_file(tmp_path, demo):
    file = tmp_path / "trace.json"
    with Trace(tmp_path, "--path", demo, "--chrome", file) as trace:
        with Consumer(tmp_path / "log", "--slow", "sink:refuse:1ms", program=demo) as consumer:
            wait_until(lambda: len(trace.episodes()) > 100, "no lines")
            trace.signal(signal.SIGTERM)
            assert trace.wait() == 0
            consumer.end()
    _, tracks = tracks_of(file)
    assert sum(map(len, tracks.values())) == len(trace.episodes())


# ---- Much of it ----


def test_what_has_no_room_is_counted(tmp_path):
    """A new step may tell 32 episodes at once: 1,000 of them are twice what the ring holds."""
    with Driver(tmp_path) as d, Trace(tmp_path, "--path", tmp_path / "driver") as trace:
        trace.signal(signal.SIGSTOP)
        for place in range(1000):
            d.init(place, f"step {place}")
            d.calls([("submit", place, REJECTED), ("submit", place, ACCEPTED)], 40)
        trace.signal(signal.SIGCONT)
        found = trace.end()
    (end,) = found["end"]
    folded = sum(h["folded"] for h in found["histogram"])
    assert sum(h["episodes"] for h in found["histogram"]) == 40_000
    assert end["untold"] > 1000 and end["lines"] == len(found["episode"]) > 1000
    assert end["lines"] + folded + end["untold"] == 40_000
    assert any(f"{end['untold']} ends of episodes had no room" in line for line in trace.lines)


def test_a_hundred_thousand(tmp_path):
    """Of thousands of new steps: memory does not grow with the lines, and the file can be read."""
    turn = [("submit", REJECTED), ("submit", ACCEPTED)] * 40 + [("end", 0)]
    file = tmp_path / "trace.json"
    options = ("--path", tmp_path / "driver", "--chrome", file)
    with Driver(tmp_path) as d, Trace(tmp_path, *options) as trace:
        grown = []
        lines = Lines(trace.path)
        for made in range(4000):
            place = made % 1000
            d.init(place, f"step {place}")
            d.calls([(op, place, value) for op, value in turn])
            if made % 200 == 199:  # no more than the ring holds, however busy this machine is
                wait_until(lambda: lines.count() >= 32 * (made + 1), "lines are missing", 60)
            if place == 999:
                grown.append(peak(trace.pid))
        found = trace.end()
    (end,) = found["end"]
    assert (end["untold"], end["lost"], end["unlisted"]) == (0, {}, 0)
    assert end["lines"] == len(found["episode"]) >= 100_000
    folded = sum(h["folded"] for h in found["histogram"])
    assert end["lines"] + folded == sum(h["episodes"] for h in found["histogram"]) == 160_000
    events = collections.Counter(e["ph"] for e in json.loads(file.read_text())["traceEvents"])
    assert events == {"X": end["lines"], "M": 4000 * 3}
    ask_of_no_memory()
    # The steps' names, durations and tracks, and no more.
    assert grown[-1] < 64 << 20 and grown[-1] - grown[0] < 16 << 20, grown


class Lines:
    """How many a file that grows has by now."""

    def __init__(self, path):
        self.path = path
        self.at = self.seen = 0

    def count(self):
        with open(self.path, "rb") as file:
            file.seek(self.at)
            self.seen += file.read().count(b"\n")
            self.at = file.tell()
        return self.seen


def peak(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
