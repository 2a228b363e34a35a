# SPDX-License-Identifier: MIT
"""A Rust consumer of arroyo's shape, built without our crate: each count is the program's own.

What its results look like depends on the payload type. It is read from debug information, given as
values, or told by the message that is handed back. Of every 50 calls of its function one panics, through
the probed submits.
"""

import contextlib
import functools
import os
import pathlib
import random
import re
import shutil
import subprocess

import pytest

from load import LONG
from program import BUILD, PUSHBACK, ROOT, run
from test_recipe import held_against, offset_of, truth_of
from test_recipe import watch as watch_by

SOURCES = ROOT / "tests" / "recipe" / "rust"
SMALL = ROOT / "tests" / "recipe" / "rust_small.ini"
SHIPPED = ROOT / "tools" / "recipes" / "arroyo-rust.ini"


def rustc_version():
    done = run("rustc", "--version") if shutil.which("rustc") else None
    return tuple(int(n) for n in re.findall(r"\d+", done.stdout)[:2]) if done and not done.returncode else (0, 0)


as_later_compilers_do = pytest.mark.skipif(
    rustc_version() < (1, 66), reason=f"rustc {rustc_version()} lays results out as no later one does"
)
SEED = int(os.environ.get("PUSHBACK_SEED", random.randrange(1 << 32)))

TYPES = ["kafka", "u64", "bytes", "string", "option", "bool", "unit"]
# For each day; all of them with PUSHBACK_TEST_LONG.
SOME = TYPES if LONG else ("kafka", "string", "bool")
# Where the discriminant is, and what it means: what arroyo-rust.ini says of each.
TAGGED = ("u64 *arg1", "2", "0", "1")
NICHE = ("u64 *arg1", "0x8000000000000002", "other", "0x8000000000000001")
VALUES = {
    "kafka": TAGGED,
    "u64": TAGGED,
    "unit": TAGGED,
    "bytes": NICHE,
    "string": NICHE,
    "option": ("u32 *arg1", "4", "0..2", "3"),
    "bool": ("u8 *(arg1+44)", "4", "0..2", "3"),
}
KEYS = r"^(result|accepted|rejected|invalid|unknown) = .*\n"


