# SPDX-License-Identifier: MIT
"""`pushback diff`: two consumers that know their own truth, side by side."""

import contextlib
import json
import re
import shutil
import signal
import subprocess
import time

import pytest

from driver import ACCEPTED, REJECTED, Driver
from program import IMAGE, PUSHBACK, patient, run
from terminal import Terminal
from watched import wait_watched

STEPS = ["front", "behind"]


@pytest.fixture
def pair(tmp_path):
    """Two processes, each of a build of its own."""
    with contextlib.ExitStack() as stack:
        drivers = []
        for name in ("old", "new"):
            (tmp_path / name).mkdir()
            drivers.append(stack.enter_context(Driver(tmp_path / name)))
            for place, step in enumerate(STEPS):
                drivers[-1].init(place, step)
        yield drivers


def many(driver, place, outcome, times):
    driver.calls([("submit", place, outcome)], times=times)


class Diff:
    """A run of the verb: both are watched once this is made."""

    def __init__(self, drivers, *options, by_file=False, seconds=3):
        sides = [d.file if by_file else d.pid for d in drivers]
        argv = [PUSHBACK, "diff", "--for", f"{seconds}s", *options, *sides]
        self.sides = list(map(str, sides))
        self.process = subprocess.Popen(
            list(map(str, argv)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for driver in drivers:
            wait_watched(driver, self.process)

    def end(self):
        """(exit status, stdout, stderr)"""
        out, error = self.process.communicate(timeout=patient(60))
        return self.process.returncode, out, error


@pytest.mark.parametrize("by_file", [False, True], ids=["pids", "files"])
def test_each_side_counts_what_it_did(pair, by_file):
    old, new = pair
    before = time.monotonic()
    diff = Diff(pair, "--json", by_file=by_file)
    for driver, accepted, rejected in ((old, 7, 3), (new, 11, 5)):
        many(driver, 0, ACCEPTED, accepted)
        for _ in range(2):
            many(driver, 1, REJECTED, rejected)
            driver.submit(1, ACCEPTED)
    status, out, error = diff.end()
    most = time.monotonic() - before
    assert status == 0 and not error, error
    (said,) = map(json.loads, out.splitlines())
    assert said["lost"] == {} and set(said["left_out"].values()) == {0}
    assert said["sides"] == [{"side": side, "processes": 1} for side in diff.sides]
    steps = {step["step"]: step["sides"] for step in said["steps"]}
    assert sorted(steps) == sorted(STEPS)
    assert [side["accepted"] for side in steps["front"]] == [7, 11]
    assert [side["accepted"] for side in steps["behind"]] == [2, 2]
    assert [side["rejections"] for side in steps["behind"]] == [6, 10]
    assert [side["episodes"] for side in steps["behind"]] == [2, 2]
    assert [side["rejections"] for side in steps["front"]] == [0, 0]
    for side in steps["front"] + steps["behind"]:
        assert side["instances"] == 1 and not side["partly"]
        # From when it was attached, which is a moment before the seconds begin.
        assert side["watched_s"] <= most
        assert side["accepted_s"] * side["watched_s"] == pytest.approx(side["accepted"])
    assert all(step["sides"][i]["busy"] is None for step in said["steps"] for i in (0, 1))


def test_shares_are_those_of_the_time_and_it_says_who_stands_out(pair):
    old, new = pair
    diff = Diff(pair, "--json", seconds=4)
    begin = new.submit(1, REJECTED)
    old.submit(1, ACCEPTED)
    time.sleep(2)
    status, out, error = diff.end()
    end = new.submit(1, ACCEPTED)
    assert status == 0 and not error, error
    (said,) = map(json.loads, out.splitlines())
    (behind,) = [step for step in said["steps"] if step["step"] == "behind"]
    a, b = behind["sides"]
    assert a["refusing"] == 0 and a["self"] == 0
    assert b["refusing"] == b["self"] and b["mean_ms"] is None
    assert 2 <= b["self"] * b["watched_s"] <= (end.after - begin.before) / 1e9
    assert behind["differs"]["self"] == behind["differs"]["refusing"] == 1
    assert said["most"] == [None, {"step": "behind", "measure": "self"}]


def test_the_table_says_it_in_words(pair):
    old, new = pair
    diff = Diff(pair, seconds=4)
    new.submit(1, REJECTED)
    for driver in pair:
        driver.submit(0, ACCEPTED)
    old.submit(1, ACCEPTED)
    status, out, error = diff.end()
    assert status == 0 and not error, error
    lines = out.splitlines()
    assert lines[:2] == [f"a: {old.pid}, driver", f"b: {new.pid}, driver"]
    assert lines[3].split() == ["STEP", "SIDE", "N", "ACC/S", "REF%", "SELF%", "BLK%", "MEAN", "DIFFERS"]
    (at,) = [i for i, line in enumerate(lines) if line.startswith("behind ")]
    assert lines[at].split()[1] == "a" and re.match(r" +b +1 .* ref\+ self\+$", lines[at + 1])
    assert re.fullmatch(r"b: behind refuses by its own fault \d+\.\d% of the time, on a 0\.0%", lines[-1])


def test_those_that_do_the_same_do_not_differ(pair):
    diff = Diff(pair)
    for _ in range(10):
        for driver in pair:
            many(driver, 0, ACCEPTED, 100)
            many(driver, 1, ACCEPTED, 50)
        time.sleep(0.2)
    status, out, error = diff.end()
    assert status == 0 and not error, error
    assert out.splitlines()[-1] == "No step differs by more than it varies."
    assert "DIFFERS" not in out


def test_a_step_of_one_side_is_shown_as_that(pair):
    old, new = pair
    diff = Diff(pair, "--json")
    old.submit(0, ACCEPTED)
    new.submit(1, ACCEPTED)
    status, out, error = diff.end()
    (said,) = map(json.loads, out.splitlines())
    steps = {step["step"]: step["sides"] for step in said["steps"]}
    assert status == 0 and steps["front"][1] is None and steps["behind"][0] is None
    diff = Diff(pair)
    old.submit(0, ACCEPTED)
    new.submit(1, ACCEPTED)
    status, out, _ = diff.end()
    assert status == 0 and "only a" in out and "only b" in out
    assert out.splitlines()[-1] == "The sides have no step in common."


def test_all_processes_of_a_build_are_its_side(pair, tmp_path):
    old, new = pair
    with Driver(tmp_path / "new") as third:
        third.init(0, "front")
        diff = Diff(pair, "--json", by_file=True)
        wait_watched(third, diff.process)
        for driver, times in ((old, 3), (new, 4), (third, 5)):
            many(driver, 0, ACCEPTED, times)
        status, out, error = diff.end()
    assert status == 0 and not error, error
    (said,) = map(json.loads, out.splitlines())
    assert [side["processes"] for side in said["sides"]] == [1, 2]
    (front,) = [step["sides"] for step in said["steps"] if step["step"] == "front"]
    assert [side["accepted"] for side in front] == [3, 9]
    assert [side["instances"] for side in front] == [1, 2]


def test_who_has_ended_before_it_could_be_asked_is_left_out_and_said(pair, tmp_path):
    """Which of both it is depends on when it looked; a count is never half there."""
    old, new = pair
    with Driver(tmp_path / "new") as third:
        third.init(0, "front")
        diff = Diff(pair, "--json", by_file=True)
        for driver, times in ((old, 3), (new, 4), (third, 5)):
            many(driver, 0, ACCEPTED, times)
        third.kill()
    status, out, error = diff.end()
    (said,) = map(json.loads, out.splitlines())
    (front,) = [step["sides"] for step in said["steps"] if step["step"] == "front"]
    undecided = said["left_out"]["undecided"]
    assert status == 0 and undecided in (0, 1)
    assert ("1 processes had ended before" in error) == bool(undecided)
    assert [side["processes"] for side in said["sides"]] == [1, 2 - undecided]
    assert [side["accepted"] for side in front] == [3, 4 if undecided else 9]


def test_a_silent_side_is_an_error(pair):
    diff = Diff(pair)
    pair[0].submit(0, ACCEPTED)
    status, out, error = diff.end()
    assert (status, out) == (1, "")
    assert error == (
        f"pushback: no step of {pair[1].pid} was seen, or it made no return: nothing is compared; "
        "see pushback list\n"
    )


def test_one_that_ends_is_compared_and_two_are_not(pair):
    old, new = pair
    diff = Diff(pair, "--json")
    for driver in pair:
        driver.submit(0, ACCEPTED)
    new.kill()
    status, out, error = diff.end()
    assert status == 0, error
    (said,) = map(json.loads, out.splitlines())
    assert [side["accepted"] for side in said["steps"][0]["sides"]] == [1, 1]


def test_both_end_before_its_time(pair):
    diff = Diff(pair, seconds=30)
    for driver in pair:
        driver.submit(0, ACCEPTED)
        driver.kill()
    status, out, error = diff.end()
    assert (status, out) == (1, "")
    assert error.startswith("pushback: ended before its time: nothing is compared\n"), error


def test_it_is_stopped_before_its_time(pair):
    diff = Diff(pair, seconds=30)
    diff.process.send_signal(signal.SIGINT)
    status, out, error = diff.end()
    assert (status, out) == (1, "") and "ended before its time" in error


@pytest.mark.parametrize(
    "sides, status, said",
    [
        ([], 2, "give two sides: two PIDs, or two files"),
        (["1"], 2, "give two sides: two PIDs, or two files"),
        (["1", "2", "3"], 2, "give two sides: two PIDs, or two files"),
        (["17", "17"], 2, "both sides are process 17: give two, or two files"),
        (["17", "FILE"], 2, "'17' is a process and 'FILE' a file: give two PIDs, or two files"),
        (["FILE", "17"], 2, "'17' is a process and 'FILE' a file: give two PIDs, or two files"),
        (["0", "1"], 2, "'0' is not the number of a process"),
        (["1", "99999999999999999999"], 2, "'99999999999999999999' is not the number of a process"),
        (["FILE", "LINK"], 2, "both sides are the same file 'FILE': to compare two processes that run it"),
        (["FILE", "NONE"], 1, "cannot look at 'NONE': No such file or directory"),
        (["FILE", "TEXT"], 1, "'FILE' has no pushback probes: build it with"),
    ],
)
def test_what_cannot_be_compared(tmp_path, sides, status, said):
    shutil.copy(IMAGE, tmp_path / "FILE")
    (tmp_path / "LINK").symlink_to("FILE")
    (tmp_path / "TEXT").write_text("text")
    done = run(PUSHBACK, "diff", *sides, cwd=tmp_path)
    assert done.returncode == status and not done.stdout
    assert len(done.stderr.splitlines()) == 1 and said in done.stderr


def test_in_a_terminal_a_name_is_only_text(pair, tmp_path):
    for driver in pair:
        driver.init(2, "\x1b[31mred\tstep")
    argv = [PUSHBACK, "diff", "--for", "3s", pair[0].pid, pair[1].pid]
    with Terminal(tmp_path, argv) as terminal:
        for driver in pair:
            wait_watched(driver, terminal)
            driver.submit(2, REJECTED if driver is pair[1] else ACCEPTED)
        terminal.wait_for("^b: .*by its own fault")
        screen = terminal.screen("-e")
    assert any(line.startswith("?[31mred?step ") for line in screen), screen
    assert not any("\x1b[31m" in line for line in screen), screen
