# SPDX-License-Identifier: MIT
"""Attaching and detaching, against the real kernel: first events, late observers, what is left.

PUSHBACK_TEST_LONG=1 attaches as often as one could wish (minutes), else fewer times.
"""

import contextlib
import json
import os
import shutil
import struct
import time

import pytest

import truth
from agent import Agent
from instrumented import BY
from kernel import HAS_MULTI, MULTI
from load import LONG, NS, Consumer, chain_errors, count_errors, run_json, sample_errors
from program import DEMO, PROGS, PUSHBACK, ROOT, Program, patient, run, semaphore_of, wait_until

OBSERVER = PROGS / "observer"
BEAT = NS  # heartbeats, and the longest time between two looks at the clock
LOOK = NS // 4
BEAT_SEEN = patient(BEAT + 2 * LOOK)  # by then one has come, and was looked at
SPINNER_TRUTH = ("pid", "semaphore", "rejected", "accepted", "episodes", "open_before", "open_after", "checksum")


class Spinner(Program):
    def __init__(self, program, truth_file, *options):
        self.truth_file = truth_file
        super().__init__(
            [program, truth_file, *options], output="stdout", preexec_fn=lambda: os.nice(5)
        )
        self.wait_line("ready")

    def truth(self):
        values = struct.unpack("8Q", self.truth_file.read_bytes())
        return dict(zip(SPINNER_TRUTH, values))

    def semaphore(self):
        with open(f"/proc/{self.pid}/mem", "rb") as memory:
            memory.seek(self.truth()["semaphore"])
            return struct.unpack("H", memory.read(2))[0]


@contextlib.contextmanager
def spinners(directory, *options_of_each):
    """Spinners of one binary that no other test knows."""
    program = shutil.copy(PROGS / "spinner", directory / "spinner")
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(Spinner(program, directory / f"truth{i}", *options))
            for i, options in enumerate(options_of_each)
        ]


def observe(verb, times, how, processes):
    """The observer's sights, once it is sure that nothing of any attach was left behind."""
    lines = run_json([OBSERVER, verb, times, how, *(p.pid for p in processes)], timeout=1200)
    ends = [line for line in lines if "ids" in line]
    assert len(ends) == times
    for end in ends:
        assert end["links"] >= 2 and end["ids"] > 10, end  # the look itself sees something
        assert end["left"] == 0 and end["files"] == 0, end
        assert end["lost"] == 0, end
    for process in processes:
        # It may take a moment if others watch the whole host.
        wait_until(lambda: process.semaphore() == 0, f"a lost semaphore in {process.pid}", 20)
    return [line for line in lines if "pid" in line]


# ---- First events ----


@pytest.mark.parametrize(
    "how,times", [pytest.param("multi", 200 if LONG else 25, marks=MULTI), ("no", 200 if LONG else 6)]
)
def test_first_events(tmp_path, how, times):
    """Consumers that spin, each with one episode that is open for ever, which began unwatched.

    The first event must come by the first heartbeat, and through uprobe_multi the watch's very first
    return must be told.
    """
    options = [(), (), ("rate=1000",), ("cycle=100000",)]
    with spinners(tmp_path, *options) as processes:
        sights = observe("first", times, how, processes)
    assert len(sights) == times * len(processes)
    watches = {}
    for sight in sights:
        assert sight["seen"], sight
        before, watches[sight["pid"]] = watches.get(sight["pid"]), sight["watch_since"]
        if sight["watch_since"] == before:
            # It did not return at all between two attaches: to it they are one watch.
            assert sight["event"] - sight["attach"] <= BEAT_SEEN, sight
            continue
        assert sight["attach"] <= sight["watch_since"] <= sight["event"]
        assert sight["missed"] == 0, "returns of this watch are left out of its counts"
        if how == "multi":
            assert not sight["beat"], f"told by a heartbeat only: {sight}"
        elif sight["events"] == 1:
            # "event" is the last one: with more of them the first was earlier than the look.
            assert sight["event"] - sight["watch_since"] <= BEAT_SEEN, sight
        if sight["events"] == 1 and sight["open"]:
            assert sight["partial"] and sight["since"] >= sight["watch_since"], sight


# ---- A late observer ----


