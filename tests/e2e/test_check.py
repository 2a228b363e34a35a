# SPDX-License-Identifier: MIT
"""`pushback check`: exit status and numbers of a consumer whose times are known."""

import json
import re
import signal
import subprocess
import time

import pytest

from driver import ACCEPTED, REJECTED, Driver
from program import PUSHBACK, ROOT, Program, patient, run
from watched import wait_watched


@pytest.fixture
def driver(tmp_path):
    with Driver(tmp_path) as one:
        for place, name in enumerate(["front", "behind", "calm"]):
            one.init(place, name)
        yield one


class Check:
    """A run of the verb: the consumer is watched once this is made."""

    def __init__(self, driver, *options, seconds=3):
        argv = [PUSHBACK, "check", "--path", driver.file, "--for", f"{seconds}s", *options]
        self.process = subprocess.Popen(
            list(map(str, argv)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        wait_watched(driver, self.process)
        self.first = [driver.submit(place, ACCEPTED) for place in range(3)]

    def end(self):
        """(exit status, stdout, stderr)"""
        out, error = self.process.communicate(timeout=patient(60))
        return self.process.returncode, out, error


def test_a_broken_limit_is_told_and_others_hold(driver):
    limits = ["--max-self", "behind=20%", "--max-self", "front=20%", "--max-blocked", "front=50%"]
    check = Check(driver, *limits, "--max-full", "driver=10%", "--max-refusing", "calm=1%")
    driver.calls([("submit", 1, REJECTED), ("forward", 0, REJECTED), ("submit", 0, REJECTED)])
    status, out, error = check.end()
    assert status == 4, (out, error)
    words = [line.split(": ")[0] for line in out.splitlines()]
    pid = driver.pid
    assert words == [
        f"broken  behind of driver ({pid})",
        f"ok      front of driver ({pid})",
        f"ok      calm of driver ({pid})",
        f"broken  front of driver ({pid})",
        f"broken  driver ({pid})",
    ] and not error, (out, error)


def test_shares_are_those_of_the_time(driver):
    before = time.monotonic()
    check = Check(driver, "--max-self", "front=90%", "--max-refusing", "front=90%", "--json", seconds=4)
    (begin,) = [driver.submit(0, REJECTED)]
    time.sleep(1)
    end = driver.submit(0, ACCEPTED)
    status, out, error = check.end()
    most = time.monotonic() - before
    (said,) = map(json.loads, out.splitlines())
    assert status == 0 and not error and not said["broken"], (said, error)
    assert 4 <= said["seconds"]
    for limit in said["limits"]:
        took = limit["share"] * limit["watched_s"] * 1e9
        assert end.before - begin.after <= took + 1000 and took - 1000 <= end.after - begin.before, limit
        assert (limit["pid"], limit["process"], limit["step"], limit["most"]) == (driver.pid, "driver", "front", 0.9)
        # From when it was attached, which is a moment before the seconds begin.
        assert limit["watched_s"] < most


def test_who_has_ended_counts(driver):
    """Its last record is all that there is of it."""
    check = Check(driver, "--max-self", "front=20%", "--json")
    driver.submit(0, REJECTED)
    time.sleep(1)
    driver.kill()
    driver.process.wait()
    end = time.monotonic_ns()
    status, out, error = check.end()
    (limit,) = json.loads(out)["limits"]
    assert status == 4 and limit["broken"], (out, error)
    # Until it ended, not until that was seen.
    assert 1e9 <= limit["watched_s"] * 1e9 <= end - check.first[0].before, limit


def test_what_is_not_there_is_no_success(driver):
    check = Check(driver, "--max-self", "frnt=20%", "--max-self", "calm=20%")
    status, out, error = check.end()
    assert status == 1
    assert out.startswith("ok      calm of driver")
    assert error == (
        "pushback: no step 'frnt' was seen, or it made no return: a limit of what is not there holds nothing back; "
        "see pushback top --once\n"
    )


def test_stopped_before_its_time_nothing_is_judged(driver):
    check = Check(driver, "--max-self", "*=20%", seconds=60)
    check.process.send_signal(signal.SIGINT)
    status, out, error = check.end()
    assert (status, out) == (1, "")
    assert error == "pushback: ended before its time: nothing is judged\n"


def test_a_process_that_ends(driver):
    with Program(
        [PUSHBACK, "check", "--pid", driver.pid, "--for", "60s", "--max-full", "20%"], stdin=subprocess.DEVNULL
    ) as check:
        wait_watched(driver, check)
        driver.submit(0, ACCEPTED)
        driver.kill()
        driver.process.wait()
        assert check.wait() == 1
        assert check.lines == [
            "pushback: ended before its time: nothing is judged",
            f"pushback: process {driver.pid} has ended",
        ]


RECIPES = ROOT / "tests/recipe"


def check_recipe(directory, name, arguments, *options):
    """(status, stdout, stderr) of a check of a program of tests/recipe, and that program's own end."""
    program = directory / name
    done = run("gcc", "-O2", RECIPES / f"{name}.c", "-o", program, "-pthread")
    assert done.returncode == 0, done.stderr
    with subprocess.Popen([program, *map(str, arguments)], stdout=subprocess.DEVNULL) as consumer:
        try:
            argv = ["check", "--path", program, "--recipe", RECIPES / f"{name}.ini", *options]
            done = run(PUSHBACK, *argv)
        finally:
            consumer.kill()
    return done.returncode, done.stdout, done.stderr


def test_who_is_watched_partly_is_judged_by_that(tmp_path):
    """Also where the end falls into a pause."""
    limits = ["--max-refusing", "one=99%", "--max-full", "99%"]
    status, out, error = check_recipe(tmp_path, "busy", [0, 60], "--budget", "0.5%", "--for", "4s", *limits)
    assert status in (0, 4), (out, error)
    assert out.count("(watched:partly, by --budget)") == len(out.splitlines()) == 2, out
    assert "more than --budget" in error


def test_what_was_lost_is_said(tmp_path):
    """Calls that leave their thread's stack are in no number."""
    status, out, error = check_recipe(
        tmp_path, "fiber", ["swap", 1000000000], "--budget", "400%", "--for", "2.5s", "--max-self", "fiber=99%", "--json"
    )
    said = json.loads(out)
    assert said["lost"]["return_unmatched"] > 10, said
    assert re.search(r"^pushback: warning: lost: \d+ return_unmatched", error), error


@pytest.mark.parametrize(
    "options,said",
    [
        ([], "give a limit, as --max-full 5% or --max-self 'sink=20%'"),
        (["--max-self", "20%"], "--max-self '20%': give it as STEP=20%, a part of the time"),
        (["--max-full", "100%"], "--max-full '100%' can never be broken: give less than 100%"),
        (["--max-full", "5%", "--for", "1s"], "--for 1s is too short: at least 2.5s"),
    ],
)
def test_wrong_usage(options, said):
    done = run(PUSHBACK, "check", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"pushback: {said}\n"
