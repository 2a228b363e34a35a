# SPDX-License-Identifier: MIT
"""Recipes that are wrong, or for another build: refused with the reason, and nothing is probed."""

import os
import re
import shutil
import signal

import pytest

from agent import Agent
from program import PROGS, PUSHBACK, Program, run, wait_until
from test_recipe import SEED, SOURCES, build, offset_of, truth_of

VALUES = "instance = arg1\nresult = s32 return\naccepted = 0\nrejected = -11\n"


def write(directory, text, name="wrong.ini"):
    file = directory / name
    file.write_text(text)
    return file


def recipe(directory, *submits, path="*/wrong", build_id=None, values=VALUES, name="wrong.ini"):
    """One step, named by these places."""
    target = f"[target]\npath = {path}\n" + (f"build-id = {build_id}\n" if build_id else "")
    places = "".join(f"submit = {submit}\n" for submit in submits)
    return write(directory, f"{target}[step a]\n{places}{values}", name)


def wrong_program(directory, *flags, name="wrong"):
    return build(directory, "-O2", *flags, source="wrong.c", name=name)


def build_id(program):
    return re.search(r"Build ID: (\w+)", run("readelf", "-n", program).stdout)[1]


def refused(status, pattern, *options):
    """`run` ends at once with this status and one line."""
    done = run(PUSHBACK, "run", "--statsd", "udp://127.0.0.1:9", "--socket", "none", "--once", *options)
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (status, 1), done.stderr
    assert re.search(pattern, lines[0]), lines[0]


def differences(process, program):
    """Where the code in its memory is not what its file has."""
    found = []
    content = open(program, "rb").read()
    with open(f"/proc/{process.pid}/maps") as maps, open(f"/proc/{process.pid}/mem", "rb") as memory:
        for line in maps:
            fields = line.split()
            if "x" not in fields[1] or not line.rstrip().endswith(os.path.basename(program)):
                continue
            start, end = (int(word, 16) for word in fields[0].split("-"))
            offset = int(fields[2], 16)
            memory.seek(start)
            code = memory.read(end - start)[: len(content) - offset]
            found += [offset + i for i, byte in enumerate(code) if byte != content[offset + i]]
    return found


def start(program):
    process = Program([program], output="stdout")
    process.wait_line("ready")
    return process


def finish(agent):
    """It ends as told; what it said."""
    agent.signal(signal.SIGTERM)
    assert agent.wait() == 0, agent.lines
    agent.receiver.stop()
    return agent.lines


# ---- What is not there, or no place for a probe ----


