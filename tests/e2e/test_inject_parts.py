# SPDX-License-Identifier: MIT
"""usdt-inject and what compilers make of a function: its cold part is of it, its copies are not."""

import re

import pytest

from injecting import SOURCES, bpftrace_counts, build, functions, inject, injected
from program import run

MESSAGES = 1000
KEY = "(int32)arg0 < 0"


def counts_of(every):
    refused = len(range(0, MESSAGES, every))
    return {1: refused, 0: MESSAGES - refused}


def counted(program, out, site):
    """The sites' count, and what a tracer counts there; nothing is said to be missing."""
    shown = inject(program, "-p", f"app:done={site} -4@%eax", "-o", out)
    assert shown.returncode == 0, shown.stderr
    assert "not covered" not in shown.stderr
    return int(shown.stderr.split(": ")[-1].split()[0]), bpftrace_counts(out, "app:done", KEY, out, MESSAGES)


@pytest.fixture(name="cpp", scope="module")
def a_program_of_cpp(tmp_path_factory):
    """Two methods called push, each with a cold part that has a return of its own."""
    program = build("g++ -O2", SOURCES / "cold.cc", "-o", tmp_path_factory.mktemp("cpp") / "cold")
    names = functions(program)
    for method in ("_ZN1q5queue4pushEi", "_ZN1q5stack4pushEi"):
        code = run("objdump", "-d", f"--disassemble={method}.cold", program).stdout
        assert method in names and "\tret" in code
    return program


@pytest.mark.parametrize(
    "name, every",
    [
        ("q::queue::push", 3),
        ("q::queue::push(int)", 3),
        ("_ZN1q5queue4pushEi", 3),
        ("q::stack::push", 7),
    ],
)
def test_a_cold_part_of_cpp(cpp, tmp_path, name, every):
    """No second function of that name, and its refusals are seen."""
    assert counted(cpp, tmp_path / "probed", f"{name}@return") == (2, counts_of(every))


def test_a_cold_part_by_its_own_name(cpp, tmp_path):
    out = injected(cpp, tmp_path / "probed", "app:done=_ZN1q5queue4pushEi.cold@return -4@%eax")
    assert bpftrace_counts(out, "app:done", KEY, out, MESSAGES) == {1: counts_of(3)[1]}
    done = inject(cpp, "-p", "app:x=_ZN1q5queue4pushEi.cold@entry", "--dry-run")
    assert done.returncode == 1
    assert "a part of another function" in done.stderr and done.stderr.count("\n") == 1


def test_cold_parts_of_the_same_name(tmp_path):
    """Of two static functions in two files: each gets the one that it jumps to."""
    objects = []
    for every, calls in ((3, "first"), (7, "second")):
        objects.append(tmp_path / f"{calls}.o")
        build(f"gcc -O2 -DEVERY={every} -DCALLS={calls} -c", SOURCES / "namesake.c", "-o", objects[-1])
    program = build("gcc -O2", SOURCES / "namesakes.c", *objects, "-o", tmp_path / "program")
    symbols = run("nm", "-n", program).stdout.splitlines()
    places = [line.split()[0] for line in symbols if line.endswith(" t same")]
    assert len(places) == 2 and sum(line.endswith(" t same.cold") for line in symbols) == 2
    ambiguous = inject(program, "-p", "app:done=same@return", "--dry-run")
    assert "has 2 functions 'same'" in ambiguous.stderr and ".cold" not in ambiguous.stderr
    found = [counted(program, tmp_path / "probed", f"0x{place}@return") for place in places]
    assert sorted(found, key=str) == sorted([(2, counts_of(3)), (2, counts_of(7))], key=str)


@pytest.mark.parametrize("how", ["gcc -O2", "gcc -O2 -fcf-protection=full", "gcc -O2 -no-pie -fno-pie"])
def test_a_cold_part_that_only_a_jump_table_leads_to(tmp_path, how):
    program = build(how, SOURCES / "switch.c", "-o", tmp_path / "switch")
    code = run("objdump", "-d", "--disassemble=work", program).stdout
    assert re.search(r"jmp +\*", code) and "work.cold" not in code
    sites, counts = counted(program, tmp_path / "probed", "work@return")
    assert counts == {1: MESSAGES // 8, 0: MESSAGES - MESSAGES // 8}
    cold = run("objdump", "-d", "--disassemble=work.cold", program).stdout
    assert sites == (code + cold).count("\tret")


def test_functions_that_end_in_each_other(tmp_path):
    """A tail call to and fro makes neither a part of the other."""
    (tmp_path / "both.c").write_text(
        "int odd(unsigned); __attribute__((noinline)) int even(unsigned i) { return i ? odd(i - 1) : 1; }"
        "__attribute__((noinline)) int odd(unsigned i) { return i ? even(i - 1) : 0; }"
        "int main(int c, char **v) { (void)v; return even(c); }"
    )
    program = build("gcc -O2 -fno-inline", tmp_path / "both.c", "-o", tmp_path / "both")
    done = inject(program, "-p", "app:x=even@return", "--dry-run")
    assert done.returncode == 0
    assert "1 tail call (to odd)" in done.stderr and "odd+" not in done.stdout


def test_clones_are_functions_of_their_own(tmp_path):
    program = build("gcc -O2", SOURCES / "clones.c", "-o", tmp_path / "clones")
    names = functions(program)
    assert {"split", "split.part.0", "work.constprop.0"} < set(names) and "work" not in names
    done = inject(program, "-p", "app:x=split@return", "--dry-run")
    assert done.returncode == 0
    assert "split: not covered: without its beginning, which is inlined, split.part.0; give it" in done.stderr
    done = inject(program, "-p", "app:x=work@return", "--dry-run")
    assert done.returncode == 1
    assert "no function 'work', but what the compiler made of it: 0x" in done.stderr
    out = injected(program, tmp_path / "probed", "app:x=work.constprop.0@return", "app:y=split.part.0@return")
    assert bpftrace_counts(out, "app:x", "1", out, 5) == {1: 2}
    assert bpftrace_counts(out, "app:y", "1", out, 5) == {1: 3}
