# SPDX-License-Identifier: MIT
"""`returns = uretprobe`: only where there is no other way, and never where it may end the process."""

import re
import time

import pytest

from agent import Agent
from program import Program, run
from test_recipe import SOURCES, build, truth_of
from test_recipe_verbs import check_json
from test_recipe_wrong import VALUES, differences, finish, recipe, refused, start, wrong_program

RETURNS = "returns = uretprobe\n" + VALUES
NOTHING_THROWS = "returns = uretprobe, nothing-throws\n" + VALUES


def throwing(directory, *flags):
    return build(directory, "-O2", *flags, source="throws.cc", compiler="g++", name="throws")


def sites_of(found):
    return {(site["function"], site["site"]) for site in found["sites"]}


def test_only_functions_that_end_in_another_one(tmp_path):
    """In a program of C without the word: nothing in it throws."""
    program = wrong_program(tmp_path)
    with start(program) as process:
        file = recipe(tmp_path, "symbol good_submit", "symbol tail_submit", values=RETURNS)
        (found,), said = check_json(0, file, "--pid", process.pid, "--duration", "500ms")
    assert sites_of(found) == {
        ("good_submit", "entry"),
        ("good_submit", "return"),
        ("tail_submit", "entry"),
        ("tail_submit", "uretprobe"),
    }
    assert all(site["hits"] for site in found["sites"])
    # What it jumps to is probed as well: without uretprobe it would be followed there.
    line, doubt = said
    assert re.search(r": a: \d+ of \d+ submits ended in what is not probed, and told nothing", doubt)
    assert re.fullmatch(r"pushback: warning: \S+/wrong: tail_submit: returns by a uretprobe; an exception .*", line)
    # Where none has to be, nothing is said.
    _, said = check_json(0, recipe(tmp_path, "symbol good_submit", values=NOTHING_THROWS), "--path", program)
    assert said == []


def a_library(program, *flags):
    return wrong_program(program.parent, "-shared", "-fPIC", *flags, name=program.name)


def with_more(program, code, *flags):
    more = program.parent / "more.c"
    more.write_text(code)
    return wrong_program(program.parent, more, *flags, name=program.name)


@pytest.mark.parametrize(
    "make, pattern",
    [
        (lambda p: a_library(p), "it is a library, and whose is not known"),
        (lambda p: wrong_program(p.parent, "-Wl,--no-as-needed", "-lstdc++"), r"it uses libstdc\+\+\.so\.6, which may"),
        (lambda p: with_more(p, "#include <dlfcn.h>\nvoid *a(void) { return dlopen(0, 1); }"), "it opens libraries"),
        (lambda p: with_more(p, "void f(int);\nint g;\nvoid h(int *i) { g += *i + 1; }\nvoid a(void) {"
                             " __attribute__((cleanup(h))) int i = 0; f(1); }", "-fexceptions", "-Df=usleep"),
         "it has handlers for them"),
    ],
    ids=["library", "uses", "opens", "handlers"],
)
def test_what_may_throw_needs_the_word(tmp_path, make, pattern):
    program = make(tmp_path / "wrong")
    options = ["symbol tail_submit"]
    refused(1, r"wrong\.ini:4: \S+/wrong: tail_submit: .* would end the process, .*" + pattern, "--path", program,
            "--recipe", recipe(tmp_path, *options, values=RETURNS))
    # What is probed at its returns does not.
    check_json(0, recipe(tmp_path, "symbol good_submit", values=RETURNS), "--path", program)
    found, _ = check_json(0, recipe(tmp_path, *options, values=NOTHING_THROWS), "--path", program)
    assert ("tail_submit", "uretprobe") in sites_of(found[0])


@pytest.mark.parametrize("flags", [[], ["-static"], ["-s"]], ids=["shared", "static", "stripped"])
def test_a_check_does_not_end_who_throws(tmp_path, flags):
    """Nothing is attached without the word; it catches on."""
    program = throwing(tmp_path)
    symbols = run("nm", "-C", program).stdout
    offset = next(line.split()[0] for line in symbols.splitlines() if line.endswith("Pass::submit(int)"))
    program = throwing(tmp_path, *flags)
    where = f"function 0x{int(offset, 16):x}" if flags == ["-s"] else "glob Pass::submit(int)"
    file = recipe(tmp_path, where, path="*/throws", values=RETURNS)
    with start(program) as process:
        found, said = check_json(1, file, "--pid", process.pid, "--duration", "300ms")
        said = [line for line in said if "an offset is of one build" not in line]
        assert len(said) == 1 and "would end the process" in said[0] and "nothing-throws" in said[0], said
        assert found[0]["sites"] == [] and differences(process, program) == []
        time.sleep(0.2)
        process.process.stdin.close()
        assert process.wait() == 0
    assert int(process.lines[-1].split()[0]) > 10, process.lines


def test_who_says_that_nothing_throws_is_taken_at_the_word(tmp_path):
    """By a uretprobe all of its results are seen; it is said that there is one."""
    program = throwing(tmp_path)
    file = recipe(tmp_path, "glob Pass::submit(int)", path="*/throws", values=NOTHING_THROWS)
    with Agent("--path", program, "--recipe", file, "--budget", "400%", interval="100ms") as agent:
        done = run(program, 3000, "never")
        lines = finish(agent)
    caught, accepted, rejected = map(int, done.stdout.splitlines()[-1].split())
    counters = agent.counters()["a"]
    assert (counters["submit_accepted"], counters["send_backpressure"], caught) == (accepted, rejected, 0)
    assert accepted > 100 and not agent.lost()
    said = [line for line in lines if "Pass::submit(int): returns by a uretprobe" in line]
    assert len(said) == 1, lines
