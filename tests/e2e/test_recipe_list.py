# SPDX-License-Identifier: MIT
"""`list --recipe`: who runs what a recipe is for, and its steps and sites, beside our own; nothing is attached.

Other tests' consumers may be on the host: each test looks for its own processes and files.
"""

import json
import re
import shutil

from agent import Agent
from program import PROGS, PUSHBACK, Program, run, wait_until
from test_list import table
from test_recipe import SOURCES, build
from test_recipe_wrong import build_id, differences, offset_of, recipe, start, wrong_program


def listed(status, *options):
    done = run(PUSHBACK, "list", *options)
    assert done.returncode == status, done.stderr
    return done


def objects(status, *options):
    done = listed(status, "--json", *options)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_a_file_that_nobody_runs(tmp_path):
    program = build(tmp_path, "-O2")
    (file,), said = objects(0, "--recipe", SOURCES / "plain.ini", program)
    assert said == "" and list(file) == "file build_id recipes pids steps sites problems".split()
    assert (file["file"], file["build_id"], file["pids"]) == (str(program), build_id(program), [])
    assert file["recipes"] == [str(SOURCES / "plain.ini")] and file["problems"] == []
    assert file["steps"] == ["parse", "batch", "write"]
    # What a check finds, at the same places.
    (checked,) = map(json.loads, run(PUSHBACK, "recipe", "check", "--json", SOURCES / "plain.ini", "--path", program).stdout.splitlines())
    same = ("step", "call", "function", "line", "offset", "site", "kernel")
    assert [[site[key] for key in same] for site in file["sites"]] == [[site[key] for key in same] for site in checked["sites"]]
    for site in file["sites"]:
        assert site["hit_us"] == ([1, 6] if site["kernel"] == "emulated" else [3, 20]), site
        assert site["recipe"] == str(SOURCES / "plain.ini")
    # For people: the same.
    title, *lines = listed(0, "--recipe", SOURCES / "plain.ini", program).stdout.splitlines()
    assert title == f"{program}: build-id {build_id(program)}, by {SOURCES / 'plain.ini'}; nobody runs it"
    assert lines[0].split() == "STEP CALL OFFSET SITE KERNEL US/HIT FUNCTION".split()
    shown = [
        [s["step"], s["call"], hex(s["offset"]), s["site"], s["kernel"], "-".join(map(str, s["hit_us"])), s["function"]]
        for s in file["sites"]
    ]
    assert [line.split() for line in lines[1:]] == shown


def test_who_runs_it(tmp_path):
    program, other = wrong_program(tmp_path), wrong_program(tmp_path, name="wrong-other")
    file = recipe(tmp_path, "symbol good_submit", path=program)
    with start(program) as one, start(program) as two, start(other) as third:
        found, said = objects(0, "--recipe", file)
        assert "no process maps" not in said
        rows = {o["pid"]: o for o in found if "pid" in o}
        assert third.pid not in rows
        for process in (one, two):
            row = rows[process.pid]
            assert (row["process"], row["file"], row["probes"]) == ("wrong", str(program), None)
            assert (row["recipes"], row["steps"], row["build_id"]) == ([str(file)], ["a"], build_id(program))
            assert (row["watched"], row["watched_unknown"], row["deleted"]) == (False, None, False)
        (block,) = [o for o in found if o.get("file") == str(program) and "pids" in o]
        assert sorted(block["pids"]) == sorted([one.pid, two.pid]) and len(block["sites"]) == 3
        # Of one of them: the other is not listed, nor told of.
        found, said = objects(0, "--recipe", file, "--pid", one.pid)
        assert [o.get("pid") for o in found] == [one.pid, None] and found[1]["pids"] == [one.pid] and said == ""
        head, row, title, *_ = listed(0, "--recipe", file, "--pid", two.pid).stdout.splitlines()
        (row,) = table(f"{head}\n{row}")
        assert (row["PID"], row["WATCHED"], row["PROBES"], row["RECIPE"]) == (str(two.pid), "no", "a", str(file))
        assert title.endswith(f"; run by {two.pid}")
        assert f"run by {', '.join(map(str, block['pids']))}\n" in listed(0, "--recipe", file).stdout
        # Nothing was attached, and what is is seen.
        assert differences(one, program) == []
        with Agent("--path", program, "--recipe", file, interval="100ms") as agent:
            wait_until(lambda: agent.counters()["a"]["submit_accepted"], "not watched")
            assert {o["watched"] for o in objects(0, "--recipe", file)[0] if o.get("pid") in (one.pid, two.pid)} == {True}
            agent.end()
        wait_until(lambda: objects(0, "--recipe", file, "--pid", one.pid)[0][0]["watched"] is False, "still watched")


