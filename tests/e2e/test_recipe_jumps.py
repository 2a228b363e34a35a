# SPDX-License-Identifier: MIT
"""Functions that end by a jump to another one: what that returns is theirs, and each count is the program's own."""

import json
import re

import pytest

from program import run
from test_recipe import SEED, SOURCES, build, held_against, truth_of, watch
from test_recipe_verbs import check_json
from test_recipe_wrong import VALUES, recipe, refused, wrong_program

WAYS = {"gcc": ("gcc", "-O2"), "O3": ("gcc", "-O3"), "cet": ("gcc", "-O2", "-fcf-protection=full"), "clang": ("clang", "-O2"),
        "no-pie": ("gcc", "-O2", "-no-pie")}


def jumps(directory, way="gcc"):
    compiler, *flags = WAYS[way]
    return build(directory, *flags, source="jumps.c", compiler=compiler, name="jumps")


# All is wanted.
WHOLE = ("--budget", "800%")


def sites_of(program, file):
    (found,), said = check_json(0, file, "--path", program)
    assert said == []
    return {(site["function"], site["site"]) for site in found["sites"]}


@pytest.mark.parametrize("way", WAYS, ids=list(WAYS))
def test_counts_of_a_c_consumer(tmp_path, way):
    print("seed", SEED)
    program = jumps(tmp_path, way)
    sites = sites_of(program, SOURCES / "jumps.ini")
    for function in ("head_submit", "relay_submit"):
        assert (function, "jump") in sites and (function, "return") not in sites, sites
    with watch(program, SOURCES / "jumps.ini", *WHOLE) as agent:
        truth = truth_of(program, SEED, 5000)
        agent.end()
    assert truth["head"]["propagated"] > 10 and truth["write"]["send_backpressure_episodes"] > 10
    held_against(agent, truth)


def test_counts_with_perf_uprobes(tmp_path):
    program = jumps(tmp_path)
    with watch(program, SOURCES / "jumps.ini", "--no-multi", *WHOLE) as agent:
        truth = truth_of(program, SEED, 2000)
        agent.end()
    held_against(agent, truth)


def test_what_goes_on_elsewhere_is_lost(tmp_path):
    """Neither that nor who is called from the same place next is taken for what it is not."""
    print("seed", SEED)
    program = jumps(tmp_path)
    with watch(program, SOURCES / "jumps.ini", *WHOLE) as agent:
        done = run(program, SEED, 5000, "lost")
        agent.end()
    truth = {line["step"]: line for line in map(json.loads, done.stdout.splitlines())}
    lost = int(done.stderr)
    assert lost > 500 and agent.lost() == {"return_unmatched": lost}
    found = agent.counters()
    for step, right in truth.items():
        for name in ("submit_accepted", "submit_forwarded", "receive_backpressure"):
            assert found[step][name] == right[name], (step, name)
    for step in ("head", "relay", "write"):
        assert found[step]["send_backpressure"] == truth[step]["send_backpressure"], step


def test_exceptions_pass_as_ever(tmp_path):
    """They are caught where they were, and later counts are right."""
    program = build(tmp_path, "-O2", source="throws.cc", compiler="g++", name="throws")
    file = tmp_path / "throws.ini"
    step = "instance = arg1\nresult = s32 return\naccepted = 0\nrejected = -11\n"
    file.write_text("[target]\npath = */throws\n" + "".join(
        f"[step {name}]\nsubmit = glob {name}::submit(int)\n{step}" for name in ("Pass", "Sink")))
    assert ("Pass::submit(int)", "jump") in sites_of(program, file)
    alone = run(program, 5000)
    with watch(program, file, *WHOLE) as agent:
        watched = run(program, 5000)
        agent.end()
    assert (watched.stdout, watched.stderr, watched.returncode) == (alone.stdout, alone.stderr, 0)
    caught, accepted, rejected = map(int, watched.stdout.splitlines()[-1].split())
    found = agent.counters()
    assert caught > 100 and not agent.lost()
    assert found["Pass"]["submit_accepted"] == found["Sink"]["submit_accepted"] == accepted
    assert found["Pass"]["submit_forwarded"] == accepted
    assert found["Pass"]["receive_backpressure"] == found["Sink"]["send_backpressure"] == rejected
    assert not found["Pass"]["send_backpressure"]


def test_what_is_hit_is_seen_by_a_check(tmp_path):
    program = wrong_program(tmp_path)
    assert run("nm", program).stdout.count("_submit") > 2
    file = recipe(tmp_path, "symbol tail_submit", "symbol good_submit")
    assert {("tail_submit", "jump"), ("good_submit", "return")} <= sites_of(program, file)


def test_where_it_leads_has_to_be_named(tmp_path):
    program = wrong_program(tmp_path)
    pattern = r"wrong\.ini:5: \S+/wrong: tail_submit ends by a jump to another function .*, which the recipe does not name"
    refused(1, pattern, "--path", program, "--recipe", recipe(tmp_path, "symbol main", "symbol tail_submit"))
    _, said = check_json(1, recipe(tmp_path, "symbol main", "symbol tail_submit"), "--path", program)
    assert len(said) == 1 and re.search(pattern, said[0]), said
