# SPDX-License-Identifier: MIT
"""usdt-inject on programs that know their counts: every kind of file, every tracer, and back."""

import filecmp
import os
import re
import shutil

import pytest

from injecting import (
    DONE,
    MESSAGES,
    PASSED,
    REFUSED,
    SAYS,
    SITE,
    SOURCES,
    bpftrace_counts,
    bpftrace_lists,
    build,
    disassembly,
    functions,
    gdb,
    gdb_hits,
    inject,
    injected,
    perf,
)
from program import DEMO, PUSHBACK, ROOT, run

LLD = "-fuse-ld=lld -Wl,--build-id=sha1"
KINDS = {
    "pie": "gcc -O2 -pie -fPIE",
    "no-pie": "gcc -O2 -no-pie",
    "O0": "gcc -O0 -g",
    "cet": "gcc -O2 -fcf-protection=full",
    "static": "gcc -O2 -static",
    "static-pie": "gcc -O2 -static-pie",
    "stripped": "gcc -O2 -s",
    "stripped-no-pie": "gcc -O2 -no-pie -s",
    "lto": "gcc -O2 -flto=auto",
    "sections": "gcc -O2 -ffunction-sections -Wl,--gc-sections",
    "clang-lld": f"clang -O2 {LLD}",
    "clang-lld-no-pie": f"clang -O2 -no-pie {LLD}",
    "mold": "gcc -O2 -fuse-ld=mold -B/usr/libexec/mold",
}
KEY = "(int32)arg0 == -11"
COUNTS = {1: REFUSED, 0: MESSAGES - REFUSED}


def program(directory, how, name="program"):
    return build(how, SOURCES / "work.c", SOURCES / "user.c", "-o", directory / name)


def site_of(directory, how):
    """In a stripped file by the address that the same build has with symbols."""
    if "-s" not in how.split():
        return SITE
    whole = program(directory, how.removesuffix(" -s"), "unstripped")
    return SITE.replace("=work", "=" + hex(functions(whole)["work"]))


@pytest.fixture(name="probed", params=KINDS)
def a_probed(request, tmp_path):
    """Of each kind, the original and the injected one."""
    how = KINDS[request.param]
    if not shutil.which(how.split()[0]) or ("mold" in how and not shutil.which("ld.mold")):
        pytest.skip("not here")
    original = program(tmp_path, how)
    out = injected(original, tmp_path / "probed", site_of(tmp_path, how))
    return original, out


def test_each_kind_of_program(probed, tmp_path):
    original, out = probed
    assert run(out, MESSAGES).stdout == SAYS
    assert disassembly(original) == disassembly(out)
    assert bpftrace_lists(out) == [DONE]
    assert bpftrace_counts(out, DONE, KEY, out, MESSAGES) == COUNTS
    assert gdb_hits(out, DONE, MESSAGES) == MESSAGES
    assert inject(out, "--remove", "-o", tmp_path / "back").returncode == 0
    assert filecmp.cmp(original, tmp_path / "back", shallow=False)


def test_perf_with_each_kind(probed, tmp_path):
    _, out = probed
    listed, counted = perf(tmp_path, out, DONE, out, MESSAGES)
    assert listed == [DONE]
    assert counted == MESSAGES


@pytest.mark.parametrize("strip", [False, True], ids=["whole", "stripped"])
def test_a_library(tmp_path, strip):
    library = build("gcc -O2 -shared -fPIC", SOURCES / "work.c", "-o", tmp_path / "libwork.so")
    user = build(f"gcc -O2 -Wl,-rpath,{tmp_path}", SOURCES / "user.c", library, "-o", tmp_path / "user")
    if strip:
        build("strip", library)
    shutil.copy(library, tmp_path / "original")
    code = disassembly(library)
    # Its dynamic symbol is there all the same.
    assert inject(library, "-p", SITE, "--replace").returncode == 0
    assert run(user, MESSAGES).stdout == SAYS
    assert disassembly(library) == code
    assert bpftrace_counts(library, DONE, KEY, user, MESSAGES) == COUNTS
    assert gdb_hits(user, DONE, MESSAGES) == MESSAGES
    assert perf(tmp_path, library, DONE, user, MESSAGES)[1] == MESSAGES
    assert inject(library, "--remove", "--replace").returncode == 0
    assert filecmp.cmp(library, tmp_path / "original", shallow=False)


def test_probes_survive_strip(tmp_path):
    out = injected(program(tmp_path, "gcc -O2 -no-pie"), tmp_path / "probed", SITE)
    build("strip", out)
    assert bpftrace_counts(out, DONE, KEY, out, MESSAGES) == COUNTS
    assert gdb_hits(out, DONE, MESSAGES) == MESSAGES
    assert perf(tmp_path, out, DONE, out, MESSAGES)[1] == MESSAGES


def test_places_and_arguments(tmp_path):
    """One probe at each kind of place: the argument of the call, and what is returned."""
    original = program(tmp_path, "gcc -O2 -fcf-protection=full")
    start = functions(original)["work"]
    out = injected(
        original,
        tmp_path / "probed",
        "app:entry=work@entry -4@%edi",
        "app:offset=work+0x0 -4@%edi",
        f"app:address={start:#x} 8@$7",
        f"app:file=file:{start:#x}",
        f"app:begun={start:#x}@return",
    )
    for name in ("entry", "offset"):
        counts = bpftrace_counts(out, f"app:{name}", "(int32)arg0 % 3 == 0", out, MESSAGES)
        assert counts == COUNTS
    assert bpftrace_counts(out, "app:address", "arg0", out, MESSAGES) == {7: MESSAGES}
    for name in ("file", "begun"):
        assert bpftrace_counts(out, f"app:{name}", "1", out, MESSAGES) == {1: MESSAGES}
    assert bpftrace_lists(out) == [f"app:{n}" for n in ("address", "begun", "entry", "file", "offset")]
    shown = inject(out, "--list").stdout
    assert re.search(rf"^app:address +{start:#x} +0 +8@\$7$", shown, re.M)


