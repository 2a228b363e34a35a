# SPDX-License-Identifier: MIT
"""`doctor --recipe`: what a recipe is for is found, is the right build, can be probed, and is hit as it says."""

import os
import re
import shutil
import signal

import pytest

from agent import Agent
from program import PROGS, PUSHBACK, Program, run, wait_until
from test_doctor import CHECKS, DONE, FAILED, HOST, USAGE, Findings, in_mounts, maps_it_often
from test_recipe import SOURCES, build
from test_recipe_wrong import VALUES, build_id, differences, offset_of, recipe, start, wrong_program

ALL = ["target", "build", "functions", "returns", "sites", "cost", "hits"]
OF_PROCESS = ["process", "container", "namespaces", "target", "build", "mapping", *ALL[2:]]


def found(*options, **more):
    """Findings, of the target only."""
    all_of_it = Findings("--for", "500ms", *options, **more)
    assert all_of_it.order[: len(CHECKS)] == CHECKS
    all_of_it.of_target = all_of_it.order[len(CHECKS) :]
    return all_of_it


@pytest.fixture
def wrong(tmp_path):
    return wrong_program(tmp_path)


def test_all_is_well(tmp_path, wrong):
    file = recipe(tmp_path, "symbol good_submit", path=wrong, build_id=build_id(wrong)[:16])
    with start(wrong) as process:
        for options, order in (
            ([], ALL),
            (["--pid", process.pid], OF_PROCESS),
            ([wrong], ["processes", *ALL]),
            (["--no-multi"], ALL),
        ):
            f = found("--recipe", file, *options)
            assert f.status == DONE and f.of_target == order
            f.expect("target", "ok", rf"{wrong} is what {file}:1 is for; mapped by {process.pid}$")
            f.expect("build", "ok", f"build-id {build_id(wrong)}, as {file}:1 has it")
            f.expect("functions", "ok", "1 step, 1 function, 3 sites: a$")
            f.expect("returns", "ok", "all 2 can be probed")
            f.expect("sites", "ok", "nobody else watches: 3 sites not armed")
            f.expect("cost", "ok", r"a submit of a costs \d+\.\d us on this machine: 5 % of a core, .* are [1-9]\d* a second")
            hits, accepted, rejected = map(int, re.search(
                r"attached: (\d+) hits in 0.5 s: a \((\d+) accepted, (\d+) rejected\)", f["hits"]["fact"]).groups())
            # A call may be under way.
            assert hits > 30 and abs(2 * (accepted + rejected) - hits) <= 4 and abs(accepted - rejected) <= 2
        assert differences(process, wrong) == []
        with Agent("--path", wrong, "--recipe", file, interval="100ms") as agent:
            wait_until(lambda: agent.counters()["a"]["submit_accepted"], "not watched")
            f = found("--recipe", file)
            f.expect("sites", "ok", "somebody watches already: 3 of 3 sites armed")
            assert f.status == DONE and "accepted" in f["hits"]["fact"]
            agent.end()


def test_nobody_runs_it(tmp_path):
    program = build(tmp_path, "-O2")
    f = found("--recipe", SOURCES / "plain.ini", program)
    assert f.status == DONE and f.of_target == ["processes", "target", "build", "functions", "returns", "cost"]
    f.expect("processes", "warning", "none maps it now", "start the consumer")
    f.expect("build", "ok", "any will do")
    f.expect("functions", "ok", "3 steps, 6 functions, 19 sites: parse, batch, write$")
    f = found("--recipe", recipe(tmp_path, "symbol parse_submit", path=program))
    f.expect("target", "warning", f"{program} is what .* is for; no process maps it now", "start the consumer")


def test_what_is_not_there(tmp_path, wrong):
    nowhere = recipe(tmp_path, "symbol good_submit", path="/nowhere/ingest", name="nowhere.ini")
    f = found("--recipe", nowhere)
    assert f.failures() == {"target"} and f.of_target == ["target"]
    f.expect("target", "failure", f"{nowhere}:1: no process maps a file '/nowhere/ingest'", "start the consumer, or give")
    f = found("--recipe", nowhere, wrong)
    assert f.failures() == {"target"}
    f.expect("target", "failure", f"'{wrong}' is not what {nowhere}:1 is for", f"pushback recipe check {nowhere}")
    with start(wrong) as process:
        f = found("--recipe", nowhere, "--pid", process.pid)
        assert f.failures() == {"target"}
        f.expect("target", "failure", f"process {process.pid} maps no file .* none that {nowhere} is for", "/maps")
        # One of two.
        here = recipe(tmp_path, "symbol good_submit", path=wrong)
        f = found("--recipe", nowhere, "--recipe", here)
        assert f.status == DONE and f.of_target == ["target", *ALL]
        levels = [g["level"] for g in f.all if g["check"] == "target"]
        assert levels == ["warning", "ok"] and "hits in 0.5 s: a (" in f["hits"]["fact"]


def test_a_process_that_maps_it_often(tmp_path, wrong):
    file = recipe(tmp_path, "symbol good_submit", path=wrong)
    with start(wrong), maps_it_often(wrong, 1000) as other:
        for options, whose in ((["--pid", other.pid], ""), ([], rf" \(process {other.pid}\)")):
            f = found("--recipe", file, *options)
            assert f.status == DONE
            f.expect("sites", "warning", f"48 sites not armed; 984 more mappings were not read{whose}$")


