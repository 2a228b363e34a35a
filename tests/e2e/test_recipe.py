# SPDX-License-Identifier: MIT
"""Consumers that were built without our header, watched by a recipe: each count is the program's own."""

import itertools
import json
import os
import random
import re
import shutil
import signal
import time

import pytest

from agent import Agent
from driver import ACCEPTED, REJECTED, Driver
from instrumented import leave_the_rest_out_by
from program import PROGS, PUSHBACK, ROOT, Program, patient, run, wait_until
from scene import nothing_lost, refuse

SOURCES = ROOT / "tests" / "recipe"
COUNTS = (
    "submit_accepted",
    "send_backpressure",
    "submit_forwarded",
    "receive_backpressure",
    "send_backpressure_episodes",
    "receive_backpressure_episodes",
    "send_backpressure_abandoned",
    "receive_backpressure_abandoned",
)
SEED = int(os.environ.get("PUSHBACK_SEED", random.randrange(1 << 32)))

WAYS = {
    "O2": ["-O2"],
    "O0": ["-O0"],
    "O3": ["-O3"],
    "cet": ["-O2", "-fcf-protection=full"],
    "no-pie": ["-O2", "-no-pie"],
    "static": ["-O2", "-static"],
    # Where the functions survive as they are.
    "lto": ["-O2", "-flto", "-fno-ipa-sra"],
    "frames": ["-O2", "-fno-omit-frame-pointer"],
    "clang": ["-O2"],
}


def build(directory, *flags, source="plain.c", compiler="gcc", name="plain"):
    target = directory / name
    done = run(compiler, *flags, SOURCES / source, "-o", target, "-pthread")
    assert done.returncode == 0, done
    return target


def watch(program, recipe, *options):
    """All of the time: what is counted is the question."""
    return Agent("--path", program, "--recipe", recipe, "--budget", "400%", *options, interval="100ms")


def truth_of(program, *arguments):
    """What it knows of itself, by step."""
    done = run(program, *arguments)
    assert done.returncode == 0, done
    return {line["step"]: line for line in map(json.loads, done.stdout.splitlines())}


def held_against(agent, truth):
    found = agent.counters()
    for step, right in truth.items():
        said = {name: found[step][name] for name in COUNTS}
        assert said == {name: right[name] for name in COUNTS}, step
        # Nothing is folded, nothing was missed.
        assert not found[step]["send_backpressure_partial"], step
        for direction in ("send", "receive"):
            weights = sum(agent.samples(step, direction).values())
            assert weights == right[f"{direction}_backpressure_episodes"], (step, direction)
    assert set(found) == set(truth)
    nothing_lost(agent)


def is_busy(truth):
    """A run that shows nothing proves nothing."""
    assert truth["parse"]["send_backpressure_episodes"] > 10
    assert truth["batch"]["propagated"] > 10
    assert truth["write"]["send_backpressure_episodes"] > 10


@pytest.mark.parametrize("way", WAYS, ids=list(WAYS))
def test_counts_of_a_c_consumer(tmp_path, way):
    print("seed", SEED)
    compiler = "clang" if way == "clang" else "gcc"
    program = build(tmp_path, *WAYS[way], compiler=compiler)
    with watch(program, SOURCES / "plain.ini") as agent:
        truth = truth_of(program, SEED, 3000, 3)
        agent.end()
    is_busy(truth)
    held_against(agent, truth)


def test_counts_with_perf_uprobes(tmp_path):
    """As on kernels before 6.6."""
    program = build(tmp_path, "-O2")
    with watch(program, SOURCES / "plain.ini", "--no-multi") as agent:
        truth = truth_of(program, SEED, 1000, 2)
        agent.end()
    held_against(agent, truth)


def offset_of(program, function):
    """In the file: where this function begins."""
    symbols = run("nm", program).stdout.splitlines()
    address = next(int(line.split()[0], 16) for line in symbols if line.endswith(f" {function}"))
    for line in run("readelf", "-lW", program).stdout.splitlines():
        fields = line.split()
        if fields[:1] == ["LOAD"] and "E" in line[60:]:
            offset, start, size = int(fields[1], 16), int(fields[2], 16), int(fields[4], 16)
            if start <= address < start + size:
                return address - start + offset
    raise AssertionError(f"{function} is in no segment")


def test_counts_of_a_stripped_consumer(tmp_path):
    """Functions by their offsets; where they end, .eh_frame says."""
    program = build(tmp_path, "-O2")
    recipe = (SOURCES / "plain.ini").read_text()
    for line in recipe.splitlines():
        if " symbol " in line:
            function = line.split()[-1]
            recipe = recipe.replace(f"symbol {function}", f"function {offset_of(program, function):#x}")
    assert run("strip", "--strip-all", program).returncode == 0
    file = tmp_path / "stripped.ini"
    file.write_text(recipe)
    with watch(program, file) as agent:
        truth = truth_of(program, SEED, 3000, 2)
        agent.end()
    is_busy(truth)
    held_against(agent, truth)


