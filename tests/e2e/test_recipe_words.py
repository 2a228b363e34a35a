# SPDX-License-Identifier: MIT
"""What is said where there is nothing to watch: one line, that names the recipe if there is one, and what helps."""

import re
import shutil

import pytest

from program import PUSHBACK, run
from test_recipe import build
from test_recipe_wrong import build_id, recipe, refused, start, wrong_program


@pytest.fixture
def wrong(tmp_path):
    return wrong_program(tmp_path)


def test_a_file_without_a_recipe(wrong):
    suggest = f"has no pushback probes: build it with include/pushback.h, or else see pushback recipe suggest {wrong}$"
    refused(1, suggest, "--path", wrong)
    done = run(PUSHBACK, "list", wrong)
    assert done.returncode == 1 and re.search(suggest, done.stderr.strip()), done.stderr
    done = run(PUSHBACK, "doctor", "--for", "1ms", wrong)
    assert done.returncode == 3 and f"recipe suggest {wrong} drafts; usdt-inject adds" in done.stdout


def test_a_process_without_a_recipe(wrong):
    with start(wrong) as process:
        suggest = f"pushback.h, or else see pushback recipe suggest /proc/{process.pid}/exe$"
        refused(1, suggest, "--pid", process.pid)
        done = run(PUSHBACK, "list", "--pid", process.pid)
        assert done.returncode == 1 and re.search(suggest, done.stderr.strip()), done.stderr
        # And that is right: what it drafts is for that file.
        draft = run(PUSHBACK, "recipe", "suggest", f"/proc/{process.pid}/exe")
        assert f"path = {wrong}\n" in draft.stdout and f"build-id = {build_id(wrong)}\n" in draft.stdout
        done = run(PUSHBACK, "doctor", "--for", "1ms", "--pid", process.pid)
        assert done.returncode == 3 and f"recipe suggest /proc/{process.pid}/exe drafts" in done.stdout


@pytest.mark.parametrize("verb", ["run", "top", "graph"])
def test_a_recipe_for_something_else(tmp_path, wrong, verb):
    other = recipe(tmp_path, "symbol good_submit", path="/usr/bin/ingest")
    too = recipe(tmp_path, "symbol good_submit", path="*/ingest", name="too.ini")
    here = f"has no pushback probes and is not what {other}:1 is for, '/usr/bin/ingest': put its path there, "
    cases = [
        (["--path", wrong], [other], f"'{wrong}' {here}then pushback recipe check {other}"),
        (["--path", wrong], [other, too], f"is none of the 2 targets of {other} or another recipe: put its"),
        (["--path", wrong], [other, other], f"is none of the 2 targets of {other}: put its"),
    ]
    with start(wrong) as process:
        maps = f"process {process.pid} maps no file with pushback probes, and none that {other}"
        check = f"see its /proc/{process.pid}/maps, then pushback recipe check {other} --pid {process.pid}"
        cases += [
            (["--pid", process.pid], [other], f"{maps} is for ('/usr/bin/ingest'): {check}"),
            (["--pid", process.pid], [other, too], f"{maps} or another recipe is for ('/usr/bin/ingest', ...): {check}"),
        ]
        for given, recipes, why in cases:
            options = [word for file in recipes for word in ("--recipe", file)]
            more = {"run": ["--once", "--socket", "none"], "top": ["--once"], "graph": []}[verb]
            done = run(PUSHBACK, verb, *more, *given, *options)
            lines = done.stderr.splitlines()
            assert (done.returncode, len(lines)) == (1, 1) and why in lines[0], (why, lines)
            assert "include/pushback.h" not in done.stderr


def test_a_recipe_that_does_not_fit_is_all_that_is_said(tmp_path, wrong):
    nope = recipe(tmp_path, "symbol nope_submit", name="nope.ini")
    stale = recipe(tmp_path, "symbol good_submit", build_id="00ff00ff", name="stale.ini")
    with start(wrong) as process:
        for given in (["--path", wrong], ["--pid", process.pid]):
            refused(1, r"nope\.ini:4: \S+/wrong: no function is nope_submit: is it", *given, "--recipe", nope)
            refused(1, rf"stale\.ini:1: .* another build-id .*, its build-id is {build_id(wrong)}$", *given, "--recipe", stale)


def test_a_demangled_name_is_no_symbol(tmp_path):
    program = build(tmp_path, "-O2", source="plain.cc", compiler="g++")
    name = "ingest::Write::submit(ingest::Message const&)"
    values = "instance = arg1\nresult = u8 return\naccepted = 7\nrejected = 9\n"
    file = recipe(tmp_path, f"symbol {name}", path="*/plain", values=values)
    refused(1, rf"no function is {re.escape(name)}: a symbol is as nm has it; by its demangled name it is a glob$",
            "--path", program, "--recipe", file)
    # Which helps.
    file = recipe(tmp_path, f"glob {name}", path="*/plain", values=values)
    done = run(PUSHBACK, "run", "--once", "--interval", "100ms", "--socket", "none", "--path", program, "--recipe", file)
    assert done.returncode == 0, done.stderr


def test_values_with_two_meanings(tmp_path, wrong):
    base = "instance = arg1\nresult = s32 return\naccepted = 0, 5..9\nrejected = "
    for rejected, why in [
        ("1, 0, 3", ":8: 0 is accepted already: a value has one meaning"),
        ("1, 7..8", ":8: 7..8 has values that are accepted already: each has one meaning"),
        ("other\ninvalid = other", ':9: other has an "other", and so has a line before'),
    ]:
        refused(2, re.escape(why), "--path", wrong, "--recipe", recipe(tmp_path, "symbol good_submit", values=base + rejected))


def test_a_pinned_recipe(tmp_path, wrong):
    why = "--pin keeps our own probes only, for a recipe's cost each call .*: run a second agent for --recipe$"
    refused(2, why, "--path", wrong, "--pin", "--recipe", recipe(tmp_path, "symbol good_submit"))


def test_more_functions_than_there_is_room_for(tmp_path):
    """Of all files together."""
    lines = [f"__attribute__((noinline, noipa)) int f{i}_submit(void *s) {{ return s != 0; }}" for i in range(250)]
    source = tmp_path / "many.c"
    source.write_text("\n".join([*lines, "int main(void) { return 0; }", ""]))
    assert run("gcc", "-O2", source, "-o", tmp_path / "many-0").returncode == 0
    files = [tmp_path / f"many-{i}" for i in range(5)]
    for file in files[1:]:
        shutil.copy(files[0], file)
    names = recipe(tmp_path, "glob f*_submit", path="*/many-?")
    paths = [word for file in files for word in ("--path", file)]
    refused(1, "recipes name more than 1024 functions and probes in all files: not attached; leave some", *paths, "--recipe", names)
    done = run(PUSHBACK, "run", "--once", "--interval", "100ms", "--socket", "none", *paths[:8], "--recipe", names)
    assert done.returncode == 0 and "watching 4 files, 2000 sites" in done.stderr, done.stderr