def test_another_build(tmp_path, wrong):
    file = recipe(tmp_path, "symbol good_submit", path=wrong, build_id="00ff00ff")
    with start(wrong) as process:
        f = found("--recipe", file, "--pid", process.pid)
        assert f.failures() == {"build"} and f.of_target == OF_PROCESS[:6]
        f.expect("build", "failure", f"build-id {build_id(wrong)} is not the one that {file}:1 is for", "put its build-id")
        assert differences(process, wrong) == []
    offset = recipe(tmp_path, f"function {offset_of(wrong, 'good_submit'):#x}", path=wrong)
    f = found("--recipe", offset)
    assert f.status == DONE
    f.expect("build", "warning", "has offsets and no build-id", f"put build-id = {build_id(wrong)} there")


def test_functions_that_cannot_be_probed(tmp_path, wrong):
    file = recipe(tmp_path, "symbol nope_submit", "symbol main", "symbol tail_submit", path=wrong)
    with start(wrong) as process:
        f = found("--recipe", file)
        bad = [g for g in f.all if g["check"] == "functions"]
        assert [(g["level"], re.search(r":(\d+): ", g["fact"])[1]) for g in bad] == [("failure", "4"), ("failure", "6")]
        assert "no function is nope_submit" in bad[0]["fact"] and "inlined" in bad[0]["advice"]
        assert "ends by a jump to another function" in bad[1]["fact"] and "name that one too" in bad[1]["advice"]
        # Of one that does not fit nothing is attached.
        assert "hits" not in f.of_target and differences(process, wrong) == []


def test_results_that_are_wrong(tmp_path, wrong):
    values = VALUES.replace("accepted = 0", "accepted = 77").replace("rejected = -11", "rejected = 78")
    with start(wrong) as process:
        f = found("--recipe", recipe(tmp_path, "symbol good_submit", path=wrong, values=values))
        assert f.failures() == {"hits"}
        fact, doubt = [g for g in f.all if g["check"] == "hits"]
        assert "a (0 accepted, 0 rejected)" in fact["fact"] and fact["level"] == "ok"
        assert re.fullmatch(r"a: none of \d+ results was accepted or rejected, all were invalid", doubt["fact"]) and doubt["advice"]
        values = "returns = uretprobe\n" + VALUES
        f = found("--recipe", recipe(tmp_path, "symbol tail_submit", path=wrong, values=values))
        assert f.status == DONE
        f.expect("returns", "warning", "1 of 1 by a uretprobe: an exception or a panic .* ends the process", "none ever does")
        process.signal(signal.SIGSTOP)
        f = found("--recipe", recipe(tmp_path, "symbol good_submit", path=wrong))
        process.signal(signal.SIGCONT)
        f.expect("hits", "warning", f"no hit in 0.5 s: process {process.pid} is stopped", f"kill -CONT {process.pid}")
        f = found("--recipe", recipe(tmp_path, "symbol main", path=wrong))
        f.expect("hits", "warning", f"process {process.pid} ran for .* ms and called no probe", "not driven")


def test_a_file_that_is_written_to(tmp_path, wrong):
    """What runs is not what the file has."""
    file = recipe(tmp_path, "symbol good_submit", path=wrong)
    with start(wrong) as process:
        new = tmp_path / "new"
        shutil.copy(wrong, new)
        os.rename(new, wrong)
        f = found("--recipe", file, "--pid", process.pid)
        f.expect("mapping", "warning", "replaced by a copy of the same build")
        assert "hits in 0.5 s: a (" in f["hits"]["fact"]


def test_beside_our_own(tmp_path):
    spinner = shutil.copy(PROGS / "spinner", tmp_path / "wrong-spin")
    file = recipe(tmp_path, "symbol main", path=spinner)
    with Program([spinner, tmp_path / "truth"], output="stdout") as ours:
        ours.wait_line("ready")
        f = found("--recipe", file, "--pid", ours.pid)
        assert f.of_target[:6] == ["process", "container", "namespaces", "probes", "mapping", "sites"]
        assert f.of_target.count("hits") == 2 and f.status == DONE
        f.expect("probes", "ok", "4 sites")


def test_a_host_that_could_stop(tmp_path, wrong):
    file = recipe(tmp_path, "symbol good_submit", path=wrong)
    (tmp_path / "config").write_text("CONFIG_EXT4_DEBUG=y\n")
    (tmp_path / "panic").write_text("1\n")
    assert run("gzip", tmp_path / "config").returncode == 0
    script = f"""
    mount -t tmpfs none /boot
    mount --bind {tmp_path}/panic /proc/sys/kernel/panic_on_warn
    mount --bind {tmp_path}/config.gz /proc/config.gz
    """
    with start(wrong):
        f = found("--recipe", file, before=in_mounts(script))
    assert f.failures() == {"panic_on_warn"} and f.of_target == ALL[:-1]
    f.expect("cost", "warning", "not measured, nor attached: that could stop this host", "panic_on_warn")


def test_usage(tmp_path, wrong):
    for status, options, why in [
        (FAILED, ["--recipe", tmp_path / "none.ini"], "cannot read the recipe"),
        (USAGE, ["--recipe", "/dev/null"], "there is no [target]"),
        (FAILED, ["--recipe", recipe(tmp_path, "symbol a"), tmp_path / "none"], "cannot open"),
        (FAILED, ["--recipe", recipe(tmp_path, "symbol a"), "--pid", "999999999"], "no process"),
    ]:
        done = run(PUSHBACK, "doctor", *options)
        assert done.returncode == status and why in done.stderr and len(done.stderr.splitlines()) == 1, done
    # Without one a file without probes is none that can be watched.
    assert run(PUSHBACK, "doctor", "--for", "1ms", wrong).returncode == HOST