@pytest.mark.parametrize("flags", [["-O2"], ["-O0"], ["-O2", "-flto"]], ids=" ".join)
def test_counts_of_a_cpp_consumer(tmp_path, flags):
    """An exception passes through probed calls: it is caught as ever, and later counts are right."""
    print("seed", SEED)
    program = build(tmp_path, *flags, source="plain.cc", compiler="g++")
    alone = run(program, SEED, 3000)
    with watch(program, SOURCES / "plain_cc.ini") as agent:
        watched = run(program, SEED, 3000)
        agent.end()
    assert (watched.stdout, watched.stderr, watched.returncode) == (alone.stdout, alone.stderr, 0)
    truth = {line["step"]: line for line in map(json.loads, watched.stdout.splitlines())}
    assert truth["Parse"]["send_backpressure_episodes"] > 10 and "caught 0" not in watched.stderr
    held_against(agent, truth)


@pytest.mark.parametrize("flags", [["-O2"], ["-O0"], ["-O2", "-DSEMAPHORE", "-D_SDT_HAS_SEMAPHORES=1"]], ids=" ".join)
def test_counts_by_probes_of_its_own(tmp_path, flags):
    print("seed", SEED)
    program = build(tmp_path, *flags, source="plain_usdt.c")
    with watch(program, SOURCES / "plain_usdt.ini") as agent:
        truth = truth_of(program, SEED, 5000)
        agent.end()
    assert truth["queue"]["send_backpressure_episodes"] > 10
    held_against(agent, truth)


# ---- What it may cost ----


def run_busy(directory, recipe, *options, rate=0, seconds=3):
    """(what it knows, its rates, what the agent said and received) of busy under a budget."""
    program = build(directory, "-O2", source="busy.c", name="busy")
    agent = watch(program, recipe, *options)
    try:
        done = run(program, rate, seconds)
        assert done.returncode == 0, done
        agent.signal(signal.SIGTERM)
        assert agent.wait() == 0
        agent.receiver.stop()
    finally:
        agent.__exit__()
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["step"]: line for line in lines[:-1]}, lines[-1], agent


def agent_gauge(agent, name):
    return agent.receiver.gauge(f"pushback.agent.{name}")


def test_what_costs_too_much_is_watched_partly(tmp_path):
    """It spins, and each hit is worth more than 1 %: it is said, marked, and the rest is not made up."""
    truth, _, agent = run_busy(tmp_path, SOURCES / "busy.ini", "--budget", "10%", seconds=14)
    said = [line for line in agent.lines if "more than --budget 10%" in line]
    assert len(said) == 1 and "watched:partly" in said[0] and str(tmp_path / "busy") in said[0], agent.lines
    exact = agent.counters()
    partly = {step: agent.counters(watched="partly")[step] for step in truth}
    for step, right in truth.items():
        accepted = partly[step]["submit_accepted"]
        assert 0 < accepted < right["submit_accepted"], step
        # `exact` has both: series without the tag are of the time before.
        assert accepted < exact[step]["submit_accepted"] < right["submit_accepted"], step
        assert partly[step]["send_backpressure_abandoned"] == 0, step
    # What a step says within a window agrees with what its neighbours say.
    for above, below in itertools.pairwise(("one", "two", "three", "four", "five")):
        assert partly[above]["submit_forwarded"] == pytest.approx(partly[below]["submit_accepted"], abs=20)
    # A call that is under way when a window begins.
    assert set(agent.lost()) <= {"return_unmatched"}, agent.lost()


def test_what_is_within_its_budget_is_whole(tmp_path):
    truth, _, agent = run_busy(tmp_path, SOURCES / "busy.ini", "--budget", "400%", rate=2000)
    assert len(agent.lines) == 1
    assert not agent.counters(watched="partly")
    assert agent_gauge(agent, "files_partly") == 0
    held_against(agent, truth)


def test_our_own_probes_have_a_budget_too(tmp_path):
    """Only where one is asked for; then the same holds."""
    program = shutil.copy(PROGS / "spinner", tmp_path / "spinner")
    for options, partly in (([], False), (["--budget", "0.00001%"], True)):
        with Agent("--path", program, *options, interval="100ms") as agent:
            spinner = Program([program, tmp_path / "truth"], output="stdout")
            with spinner:
                spinner.wait_line("ready")
                time.sleep(4)
            agent.signal(signal.SIGTERM)
            assert agent.wait() == 0
            agent.receiver.stop()
            said = [line for line in agent.lines if "more than --budget" in line]
            assert len(said) == partly, agent.lines