def test_the_entry_is_behind_endbr64(tmp_path):
    original = program(tmp_path, "gcc -O2 -fcf-protection=full")
    shown = inject(original, "-p", "a:b=work@entry", "--dry-run")
    assert f"{functions(original)['work'] + 4:#x}" in shown.stdout


def probes_of_gdb(file):
    return re.findall(r"^stap +(\S+ +\S+ +0x\S+)", gdb(file, "info probes stap"), re.M)


def test_old_probes_stay(tmp_path):
    """A program with probes of its own, and semaphores: all tracers see both, and pushback its own."""
    listed, site = bpftrace_lists(DEMO), probes_of_gdb(DEMO)
    assert listed and site
    out = injected(DEMO, tmp_path / "demo", "app:begin=main@entry -4@%edi")
    assert bpftrace_lists(out) == sorted(listed + ["app:begin"])
    assert set(site) < set(probes_of_gdb(out))
    assert len(probes_of_gdb(out)) == len(site) + 1
    assert bpftrace_counts(out, "app:begin", "arg0", out, "--help") == {2: 1}
    # What the sites and semaphores are, apart from the file's name.
    seen = [run(PUSHBACK, "list", "--json", file).stdout.replace(str(file), "") for file in (DEMO, out)]
    assert '"submit_return"' in seen[0]
    assert seen[0] == seen[1]


def test_a_tail_call_is_said(tmp_path):
    original = program(tmp_path, "gcc -O2")
    done = inject(original, "-p", "app:done=passed_on@return", "-o", tmp_path / "probed")
    assert done.returncode == 0
    assert "passed_on: 1 return; not covered: 1 tail call (to work)" in done.stderr
    out = tmp_path / "probed"
    assert bpftrace_counts(out, "app:done", "1", out, MESSAGES) == {1: PASSED}


def test_returns_of_a_cold_part(tmp_path):
    """gcc puts what seldom runs elsewhere, its return as well: here that is the refusal."""
    original = build("gcc -O2", SOURCES / "cold.c", "-o", tmp_path / "cold")
    start = functions(original)
    assert "work.cold" in start
    out = injected(original, tmp_path / "probed", SITE)
    assert bpftrace_counts(out, DONE, KEY, out, MESSAGES) == COUNTS
    # Without symbols nobody knows whose part it is: said, and can be given.
    build("strip", original)
    work, cold = (SITE.replace("=work", f"={start[name]:#x}") for name in ("work", "work.cold"))
    done = inject(original, "-p", work, "-o", out)
    assert f"1 jump (to {start['work.cold']:#x}, another function or a part of this one)" in done.stderr
    injected(original, out, work, cold)
    assert bpftrace_counts(out, DONE, KEY, out, MESSAGES) == COUNTS


def test_the_tool_is_static_as_the_observer(tmp_path):
    """For where there is no libelf: no interpreter, no library, and what it writes is the same."""
    done = run("make", "-C", ROOT, "STATIC=1", f"B={tmp_path}/build", f"-j{os.cpu_count()}", f"{tmp_path}/build/usdt-inject", timeout=300)
    assert done.returncode == 0, done.stderr
    tool = tmp_path / "build/usdt-inject"
    assert "INTERP" not in run("readelf", "-lW", tool).stdout and "NEEDED" not in run("readelf", "-dW", tool).stdout
    original = program(tmp_path, "gcc -O2")
    done = run(tool, original, "-p", SITE, "-o", tmp_path / "static")
    assert done.returncode == 0, done.stderr
    assert filecmp.cmp(injected(original, tmp_path / "probed", SITE), tmp_path / "static", shallow=False)


# ---- Names ----


def counts_of_names(program_file, name, tmp_path):
    out = injected(program_file, tmp_path / "probed", f"app:done={name}@return 1@%al")
    shown = run(out, 100).stdout
    refused = int(shown.split()[0])
    assert 0 < refused < 100
    assert bpftrace_counts(out, "app:done", "arg0 & 0xff", out, 100) == {0: refused, 1: 100 - refused}


def test_names_of_cpp(tmp_path):
    original = build("g++ -O2", SOURCES / "names.cc", "-o", tmp_path / "names")
    counts_of_names(original, "q::queue::push(int)", tmp_path)
    done = inject(original, "-p", "app:done=q::queue::push@return", "--dry-run")
    assert done.returncode == 1
    assert "has 2 functions 'q::queue::push'" in done.stderr
    assert inject(original, "-p", "app:done=q::drain@return", "--dry-run").returncode == 0


@pytest.mark.parametrize(
    "mangling, name", [("legacy", "names::q::Queue::push"), ("v0", "<names::q::Queue>::push")]
)
def test_names_of_rust(tmp_path, mangling, name):
    if not shutil.which("rustc"):
        pytest.skip("no rustc")
    done = run(
        *("rustc", "-O", "--edition", "2018", "-Zunstable-options"),
        *(f"-Csymbol-mangling-version={mangling}", SOURCES / "names.rs", "-o", tmp_path / "names"),
        env=os.environ | {"RUSTC_BOOTSTRAP": "1"},  # an older one has a choice only for the bold
    )
    assert done.returncode == 0, done.stderr
    counts_of_names(tmp_path / "names", name, tmp_path)
