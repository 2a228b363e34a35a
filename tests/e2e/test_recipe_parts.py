# SPDX-License-Identifier: MIT
"""`result = dwarf` of functions that the compiler has taken apart; that it has is looked at first."""

import re
import shutil

import pytest

from agent import Agent
from program import run
from test_recipe import build
from test_recipe_wrong import refused, write

VALUES = "instance = arg1\nresult = dwarf\naccepted = TAKEN\nrejected = FULL\ninvalid = BAD\n"


def recipe(directory, function):
    return write(directory, f"[target]\npath = */parts\n[step a]\nsubmit = symbol {function}\n{VALUES}")


def parts(directory, compiler, *flags):
    """The program, and the names of what it has."""
    program = build(directory, "-O2", "-g", *flags, source="parts.c", compiler=compiler, name="parts")
    return program, run("nm", program).stdout


def counted(program, function, directory):
    name = function.split(".")[0]
    with Agent("--path", program, "--recipe", recipe(directory, function), "--budget", "400%", interval="100ms") as agent:
        done = run(program, 3000)
        agent.end()
    right = next(line.split()[1:] for line in done.stdout.splitlines() if line.startswith(name))
    counters = agent.counters()["a"]
    assert [counters["submit_accepted"], counters["send_backpressure"]] == [int(n) for n in right[:2]]
    assert not agent.lost() and int(right[0]) > 100 and int(right[1]) > 100


def with_a_cold_part(directory, compiler, *flags):
    """clang makes one without a profile only where it is told of what blocks it is."""
    if compiler == "gcc":
        return parts(directory, "gcc", *flags)
    blocks = write(directory, "!cold_submit\n!!0 2\n", "blocks")
    return parts(directory, "clang", f"-fbasic-block-sections=list={blocks}", *flags)


@pytest.mark.parametrize("dwarf", [4, 5])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_a_cold_part(tmp_path, compiler, dwarf):
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler}")
    program, symbols = with_a_cold_part(tmp_path, compiler, f"-gdwarf-{dwarf}")
    assert re.search(r"cold_submit\.cold$", symbols, re.M), symbols
    # It is not said where it begins.
    dies = run("readelf", "--debug-dump=info", program).stdout.split("Abbrev Number")
    assert any("DW_TAG_subprogram" in die and "DW_AT_ranges" in die and "DW_AT_low_pc" not in die for die in dies)
    counted(program, "cold_submit", tmp_path)


def test_a_part_that_callers_have_too(tmp_path):
    """What it goes on with is a part of it, and found as a cold one is."""
    program, symbols = parts(tmp_path, "gcc")
    assert re.search(r"split_submit\.part\.\d+$", symbols, re.M), symbols
    counted(program, "split_submit", tmp_path)
    clone = re.search(r"split_submit\.part\.\d+", symbols)[0]
    refused(1, f"{re.escape(clone)} is a part of a function, and debug", "--path", program, "--recipe", recipe(tmp_path, clone))


def test_a_clone_that_is_named(tmp_path):
    """What it returns is said where it comes from."""
    program, symbols = parts(tmp_path, "gcc")
    clone = re.search(r"clone_submit\.constprop\.\d+", symbols)
    assert clone, symbols
    refused(1, "changed the arguments of a function", "--path", program, "--recipe", recipe(tmp_path, "clone_submit"))
    counted(program, clone[0], tmp_path)


def test_a_clone_whose_instance_is_gone(tmp_path):
    """Of its argument it takes a number, which is no address of a step."""
    program, symbols = parts(tmp_path, "gcc")
    clone = re.search(r"bare_submit\.isra\.\d+", symbols)
    assert clone, symbols
    refused(1, "its first argument is in arg[26], not in arg1|nothing is in arg1 as it is entered", "--path", program, "--recipe", recipe(tmp_path, clone[0]))