@pytest.mark.parametrize("how", [pytest.param("multi", marks=MULTI), "no"])
def test_join_a_stuck_consumer(tmp_path, how):
    """It shows an episode that another observer has seen begin, with its true beginning."""
    rates = ("rate=10", "rate=1000", "rate=0")
    with Agent("--path", shutil.copy(PROGS / "spinner", tmp_path / "spinner")):
        with contextlib.ExitStack() as stack:
            processes = [
                stack.enter_context(
                    Spinner(tmp_path / "spinner", tmp_path / rate, rate, "first=accept")
                )
                for rate in rates
            ]
            time.sleep(1.5)  # by now they fire at heartbeats only
            lines = run_json([OBSERVER, "join", 4, how, *(p.pid for p in processes)])
            sights = [line for line in lines if "pid" in line]
            assert len(sights) == 4 * len(processes)
            truths = {p.pid: p.truth() for p in processes}
    for sight in sights:
        own = truths[sight["pid"]]
        assert sight["seen"], sight
        assert not sight["partial"], sight
        assert own["open_before"] <= sight["since"] <= own["open_after"], (sight, own)
        assert sight["after"] <= patient(1.5 * NS), sight


# ---- Attach and detach under load ----


def test_output_is_unchanged(tmp_path):
    """The same messages come out of a consumer that is attached to and let go all the time."""
    options = ("cycle=20", "messages=600000")
    with spinners(tmp_path, options) as [alone]:
        alone.wait()
        want = alone.lines[-1]
    times = 100 if LONG else 8
    options = ("cycle=20", "messages=1000000000")
    with spinners(tmp_path, options) as [watched]:
        observe("first", times if HAS_MULTI else 2, "multi" if HAS_MULTI else "no", [watched])
        observe("first", 2, "no", [watched])
        got = watched.truth()
        assert got["accepted"] > 1000
    assert want == str(checksum(600000))
    # It is one call at most ahead of what it says.
    assert got["checksum"] in (checksum(got["accepted"]), checksum(got["accepted"] - 1))


def checksum(messages):
    value = 0
    for i in range(1, messages + 1):
        value = (value * 6364136223846793005 + i) & (1 << 64) - 1
    return value


def test_demo_is_unchanged(tmp_path):
    """Of the demo: the same messages through every step, with agents that come and go."""
    demo = shutil.copy(DEMO, tmp_path / "demo")
    other = shutil.copy(DEMO, tmp_path / "other")
    # Ten seconds of its own; an agent in valgrind takes as long to come.
    messages = 150000 * (10 if BY == "valgrind" else 1)
    options = ("--slow", "sink:refuse:200us", "--batch", "4", "--messages", messages)

    def summary(consumer):
        assert consumer.wait() == 0
        rows = [line.split() for line in consumer.lines[-5:]]
        return {row[0]: int(row[1]) for row in rows}

    with Consumer(tmp_path / "alone", *options, program=other) as alone:
        with Consumer(tmp_path / "watched", *options, program=demo) as watched:
            agents = 0
            while watched.process.poll() is None:
                with Agent("--path", demo) as agent:
                    time.sleep(0.02)
                    agent.end()
                agents += 1
            assert agents > 2
            have = summary(watched)
        want = summary(alone)
    # How batches come about is a matter of time.
    for step in ("decode", "filter", "transform", "batch"):
        assert have[step] == want[step]


# ---- Many ----


def test_thousand_steps_in_fifty_processes(tmp_path):
    many = shutil.copy(PROGS / "many", tmp_path / "many")
    with contextlib.ExitStack() as stack:
        agent = stack.enter_context(Agent("--path", many, "--tag-from", "pid"))
        processes = [
            stack.enter_context(Program([many, 20, 8000, seed, "end" if seed % 2 else "exit"], "stdout"))
            for seed in range(50)
        ]
        for process in processes:
            process.wait_line("ready")
        for process in processes:
            process.say("go")
        for process in processes:
            assert process.wait(120) == 0
        time.sleep(0.1)
        agent.end()
    errors = []
    for process in processes:
        errors += many_errors(agent, process)
    assert not errors, "\n".join(errors[:20])
    # They hand on at random: to more steps than are kept.
    assert set(agent.lost()) <= {"nexts_full"}, agent.lost()


def many_errors(agent, process, **tags):
    """The program's own truth against what the agent says of this process."""
    steps = {}
    for line in process.lines:
        if line.startswith("{"):
            step = json.loads(line)
            steps[step["step"]] = step
    assert steps
    errors = count_errors(agent, steps, pid=process.pid, **tags)
    errors += sample_errors(agent, steps, pid=process.pid, **tags)
    return [f"{process.pid}: {error}" for error in errors]


