# SPDX-License-Identifier: MIT
"""usdt-inject on files of another machine, as a cross compiler makes them: aarch64's returns, jumps and refusals.

Nothing traces them here. What is passed is seen by an emulator that logs each instruction.
"""

import collections
import filecmp
import json
import os
import pathlib
import random
import re
import shutil

import pytest

from injecting import MESSAGES, PASSED, SAYS, SOURCES, build, inject
from program import run

GCC, QEMU = "aarch64-linux-gnu-gcc", "qemu-aarch64"
SEED = int(os.environ.get("PUSHBACK_SEED", random.randrange(1 << 32)))
LIBRARIES = pathlib.Path("/usr/aarch64-linux-gnu/lib")

pytestmark = pytest.mark.skipif(not (shutil.which(GCC) and shutil.which(QEMU)), reason=f"no {GCC}, {QEMU}")


def disassembly(file, *options):
    return run("aarch64-linux-gnu-objdump", "-d", *options, file, timeout=300).stdout.split("\n", 3)[3]


def returns_of(code):
    return [int(address, 16) for address in re.findall(r"^ +(\w+):.*\tret(?:\tx\d+)?$", code, re.M)]


def planned(file, *sites):
    options = [word for site in sites for word in ("-p", f"app:x={site}")]
    done = inject(file, *options, "--dry-run", "--json")
    return json.loads(done.stdout)


def addresses(plan):
    return [site["address"] for site in plan["sites"]]


def passed(program, sites, tmp_path):
    """How often each of the addresses was, in a run; of a program that is where it is linked."""
    low, high = min(sites), max(sites) + 4
    log = tmp_path / "log"
    trace = ["-singlestep", "-d", "exec,nochain", "-dfilter", f"{low:#x}..{high:#x}", "-D", log]
    done = run(QEMU, *trace, program, MESSAGES)
    assert done.returncode == 0, done.stderr
    hits = collections.Counter(int(a, 16) for a in re.findall(r"/([0-9a-f]{16})/", log.read_text()))
    return [hits[address] for address in sites]


def program(tmp_path, how=""):
    sources = [SOURCES / "work.c", SOURCES / "user.c"]
    return build(f"{GCC} -O2 -static {how}", *sources, "-o", tmp_path / "program")


def test_each_call_passes_one_return(tmp_path):
    original = program(tmp_path)
    plan = planned(original, "work@return")
    assert plan["machine"] == "aarch64" and plan["remarks"] == []
    assert addresses(plan) == returns_of(disassembly(original, "--disassemble=work"))
    assert {(site["cost"], site["instruction"]) for site in plan["sites"]} == {("emulated", "ret")}
    hits = passed(original, addresses(plan), tmp_path)
    # Those that were passed on arrive by a jump, and return for both.
    assert sum(hits) == MESSAGES + sum(i % 2 == 0 for i in range(1, MESSAGES, 2)) and min(hits) > 0
    entry = planned(original, "work@entry")
    assert passed(original, addresses(entry), tmp_path) == [sum(hits)]


def test_a_tail_call_is_said(tmp_path):
    original = program(tmp_path)
    plan = planned(original, "passed_on@return")
    assert plan["remarks"] == ["passed_on: 1 return; not covered: 1 tail call (to work)"]
    assert passed(original, addresses(plan), tmp_path) == [PASSED]


def test_it_runs_as_before_and_comes_back(tmp_path):
    original, out = program(tmp_path), tmp_path / "probed"
    assert inject(original, "-p", "app:done=work@return -4@x0", "-o", out).returncode == 0
    assert run(QEMU, out, MESSAGES).stdout == SAYS
    assert disassembly(out) == disassembly(original)
    assert f"{returns_of(disassembly(original, '--disassemble=work'))[0]:#x} " in inject(out, "--list").stdout
    assert inject(out, "--remove", "-o", tmp_path / "back").returncode == 0
    assert filecmp.cmp(original, tmp_path / "back", shallow=False)


