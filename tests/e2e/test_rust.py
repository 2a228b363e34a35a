# SPDX-License-Identifier: MIT
"""The Rust crate is held to what the C header is held to.

Its layout and state machine are the header's, byte by byte. The tests of test_semantics.py, one by one,
and random schedules of test_property.py run with a scripted consumer that is the C one's counterpart
in Rust. And a chain of boxed strategies that know nothing of probes is compared with what they know of
themselves.
"""

import concurrent.futures
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import traceback

import pytest

import rust
from agent import Agent
from driver import copy_new
from program import ROOT, Program, run
from scene import Scene, nothing_lost
from test_property import RUNS, SEED, Disturbed, Schedule, report
from test_semantics import *  # noqa: F401,F403 - they run here, with this scene:

del test_a_step_that_is_made_anew_ends_the_old_one  # noqa: F821 - what Rust makes has no place yet
del test_the_memory_is_read_while_a_thread_has_it  # noqa: F821 - it has no timers, which hold up the last thread there


@pytest.fixture
def scene(tmp_path):
    """A scene whose consumers are Rust."""
    rust.take_driver(tmp_path)
    with Scene(tmp_path) as s:
        yield s


# ---- Random schedules ----


def run_one(seed):
    """What is wrong with this schedule, as text; empty if nothing is."""
    for _ in range(6):
        with tempfile.TemporaryDirectory(prefix="pushback-") as directory:
            rust.take_driver(pathlib.Path(directory))
            schedule = Schedule(seed, pathlib.Path(directory))
            try:
                schedule.run()
            except Disturbed:
                continue
            except Exception:  # noqa: BLE001 - with its seed
                schedule.wrong += traceback.format_exc().splitlines()
            return report(seed, schedule) if schedule.wrong else ""
    return "somebody watches all of this host"


def test_random_schedules():
    rust.build()
    first = random.SystemRandom().randrange(1 << 32)
    seeds = [int(SEED)] if SEED else [first + i for i in range(max(1, RUNS // 8))]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        wrong = [text for text in pool.map(run_one, seeds) if text]
    assert not wrong, "\n\n".join(wrong)


# ---- The crate by itself ----


def test_its_own_tests_pass():
    """Those of the crate; for long ones, also what its documentation shows."""
    few = [] if os.environ.get("PUSHBACK_TEST_LONG") else ["--lib", "--examples"]
    said = rust.cargo("test", *few, where=rust.CRATE)
    assert "test result: ok" in said and "FAILED" not in said, said
    if not few:
        rust.cargo("doc", "--no-deps", where=rust.CRATE, RUSTDOCFLAGS="-D warnings")


AARCH64 = "aarch64-unknown-linux-gnu"


def has_aarch64():
    """Rust's library for it, as Debian's libstd-rust-dev:arm64 or rustup's target, and what it takes."""
    if not all(map(shutil.which, ("rustc", "aarch64-linux-gnu-gcc", "qemu-aarch64"))):
        return False
    flags = os.environ.get("RUSTFLAGS", "").split()
    done = run("rustc", "--print", "target-libdir", "--target", AARCH64, *flags)
    return os.path.isdir(done.stdout.strip())


def test_its_own_tests_pass_on_aarch64():
    if not has_aarch64():
        pytest.skip("no Rust library, C compiler or emulator for aarch64")
    said = rust.cargo(
        *("test", "--lib", "--target", AARCH64),
        where=rust.CRATE,
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER="aarch64-linux-gnu-gcc",
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu",
    )
    assert "test result: ok" in said and "FAILED" not in said, said


def test_the_readme_leads_to_the_adapter():
    adapter = rust.CRATE / "examples/arroyo/watched.rs"
    assert f"({adapter.relative_to(ROOT)})" in (ROOT / "README.md").read_text()


FOLDED = slice((176 + 64) * 2, (176 + 72) * 2)  # of the send direction, in hex digits


def some_schedule(seed, length):
    """Lines of contract.c: many edges in short time, and long pauses."""
    dice, now, lines = random.Random(seed), 10**15, []
    for _ in range(length):
        # Mostly so short that most cycles are folded.
        pauses = (0, 1, 1000, 50_000, 400_000, 3_000_000, 10**9)
        now += dice.choices(pauses, (10, 10, 60, 18, 1, 0.5, 0.1))[0]
        op = dice.choices(
            ("submit", "forward", "poll", "abandon", "miss"), (50, 40, 10, 0.5, 0.5)
        )[0]
        value = dice.randrange(2) if op == "poll" else dice.choice((0, 0, 0, 1, 1, 1, 2, 3, 77))
        lines.append(f"{op} {value} {now}\n")
    return "".join(lines)


def test_layout_and_state_machine_are_the_headers(tmp_path):
    made = rust.build()
    flags = ["-std=gnu11", "-O1", "-I", ROOT / "include", "-o", tmp_path / "contract"]
    subprocess.run(["gcc", *flags, ROOT / "tests/rust/contract.c"], check=True)
    folded = 0
    for seed in range(4):
        schedule = some_schedule(seed, 2000)
        right = run(tmp_path / "contract", input=schedule).stdout.splitlines()
        got = run(made / "contract", input=schedule).stdout.splitlines()
        assert len(right) == 1 + 33 + 12 + 2000
        folded += sum(line.split()[1][FOLDED] != "0" * 16 for line in right[46:])
        for number, (one, other) in enumerate(zip(right, got)):
            assert one == other, f"seed {seed}, line {number}"
        assert len(got) == len(right)
    assert folded > 1000, "it tests too little"


# ---- Wrapped strategies ----


def told(series):
    """accepted, rejected, forwarded, refused of what an agent said of a step."""
    names = ("submit_accepted", "send_backpressure", "submit_forwarded", "receive_backpressure")
    return tuple(series.counters[name] for name in names)


@pytest.mark.parametrize("service_ns", [0, 20_000, 1_000_000])
def test_wrapped_strategies_are_counted_as_they_count_themselves(tmp_path, service_ns):
    file = tmp_path / "pipeline"
    copy_new(rust.build() / "pipeline", file)
    messages = {0: 300_000, 20_000: 30_000, 1_000_000: 500}[service_ns]
    # It starts watched: that the kernel raises the right semaphore then is the linker's business, too.
    command = [file, "truth", messages, service_ns]
    with Agent("--path", file, interval="100ms") as agent, Program(command, output="stdout") as consumer:
        consumer.wait_line("^ready")
        consumer.say("go")
        consumer.wait_line("^done", timeout=60)
        agent.end()
        lines = [line.split() for line in consumer.lines if len(line.split()) == 6]
        right = {name: tuple(map(int, counts)) for name, *counts in lines}
        series = {name: one for (name, _), one in agent.series().items()}
        nothing_lost(agent)
        consumer.say("end")
        assert consumer.wait() == 0
    assert set(series) == set(right) and len(right) == 5
    for name, (accepted, rejected, _, forwarded, refused) in right.items():
        assert told(series[name]) == (accepted, rejected, forwarded, refused), name
    names = list(right)
    for name, following in zip(names, names[1:]):
        assert told(series[name])[2] == told(series[following])[0], "what one hands on, the next takes"
    assert right["check"][1:3] == (0, right["parse"][1]), "refusals that go through are not its own"
    if service_ns:
        assert min(right["sink"][:2]) > 0 and right["check"][2] > 0