def test_steps_end_while_their_file_is_left_alone(tmp_path):
    """The drain that this begins with forgets those that have ended: only those that go on are gone through after it."""

    def one_more(place):
        d.init(place, "short")
        d.calls([("submit", place, REJECTED), ("submit", place, ACCEPTED)], 2)
        d.step_end(place)
        return any("more than --budget" in line for line in agent.lines) or agent.process.poll() is not None

    # Hundreds of calls of probes in ten seconds, or some fifty where a trap takes 5 us.
    with Driver(tmp_path) as d, Agent("--path", d.file, "--budget", "0.004%", interval="60s") as agent:
        d.init(0, "long")
        refuse(d)
        wait_until(lambda: one_more(1), "it never costs too much", 20)
        agent.signal(signal.SIGTERM)
        assert agent.wait() == 0
        agent.receiver.stop()
    found = agent.counters()
    assert found["short"]["send_backpressure_episodes"] > 10
    assert found["long"]["send_backpressure_episodes"] == 1


def test_functions_of_a_few_bytes_are_all_found(tmp_path):
    """Side by side, in whatever order the symbols are."""
    body = '(void) { __asm__ volatile(""); return %d; }'
    recipe = tmp_path / "tiny.ini"
    recipe.write_text(
        "[target]\npath = */tiny\n[step S]\nsubmit = glob ?_submit\ninstance = none\n"
        "result = s32 return\naccepted = 0\nrejected = 1\n"
    )
    for one, other in ("ab", "qr", "mn", "yx", "hg"):
        functions = [f"__attribute__((noinline)) int {n}_submit{body % i}\n" for i, n in enumerate(one + other)]
        source = tmp_path / "tiny.c"
        source.write_text("".join(functions) + f"int main(void) {{ return {one}_submit() + {other}_submit(); }}\n")
        assert run("gcc", "-Os", source, "-o", tmp_path / "tiny").returncode == 0
        with watch(tmp_path / "tiny", recipe) as agent:
            agent.end()
        assert "4 sites" in agent.lines[0], (one, other, agent.lines)


# ---- Where it is found ----

HOST = """
#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char **argv)
{
	int (*run)(int, char **);

	for (int c; (c = getchar()) != EOF;) {
		*(void **)&run = dlsym(dlopen(argv[argc - 1], RTLD_NOW), "plain_main");
		if (c != '\\n' && (!run || run(argc, argv) || fflush(stdout)))
			return 1;
	}
	return 0;
}
"""


def a_library(directory):
    """plain.c as a library that a program opens when it is told to: (the program, the library, its recipe)."""
    library = build(directory, "-O2", "-fPIC", "-shared", "-Dmain=plain_main", name="libplain.so.1")
    (directory / "host.c").write_text(HOST)
    done = run("gcc", directory / "host.c", "-o", directory / "foreignhost", "-ldl")
    assert done.returncode == 0, done
    recipe = directory / "library.ini"
    recipe.write_text((SOURCES / "plain.ini").read_text().replace("*/plain", "*/libplain.so.1"))
    return directory / "foreignhost", library, recipe


def test_a_library_that_is_opened_later(tmp_path):
    """By its name alone, in any process, beside what has probes of ours; what it did before is missed."""
    program, library, recipe = a_library(tmp_path)
    argv = [program, str(SEED), "300", "2", library]

    def is_found():
        host.say("x")
        return agent.counters()["parse"]["submit_accepted"]

    with Agent("--all", "--match-name", "foreignhost", "--recipe", recipe, interval="100ms") as agent:
        with Program(argv, output="stdout") as host:
            wait_until(is_found, "the library is not found")
            host.process.stdin.close()
            assert host.wait() == 0
        agent.end()
    found = agent.counters()
    told = [json.loads(line) for line in host.lines]
    assert set(found) == {"parse", "batch", "write"}
    for step in found:
        for name in COUNTS:
            assert found[step][name] <= sum(line[name] for line in told if line["step"] == step), (step, name)
    assert set(agent.lost()) <= {"return_unmatched"}, agent.lost()


def test_a_library_by_its_path(tmp_path):
    """Attached before anybody opens it, all is counted."""
    program, library, recipe = a_library(tmp_path)
    with watch(library, recipe) as agent:
        with Program([program, str(SEED), "3000", "2", library], output="stdout") as host:
            host.say("x")
            host.process.stdin.close()
            assert host.wait() == 0
        agent.end()
    truth = {line["step"]: line for line in map(json.loads, host.lines)}
    is_busy(truth)
    held_against(agent, truth)