def test_signed_returns(tmp_path):
    """A hint before a plain return is fine; where they are one, the kernel takes no probe."""
    hinted = program(tmp_path, "-mbranch-protection=standard")
    assert "paciasp" in disassembly(hinted, "--disassemble=work")
    hits = passed(hinted, addresses(planned(hinted, "work@return")), tmp_path)
    assert sum(hits) >= MESSAGES
    signed = program(tmp_path, "-march=armv8.3-a -mbranch-protection=standard")
    assert "retaa" in disassembly(signed, "--disassemble=work")
    done = inject(signed, "-p", "app:x=work@return", "--dry-run")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "the kernel takes no probe on a return or branch with a signed address" in done.stderr


ODD = """
        .text
        .macro function name
        .global \\name
        .type \\name, %function
\\name:
        .endm
        function work
        cbz     w0, work.cold
        ldr     x1, number
back:   ret
number: .xword  7
        .size   work, . - work
        nop
        function work.cold
        mov     w0, #-11
        ret
        .size   work.cold, . - work.cold
        function exclusive
again:  ldxr    w1, [x0]
        stxr    w2, w1, [x0]
        cbnz    w2, again
        ret
        .size   exclusive, . - exclusive
        function switch
        ldrb    w0, [x0, w1, uxtw]
        adr     x1, back
        add     x0, x1, w0, sxtb #2
        br      x0
        ret
        .size   switch, . - switch
        function switch.cold
        ret
        .size   switch.cold, . - switch.cold
"""


def test_a_cold_part_and_what_takes_no_probe(tmp_path):
    (tmp_path / "odd.s").write_text(ODD)
    library = build(f"{GCC} -shared -nostdlib", tmp_path / "odd.s", "-o", tmp_path / "odd.so")
    plan = planned(library, "work@return")
    assert [site["where"] for site in plan["sites"]] == ["work+0x8", "work.cold+0x4"]
    assert plan["remarks"] == []
    remark = r"switch: not covered, if its jump table leads there: switch.cold at 0x\w+"
    assert [bool(re.fullmatch(remark, text)) for text in planned(library, "switch@return")["remarks"]] == [True]
    for site, reason in (
        ("work+0x4", "a load from an address relative to its own"),
        ("exclusive+0x0", "an exclusive load or store"),
        ("exclusive+0x4", "an exclusive load or store"),
    ):
        assert f"the kernel takes no probe on {reason}" in planned(library, site)["error"]
    assert planned(library, "exclusive+0x8")["error"] is None
    assert "no instruction that begins at" in planned(library, "work+0x2")["error"]


@pytest.mark.parametrize("name", ["libc.so.6", "libm.so.6", "libstdc++.so.6"])
def test_a_real_library(name, tmp_path):
    """Some of its functions: what a disassembler calls a return, all of them; and back."""
    library = (LIBRARIES / name).resolve()
    if not library.exists():
        pytest.skip(f"no {library}")
    print(f"PUSHBACK_SEED={SEED}")
    symbols = re.findall(r": (\w+) +(\d+) FUNC +GLOBAL +DEFAULT +\d+ ([\w.]+)", run("readelf", "-sW", library).stdout)
    code, good = disassembly(library), []
    at = sorted(returns_of(code))
    for start, size, function in random.Random(SEED).sample(symbols, 60):
        plan = planned(library, f"0x{start}@return")
        if plan["error"]:
            continue
        begin = int(start, 16)
        own = [a for a in at if begin <= a < begin + int(size)]
        assert [a for a in addresses(plan) if begin <= a < begin + int(size)] == own, function
        good.append(f"app:x{len(good)}=0x{start}@return")
    assert len(good) >= 20
    out = tmp_path / "probed"
    done = inject(library, *(word for probe in good for word in ("-p", probe)), "-o", out)
    assert done.returncode == 0, done.stderr
    assert disassembly(out) == code
    assert inject(out, "--remove", "-o", tmp_path / "back").returncode == 0
    assert filecmp.cmp(library, tmp_path / "back", shallow=False)