# ---- Libraries ----


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("library") / "libmany.so"
    compiler = shutil.which(os.environ.get("CC", "gcc"))
    if not compiler:
        pytest.skip("takes a C compiler")
    flags = ["-O2", "-g", "-D_GNU_SOURCE", "-DMANY_LIBRARY", "-shared", "-fPIC"]
    files = ["-I", ROOT / "include", ROOT / "tests/progs/many.c", "-o", path]
    done = run(compiler, *flags, *files)
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("target", ["pid", "path"])
def test_library_that_is_opened_later(tmp_path, library, target):
    library = shutil.copy(library, tmp_path / "libmany.so")
    host = shutil.copy(PROGS / "host", tmp_path / "host")
    with Program([host, library, "many_run", 3, 3000, 7, "exit"], "stdout") as process:
        process.wait_line("host")
        options = ("--pid", process.pid) if target == "pid" else ("--path", library)
        with Agent(*options, "--tag-from", "pid") as agent:
            process.say("open it")
            process.wait_line("ready")
            if target == "pid":
                wait_until(lambda: semaphore_of(process.pid, "libmany.so"), "never attached")
            process.say("go")
            assert process.wait() == 0
            time.sleep(0.1)
            agent.end()
    # The host's own step is told of with the process only.
    host = [f"{process.pid}: host: no such step"] if target == "pid" else []
    assert many_errors(agent, process) == host


# ---- Where a binary can be ----


def check_paused(agent, consumer, window, **tags):
    results = consumer.truth([window], until=window[1])
    steps = truth.merge(results)
    errors = count_errors(agent, steps, **tags) + sample_errors(agent, steps, **tags)
    errors += chain_errors(agent, results, **tags)
    assert not errors, "\n".join(errors)
    assert sum(step["send"]["episodes"] for step in steps.values()) > 10


def watch_for_a_while(directory, consumer, *options):
    """Attaches in a pause and detaches in one: the agent, and the window."""
    begin = consumer.pause_unwatched()
    with Agent(*options, "--tag-from", "pid") as agent:
        consumer.resume()
        time.sleep(0.5)
        consumer.pause()
        end, _ = agent.end()
    consumer.resume()
    return agent, (begin, end)


@pytest.mark.parametrize("target", ["pid", "all"])
@pytest.mark.parametrize("where", ["deleted", "replaced", "namespace"])
def test_binary_that_no_path_leads_to(tmp_path, where, target):
    options = ["--slow", "sink:refuse:5ms"]
    if where == "namespace":
        hidden = tmp_path / "hidden"
        hidden.mkdir()
        program = hidden / "demo"
        command = f'mount -t tmpfs none "{hidden}" && cp "{DEMO}" "{program}" && exec "$@"'
        prefix = ["unshare", "-m", "--propagation", "private", "sh", "-c", command, "sh"]
    else:
        program = shutil.copy(DEMO, tmp_path / "demo")
        prefix = []
    with Consumer(tmp_path / "log", *options, program=program, prefix=prefix) as consumer:
        consumer.wait_line("backpressure")
        if where == "deleted":
            os.unlink(program)
        elif where == "replaced":
            shutil.copy(PUSHBACK, tmp_path / "new")
            os.rename(tmp_path / "new", program)
        else:
            assert not program.exists()
        choice = ("--pid", consumer.pid) if target == "pid" else ("--all",)
        agent, window = watch_for_a_while(tmp_path, consumer, *choice)
        consumer.end()
    check_paused(agent, consumer, window, pid=consumer.pid)
    if target == "all":
        assert agent.counters(pid=consumer.pid)


def test_path_follows_the_file_that_is_there_now(tmp_path):
    """A deploy puts a new binary under the old name: consumers of both are seen."""
    program = tmp_path / "demo"
    shutil.copy(DEMO, program)
    options = ("--slow", "sink:refuse:5ms")
    with Agent("--path", program, "--tag-from", "pid") as agent:
        with Consumer(tmp_path / "old", *options, program=program) as old:
            old.wait_line("backpressure")
            shutil.copy(DEMO, tmp_path / "new")
            os.rename(tmp_path / "new", program)
            time.sleep(2.5)
            with Consumer(tmp_path / "log", *options, program=program) as new:
                time.sleep(1)
                new.end()
            old.end()
        time.sleep(0.1)
        agent.end()
    for consumer in (old, new):
        results = consumer.truth()
        errors = count_errors(agent, truth.merge(results), pid=consumer.pid)
        assert not errors, "\n".join(errors)