@functools.lru_cache
def build(profile):
    """The consumer, by one of the profiles of its Cargo.toml."""
    if not shutil.which("cargo"):
        pytest.skip("no cargo: apt-get install cargo rustc")
    target = BUILD / "recipe-rust"
    done = subprocess.run(
        ["cargo", "build", "--offline", "--profile", profile],
        cwd=SOURCES,
        env=os.environ | {"CARGO_TARGET_DIR": str(target)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return target / {"dev": "debug"}.get(profile, profile) / "consumer"


def recipe(directory, *result):
    """The shipped recipe, with what it has commented out; its steps' results as given here."""
    text = re.sub(r"^#(?=\[step|[a-z-]+ = )", "", SHIPPED.read_text(), flags=re.M)
    if result:
        text = re.sub(KEYS, "", text, flags=re.M)
        text = re.sub(r"^instance = .*\n", lambda m: m[0] + "\n".join(result) + "\n", text, flags=re.M)
    file = directory / "arroyo.ini"
    file.write_text(text)
    return file


def by_values(kind):
    return [f"{key} = {value}" for key, value in zip(("result", "accepted", "rejected", "invalid"), VALUES[kind])]


def watch(program, file):
    # One that spins: all of it is wanted here.
    return watch_by(program, file, "--budget", "100%")


def is_busy(truth):
    """A run that shows nothing proves nothing."""
    for step in ("RunTask", "Reduce", "RunTaskInThreads", "CommitOffsets"):
        assert truth[step]["send_backpressure_episodes"] > 10, step
    assert truth["HealthCheck"]["propagated"] > 10


def counted(program, file, kind, *more, messages=2000):
    with watch(program, file) as agent:
        truth = truth_of(program, kind, SEED, messages, 2, *more)
        agent.end()
    is_busy(truth)
    held_against(agent, truth)


@pytest.mark.parametrize("kind", TYPES)
def test_counts_by_debug_information(tmp_path, kind):
    print("seed", SEED)
    counted(build("debugged"), recipe(tmp_path), kind)


@pytest.mark.parametrize("profile, kind", [("whole", "string"), ("whole", "bool"), ("whole", "kafka"), ("dev", "option")])
def test_counts_of_other_builds(tmp_path, profile, kind):
    """All crates at once, and not optimized at all."""
    print("seed", SEED)
    counted(build(profile), recipe(tmp_path), kind)


@pytest.mark.parametrize("flags", ["zlib", "zlib-gnu"])
def test_counts_by_packed_debug_information(tmp_path, flags):
    program = tmp_path / "consumer"
    assert run("objcopy", f"--compress-debug-sections={flags}", build("debugged"), program).returncode == 0
    counted(program, recipe(tmp_path), "string", messages=500)


def separate(program):
    """Where the host keeps the debug information of a stripped program, by its build-id."""
    build_id = re.search(r"Build ID: ([0-9a-f]+)", run("readelf", "-n", program).stdout)[1]
    return pathlib.Path("/usr/lib/debug/.build-id", build_id[:2], build_id[2:] + ".debug")


@contextlib.contextmanager
def kept_apart(program):
    """Makes it as the distribution's are, until the end."""
    debug = separate(program)
    made = [parent for parent in debug.parents if not parent.exists()]
    debug.parent.mkdir(parents=True, exist_ok=True)
    try:
        assert run("objcopy", "--only-keep-debug", program, debug).returncode == 0
        assert run("strip", "--strip-debug", program).returncode == 0
        yield debug
    finally:
        debug.unlink(missing_ok=True)
        for folder in made:
            folder.rmdir()


def test_counts_by_debug_information_of_its_own_file(tmp_path):
    """And by that of this build only."""
    program = tmp_path / "consumer"
    shutil.copy(build("debugged"), program)
    with kept_apart(program) as debug:
        counted(program, recipe(tmp_path, "result = dwarf"), "bool", messages=500)
        debug.write_bytes(build("whole").read_bytes())
        assert "has no debug information" in refusal(program, recipe(tmp_path, "result = dwarf"))


@pytest.mark.parametrize("profile", ["debugged", "whole", "dev"])
def test_counts_of_small_enums(profile):
    """In registers; and with LTO, rax is not where the result in memory is."""
    print("seed", SEED)
    program = build(profile)
    with watch(program, SMALL) as agent:
        truth = truth_of(program, "small", SEED, 5000, 1)
        agent.end()
    for step in ("Small", "Bare", "Wide"):
        assert truth[step]["send_backpressure_episodes"] > 10 and truth[step]["invalid"] > 10
    held_against(agent, truth)


@as_later_compilers_do
@pytest.mark.parametrize("profile", ["release", "release-whole"])
@pytest.mark.parametrize("kind", SOME)
def test_counts_by_values(tmp_path, kind, profile):
    """Without debug information."""
    print("seed", SEED)
    counted(build(profile), recipe(tmp_path, *by_values(kind)), kind)


@pytest.mark.parametrize("kind", ["kafka", "unit"])
def test_counts_by_the_numbers_of_the_shipped_recipe(tmp_path, kind):
    counted(build("release"), recipe(tmp_path), kind)


@as_later_compilers_do
def test_a_submit_that_is_a_jump():
    """As it is what is counted above."""
    shown = run("objdump", "-d", "--no-show-raw-insn", build("release")).stdout
    bodies = re.findall(r"^\S+ <\S*healthcheck\.\.HealthCheck\S*6submit17h\S*>:\n(.*?)\n\n", shown, re.M | re.S)
    assert len(bodies) > 3, shown[:1000]
    assert all(re.search(r"\tjmp +\*%", body) and "\tret" not in body for body in bodies), bodies


def symbols_of(program):
    """Of each strategy and method, the mangled names."""
    found = {}
    for line in run("nm", program).stdout.splitlines():
        m = re.search(r"strategies\.\.\w+\.\.(\w+).*ProcessingStrategy.*[0-9](submit|poll)17h[0-9a-f]{16}E$", line)
        if m:
            found.setdefault((m[1], m[2]), set()).add(line.split()[-1])
    return found


def by_offsets(program, text):
    """In the place of each glob, every function that it finds."""
    found = symbols_of(program)

    def places(m):
        offsets = sorted({offset_of(program, name) for name in found.get((m[2], m[1]), [])})
        return "".join(f"{m[1]} = function {offset:#x}\n" for offset in offsets)

    return re.sub(r"^(submit|poll) = glob .*::(\w+)(?:<\*>)? as .*\n", places, text, flags=re.M)


@as_later_compilers_do
@pytest.mark.parametrize("kind", SOME)
def test_counts_of_a_stripped_consumer(tmp_path, kind):
    """By offset and by values: no symbols, no debug information."""
    print("seed", SEED)
    whole, stripped = build("release"), tmp_path / "consumer"
    file = recipe(tmp_path, *by_values(kind))
    text = by_offsets(whole, file.read_text())
    # A step of which nothing is there is none.
    file.write_text("[" + "[".join(part for part in text.split("[")[1:] if "function" in part or "path" in part))
    shutil.copy(whole, stripped)
    assert run("strip", "--strip-all", stripped).returncode == 0
    counted(stripped, file, kind)


# ---- By the message that is handed back ----

MESSAGE = ["result = arg1", "message = arg3"]


@pytest.mark.parametrize("kind", [kind for kind in SOME if kind != "bool"])
def test_counts_by_the_message(tmp_path, kind):
    """Where the discriminant is among its first three words, and no message is invalid."""
    print("seed", SEED)
    counted(build("release"), recipe(tmp_path, *MESSAGE), kind, "valid")


@as_later_compilers_do
def test_the_message_does_not_tell_where_the_discriminant_is_behind_it(tmp_path):
    """As with bool, at byte 44: an accepted one leaves in place what was refused before."""
    program = build("release")
    with watch(program, recipe(tmp_path, *MESSAGE)) as agent:
        truth = truth_of(program, "bool", SEED, 2000, 2, "valid")
        agent.end()
    assert agent.counters()["CommitOffsets"]["send_backpressure"] > truth["CommitOffsets"]["send_backpressure"]


def test_the_message_takes_invalid_ones_for_accepted(tmp_path):
    program = build("release")
    with watch(program, recipe(tmp_path, *MESSAGE)) as agent:
        truth = truth_of(program, "kafka", SEED, 2000, 2)["CommitOffsets"]
        agent.end()
    found = agent.counters()["CommitOffsets"]
    assert found["submit_accepted"] == truth["submit_accepted"] + truth["invalid"] and truth["invalid"]
    assert found["send_backpressure"] == truth["send_backpressure"]


# ---- Panics ----


@pytest.mark.parametrize("profile, kind", [("debugged", "kafka"), ("whole", "string")])
def test_panics_pass_as_ever(tmp_path, profile, kind):
    """Through probed calls, to whoever catches them: what the program does is unchanged."""
    program = build(profile)
    alone = run(program, kind, SEED, 3000, 2)
    with watch(program, recipe(tmp_path)) as agent:
        watched = run(program, kind, SEED, 3000, 2)
        agent.end()
    assert (watched.stdout, watched.stderr, watched.returncode) == (alone.stdout, alone.stderr, 0)
    assert re.search(r"caught [1-9]\d", watched.stderr)
    held_against(agent, truth_of(program, kind, SEED, 3000, 2))


# ---- Refusals ----


def refusal(program, file):
    """Why it does not begin, in one line."""
    done = run(PUSHBACK, "run", "--path", program, "--recipe", file, "--once", "--interval", "100ms")
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    return line


@as_later_compilers_do
def test_without_debug_information_nothing_is_guessed(tmp_path):
    file = recipe(tmp_path, "result = dwarf")
    assert "has no debug information; give a value behind dwarf else" in refusal(build("release"), file)
    said = refusal(build("limited"), file)
    assert "does not say what the function returns: build with debug = 2" in said, said


def test_variants_that_are_not_there_are_refused(tmp_path):
    file = recipe(tmp_path, "result = dwarf", "rejected = Full")
    assert "does not say what the variant MessageRejected means" in refusal(build("debugged"), file)
    file = recipe(tmp_path, "result = dwarf", "rejected = Full", "invalid = other")
    assert "no variant of what it returns is called Full" in refusal(build("debugged"), file)
    # Debug information that does not fit is not overruled by values.
    file = recipe(tmp_path, "result = dwarf else u64 *arg1", "accepted = 2", "rejected = Full, 0", "invalid = other")
    assert "no variant of what it returns is called Full" in refusal(build("debugged"), file)


@as_later_compilers_do
def test_values_of_another_type_are_seen_as_lost(tmp_path):
    """The shipped numbers are not those of Vec<u8>."""
    program = build("release")
    with watch(program, recipe(tmp_path)) as agent:
        truth_of(program, "bytes", SEED, 500, 1)
        agent.end()
    assert agent.lost().get("result_unknown", 0) > 100


def test_a_recipe_of_none_of_its_steps_is_refused(tmp_path):
    program = shutil.copy("/usr/bin/true", tmp_path / "consumer")
    assert "none of the steps, all of which are optional" in refusal(program, recipe(tmp_path))


def test_an_instance_that_is_another_argument_is_refused(tmp_path):
    file = recipe(tmp_path)
    file.write_text(file.read_text().replace("instance = arg2", "instance = arg1"))
    assert "its first argument is in arg2, not in arg1" in refusal(build("debugged"), file)


@as_later_compilers_do
def test_arguments_that_the_compiler_has_changed_are_refused(tmp_path):
    """What is in arg2 is then no address of a step."""
    if not shutil.which("rustc"):
        pytest.skip("no rustc: apt-get install rustc")
    program, file = tmp_path / "promoted", tmp_path / "promoted.ini"
    source = ROOT / "tests/recipe/promoted.rs"
    done = run("rustc", "-O", "-g", "-C", "codegen-units=1", "-o", program, source)
    assert done.returncode == 0, done.stderr
    step = "submit = glob promoted::Step::submit\ninstance = arg2\nresult = dwarf\n"
    file.write_text(f"[target]\npath = {program}\n[step S]\n{step}")
    assert "the compiler has changed its arguments: nothing is in arg2" in refusal(program, file)