def test_beside_our_own(tmp_path):
    program = wrong_program(tmp_path)
    spinner = shutil.copy(PROGS / "spinner", tmp_path / "wrong-spin")
    file = recipe(tmp_path, "symbol good_submit", path=program)
    with start(program) as foreign, Program([spinner, tmp_path / "truth"], output="stdout") as ours:
        ours.wait_line("ready")
        found, said = objects(0, "--recipe", file, "--pid", ours.pid, "--pid", foreign.pid)
        assert said == ""
        assert [(o.get("pid"), bool(o.get("probes")), o.get("steps")) for o in found] == [
            (ours.pid, True, None), (foreign.pid, False, ["a"]), (None, False, ["a"]),
        ]
        found, _ = objects(0, "--recipe", file, "--match-name", "wrong-spin")
        assert {o["pid"] for o in found} == {ours.pid}
        found, _ = objects(0, "--recipe", file, "--match-name", "wrong")
        assert {o.get("pid") for o in found} == {foreign.pid, None}
    # A file that has both is told by both.
    both = recipe(tmp_path, "symbol main", path=spinner, name="both.ini")
    own, by_recipe = objects(0, "--recipe", both, spinner)[0]
    assert len(own["sites"]) == 4 and {site["function"] for site in by_recipe["sites"]} == {"main"}


def test_what_is_wrong_is_told(tmp_path):
    program = wrong_program(tmp_path)
    half = recipe(tmp_path, "symbol nope_submit", "symbol good_submit", path=program, name="half.ini")
    none = recipe(tmp_path, "symbol nope_submit", path=program, name="none.ini")
    stale = recipe(tmp_path, "symbol good_submit", path=program, build_id="00ff00ff", name="stale.ini")
    for file, sites, pattern in [
        (half, 3, r"half\.ini:4: \S+: no function is nope_submit"),
        (none, 0, r"none\.ini:4: \S+: no function is nope_submit"),
        (stale, 0, r"stale\.ini:1: \S+: it has another build-id"),
    ]:
        (block,), said = objects(1, "--recipe", file, program)
        assert len(block["sites"]) == sites and len(block["problems"]) == 1
        assert re.search(pattern, block["problems"][0]) and said == f"pushback: {block['problems'][0]}\n"
        with start(program) as process:
            found, said = objects(1, "--recipe", file, "--pid", process.pid)
            assert len(said.splitlines()) == 1 and re.search(pattern, said)
            assert found[0]["recipes"] == [str(file)] and found[0]["steps"] == (["a"] if sites else [])


def test_what_is_not_there(tmp_path):
    program = wrong_program(tmp_path)
    file = recipe(tmp_path, "symbol good_submit", path="/nowhere/ingest")
    _, said = objects(0, "--recipe", file)
    assert "wrong.ini:1: no process maps a file '/nowhere/ingest'\n" in said
    found, said = objects(1, "--recipe", file, program)
    assert found == [] and "is not what" in said and len(said.splitlines()) == 1
    with start(program) as process:
        found, said = objects(1, "--recipe", file, "--pid", process.pid)
        assert found == [] and "none that" in said and len(said.splitlines()) == 1
    assert "No such file" in listed(1, "--recipe", tmp_path / "none.ini").stderr
    assert "there is no [target]" in listed(2, "--recipe", "/dev/null").stderr
    assert len(listed(1, "--recipe", file, tmp_path / "none").stderr.splitlines()) == 1


def test_offsets_in_a_stripped_file(tmp_path):
    program = wrong_program(tmp_path)
    (named,), _ = objects(0, "--recipe", recipe(tmp_path, "symbol good_submit", path=program), program)
    offset = offset_of(program, "good_submit")
    assert run("strip", program).returncode == 0
    file = recipe(tmp_path, f"function {offset:#x}", path=program)
    (block,), _ = objects(0, "--recipe", file, program)
    assert [site["offset"] for site in block["sites"]] == [site["offset"] for site in named["sites"]]
    assert {site["function"] for site in block["sites"]} == {f"{offset:#x}"}
    values = "instance = none\nresult = s32 %rax\naccepted = 0\nrejected = -11\n"
    (block,), _ = objects(0, "--recipe", recipe(tmp_path, f"site {offset:#x}", path=program, values=values), program)
    assert [(site["site"], site["offset"]) for site in block["sites"]] == [("site", offset)]