def test_a_process_that_runs_already(tmp_path):
    """What was open before is partial, or not seen; what began since is whole."""
    program = build(tmp_path, "-O2", source="busy.c", name="busy")
    with Program([program, "2000", str(int(patient(6)))], output="stdout") as consumer:
        with Agent("--pid", consumer.pid, "--recipe", SOURCES / "busy.ini", "--budget", "400%", interval="100ms") as agent:
            assert consumer.wait() == 0
            assert agent.wait() == 0
            agent.receiver.stop()
    found = agent.counters()
    for above, below in itertools.pairwise(("one", "two", "three", "four", "five")):
        assert abs(found[above]["submit_forwarded"] - found[below]["submit_accepted"]) <= 1
        assert found[above]["receive_backpressure_episodes"] == found["five"]["send_backpressure_episodes"]
    assert found["five"]["send_backpressure_episodes"] > 3
    assert set(agent.lost()) <= {"return_unmatched"}, agent.lost()


def build_id_of(program):
    return re.search(r"Build ID: (\w+)", run("readelf", "-n", program).stdout).group(1)


@pytest.mark.parametrize("digits", [8, 40])
def test_a_build_by_the_beginning_of_its_id(tmp_path, digits):
    program = build(tmp_path, "-O2", "-Wl,--build-id=sha1")
    recipe = tmp_path / "this.ini"
    build_id = build_id_of(program)[:digits]
    recipe.write_text((SOURCES / "plain.ini").read_text().replace("*/plain\n", f"*/plain\nbuild-id = {build_id}\n"))
    with watch(program, recipe) as agent:
        truth = truth_of(program, SEED, 1000)
        agent.end()
    held_against(agent, truth)


# ---- Calls that are not as others ----


def watch_fiber(directory, *arguments):
    program = build(directory, "-O2", source="fiber.c", name="fiber")
    with watch(program, SOURCES / "fiber.ini") as agent:
        done = run(program, *arguments)
        assert done.returncode == 0, done
        agent.end()
    return agent.counters(), agent.lost()


def test_what_cannot_be_followed_is_counted(tmp_path):
    """A call that leaves its thread's stack: its result is in no step's numbers, and that is said."""
    found, lost = watch_fiber(tmp_path, "swap", 100)
    assert found["thread"]["submit_accepted"] == 100
    told = found["fiber"]["submit_accepted"] + found["fiber"]["send_backpressure"]
    assert told + lost["return_unmatched"] == 99, lost


def test_a_call_that_replaces_the_image_is_no_caller_in_the_next(tmp_path):
    found, lost = watch_fiber(tmp_path, "exec", 5)
    assert found["thread"]["submit_accepted"] == 100 and not lost
    assert found["fiber"]["submit_forwarded"] == found["thread"]["submit_forwarded"] == 0


# A budget lets ten seconds' worth be taken at once: nothing is known in parts before that is gone.
WHOLE_AT_FIRST = "beside it the consumer has less of a CPU, and so takes longer than our first look to be paused"


def test_who_is_not_watched_just_now_has_not_ended(tmp_path):
    program = build(tmp_path, "-O2", source="busy.c", name="busy")
    with Program([program, "0", int(patient(20))], output="stdout") as consumer:
        time.sleep(0.2)
        argv = [PUSHBACK, "top", "--pid", consumer.pid, "--recipe", SOURCES / "busy.ini", "--budget", "5%", "--once"]
        done = run(*argv)
        assert consumer.process.poll() is None
    assert done.returncode == 0 and "five" in done.stdout, done
    assert "ended" not in done.stdout + done.stderr, done
    leave_the_rest_out_by("valgrind", reason=WHOLE_AT_FIRST)
    words = " ".join(done.stdout.split())
    assert "by --budget watched " in words and " of the time, not just now, so no verdict" in words, done
    assert "bottleneck" not in words and re.search(r"^~five +partly ", done.stdout, re.M), done


def test_who_is_watched_partly_is_so_for_machines(tmp_path):
    """From the first line to the last, whether just now it is or not: never as if all of it were known."""
    program = build(tmp_path, "-O2", source="busy.c", name="busy")
    with Program([program, "0", int(patient(60))], output="stdout") as consumer:
        options = ["--pid", consumer.pid, "--recipe", SOURCES / "busy.ini", "--budget", "1%"]
        with Program([PUSHBACK, "top", "--json", *options], output="stdout") as top:
            lines = [json.loads(top.wait_line("{").string) for _ in range(15)]
        done = run(PUSHBACK, "graph", "--json", "--for", "3s", *options)
    leave_the_rest_out_by("valgrind", reason=WHOLE_AT_FIRST)
    for line in lines:
        assert (line["state"], line["at_fault"], line["since"]) == ("partly", False, None), line
        assert 0 < line["watched"] < 0.5 and line["verdict"]["kind"] == "partly", line
        assert "no verdict" in line["verdict"]["text"] and line["submit_accepted"] > 0, line
    assert {line["step"] for line in lines} == {"one", "two", "three", "four", "five"}
    graph = json.loads(done.stdout)
    assert graph["watched"] == "partly" and len(graph["steps"]) == 5, done
    assert "by --budget watched " in done.stderr, done