@pytest.mark.parametrize(
    "submits, pattern",
    [
        (["symbol nope_submit"], r"wrong\.ini:4: \S+/wrong: no function is nope_submit"),
        (["glob nope*"], r"wrong\.ini:4: \S+/wrong: no function matches nope\*"),
        (["usdt no:pe"], r"wrong\.ini:4: \S+/wrong: it has no USDT probe no:pe"),
        (["symbol good_submit", "symbol nope_submit"], r"wrong\.ini:5: \S+/wrong: no function is nope"),
        (["symbol tail_submit"], r"wrong\.ini:4: \S+/wrong: tail_submit ends by a jump to another function"),
        (["symbol good_submit", "symbol good_submit"], r"wrong\.ini:5: .*good_submit is named twice: line 4 has it"),
        (["symbol good_submit", "glob good_*"], r"wrong\.ini:5: .*good_submit is named twice: line 4 has it"),
        (["site 0xfffffff"], r"wrong\.ini:4: .*0xfffffff is not in its code"),
        (["site 0"], r"wrong\.ini:4: .*0x0 is not in its code"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "+".join(value),
)
def test_a_place_that_is_wrong(tmp_path, submits, pattern):
    program = wrong_program(tmp_path)
    refused(1, pattern, "--path", program, "--recipe", recipe(tmp_path, *submits))


def test_the_middle_of_an_instruction(tmp_path):
    program = wrong_program(tmp_path)
    offset = offset_of(program, "tail_submit")
    inside = f"0x{offset + 1:x}"
    refused(1, f"{inside}: it is in the middle of an instruction", "--path", program, "--recipe",
            recipe(tmp_path, f"site {inside}"))
    refused(1, f"{inside} is not where a function begins, but 0x1 into one", "--path", program, "--recipe",
            recipe(tmp_path, f"function {inside}"))


def test_a_function_that_the_compiler_has_changed(tmp_path):
    program = wrong_program(tmp_path)
    symbols = run("nm", program).stdout
    clone = re.search(r"cut_submit\.(isra|constprop)[\w.]*", symbols)
    assert clone and not re.search(r"cut_submit$", symbols, re.M), symbols
    file = recipe(tmp_path, "symbol cut_submit")
    refused(1, f"changed the arguments of a function .{re.escape(clone[0])}.: name that one", "--path", program,
            "--recipe", file)
    # Who knows what it takes now may name it.
    with Agent("--path", program, "--recipe", recipe(tmp_path, f"symbol {clone[0]}"), interval="100ms") as agent:
        with start(program):
            wait_until(lambda: agent.counters()["a"]["submit_accepted"], "not watched")
        finish(agent)


def test_a_target_that_is_no_code(tmp_path):
    file = recipe(tmp_path, "symbol a", path="*/text")
    refused(1, "is not an ELF file", "--path", write(tmp_path, "no code", "text"), "--recipe", file)


# ---- Files that are none ----


def test_a_recipe_that_cannot_be_read(tmp_path):
    program = wrong_program(tmp_path)
    refused(1, r"cannot read the recipe \S+/none.ini: No such file", "--path", program, "--recipe",
            tmp_path / "none.ini")
    refused(1, f"cannot read the recipe {tmp_path}: Is a directory", "--path", program, "--recipe", tmp_path)
    refused(2, r"/proc/self/mem:1: cannot be read", "--path", program, "--recipe", "/proc/self/mem")
    refused(2, r"empty\.ini:1: there is no \[target\] in it", "--path", program, "--recipe",
            write(tmp_path, "", "empty.ini"))
    refused(2, r":1: ", "--path", program, "--recipe", program)


# ---- Another build ----


def test_another_build_is_not_probed(tmp_path):
    program = wrong_program(tmp_path)
    wrong = build_id(program)[:-1] + ("0" if build_id(program)[-1] != "0" else "1")
    file = recipe(tmp_path, "symbol good_submit", build_id=wrong)
    pattern = r"wrong\.ini:1: \S+/wrong: it has another build-id than the recipe is for: not probed"
    refused(1, pattern, "--path", program, "--recipe", file)
    with start(program) as process:
        done = run(PUSHBACK, "run", "--socket", "none", "--once", "--pid", process.pid, "--recipe", file)
        assert done.returncode == 1 and re.search(pattern, done.stderr), done.stderr
        assert differences(process, program) == []
    # The right one is, so it was for nothing else.
    with Agent("--path", program, "--recipe", recipe(tmp_path, "symbol good_submit", build_id=build_id(program)),
               interval="100ms") as agent:
        with start(program) as process:
            wait_until(lambda: agent.counters()["a"]["submit_accepted"], "not watched")
            assert differences(process, program)
        finish(agent)


def test_others_are_watched_all_the_same(tmp_path):
    """Among all consumers one that does not fit is a warning."""
    program, other = wrong_program(tmp_path), wrong_program(tmp_path, name="wrong-too")
    spinner = shutil.copy(PROGS / "spinner", tmp_path / "wrong-spin")
    files = [
        recipe(tmp_path, "symbol good_submit", build_id="00ff00ff"),
        recipe(tmp_path, "symbol good_submit", path="*/wrong-too", name="too.ini"),
    ]
    options = [word for file in files for word in ("--recipe", file)]
    with start(program) as wrong, start(other), Program([spinner, tmp_path / "truth"], output="stdout") as ours:
        ours.wait_line("ready")
        with Agent("--all", "--match-name", "wrong*", *options, interval="100ms") as agent:
            wait_until(lambda: agent.counters(process="wrong-too")["a"]["submit_accepted"], "the other one")
            wait_until(lambda: agent.series(process="wrong-spin"), "the one with our probes")
            assert differences(wrong, program) == []
            assert not agent.series(process="wrong")
            lines = finish(agent)
    warnings = [line for line in lines if "another build-id" in line]
    assert len(warnings) == 1 and warnings[0].startswith("pushback: warning: "), lines


@pytest.mark.parametrize("how", ["replaced", "in place"])
def test_a_new_build_is_not_probed_with_a_stale_recipe(tmp_path, how):
    program, new = wrong_program(tmp_path), wrong_program(tmp_path, "-DNEW", "-O1", name="new")
    assert build_id(program) != build_id(new)
    file = recipe(tmp_path, "symbol good_submit", build_id=build_id(program))
    with Agent("--path", program, "--recipe", file, interval="100ms") as agent:
        with start(program) as process:
            wait_until(lambda: agent.counters()["a"]["submit_accepted"], "not watched")
            if how == "replaced":
                new.rename(program)
            else:
                process.say("")
                assert process.wait() == 0
                program.write_bytes(new.read_bytes())
                # Who begins before that is noticed runs with the breakpoints of the old one.
                wait_until(lambda: any("another build-id" in line for line in agent.lines), agent.lines)
            with start(program) as stale:
                wait_until(lambda: any("another build-id" in line for line in agent.lines), agent.lines)
                wait_until(lambda: not differences(stale, program), "the new build is probed")
                agent.mark()
                seen = agent.counters()["a"]["submit_accepted"]
                if how == "replaced":
                    # Who runs the old one is watched as before.
                    wait_until(lambda: agent.counters()["a"]["submit_accepted"] > seen, "the old one")
                assert {int(pid) for (_, pid) in agent.series() if pid} <= {process.pid}
                assert not differences(stale, program)
        lines = finish(agent)
    assert sum("another build-id" in line for line in lines) == 1, lines


# ---- At run time ----


def test_values_that_cannot_be_read_are_lost(tmp_path):
    """A result that is no pointer, read as one: each call is a loss, and nothing is made up."""
    program = build(tmp_path, "-O2")
    values = VALUES.replace("s32 return", "s32 *return")
    file = recipe(tmp_path, "symbol write_submit", path="*/plain", values=values)
    with Agent("--path", program, "--recipe", file, interval="100ms") as agent:
        truth = truth_of(program, SEED, 500, 1)["write"]
        finish(agent)
    calls = sum(truth[name] for name in ("submit_accepted", "send_backpressure", "propagated", "invalid"))
    assert calls > 100
    assert agent.lost() == {"value_unreadable": calls}
    assert not agent.counters()["a"]["submit_accepted"]


def test_an_instance_that_cannot_be_read_is_lost(tmp_path):
    program = build(tmp_path, "-O2")
    values = VALUES.replace("instance = arg1", "instance = *(arg1 - 0x7fffffff)")
    file = recipe(tmp_path, "symbol write_submit", path="*/plain", values=values)
    with Agent("--path", program, "--recipe", file, interval="100ms") as agent:
        truth = truth_of(program, SEED, 500, 1)["write"]
        finish(agent)
    calls = sum(truth[name] for name in ("submit_accepted", "send_backpressure", "propagated", "invalid"))
    assert agent.lost() == {"value_unreadable": calls}
