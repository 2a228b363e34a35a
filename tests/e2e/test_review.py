# SPDX-License-Identifier: MIT
"""Consumers that lie, and processes that end or go on in unusual ways."""

import contextlib
import ctypes.util
import json
import os
import pathlib
import re
import shutil
import signal
import tempfile
import time

import pytest

from agent import PREFIX
from driver import ACCEPTED, copy_new
from instrumented import except_by
from program import PROGS, PUSHBACK, Program, run, wait_until
from scene import one

HONEST = 23


@contextlib.contextmanager
def hostile(directory, mode):
    """The process, ready to lie."""
    file = directory / "hostile"
    if not file.exists():
        copy_new(PROGS / "hostile", file)
    with Program([file, mode], "stdout") as process:
        process.wait_line("^ready$")
        yield process


def lie(process):
    process.say("")
    process.wait_line("^done$", timeout=60)


def bpftool(*words):
    return json.loads(run("bpftool", "-j", *words).stdout)


def entries(agent, name):
    """How many entries an agent's map has."""
    for info in pathlib.Path(f"/proc/{agent.pid}/fdinfo").iterdir():
        for number in re.findall(r"^map_id:\s*(\d+)", info.read_text(), re.M):
            if bpftool("map", "show", "id", number)["name"] == name:
                return len(bpftool("map", "dump", "id", number))
    raise AssertionError(f"no map {name}")


# ---- Lies ----


def test_episodes_beyond_number_do_not_hold_the_agent(scene):
    """10^14 lines would do them justice; the agent goes on, and says what it left out."""
    d = scene.driver
    d.init(0, "step")
    with hostile(scene.directory, "episodes") as liar:
        agent = scene.attach("--path", scene.directory / "hostile")
        lie(liar)
        name = PREFIX + "send_backpressure_episodes"
        assert agent.receiver.wait_for(lambda r: r.counter(name, step="liar"))
        for _ in range(HONEST):
            d.submit(0, ACCEPTED)
        agent.end()
    assert one(agent, pid=d.pid).counters["submit_accepted"] == HONEST
    lost = agent.lost()
    assert lost.pop("durations_unsent") > 0
    assert lost == {"step_implausible": 1}
    # As many as there were ns, and ten seconds on top.
    counters = one(agent, "liar").counters
    assert counters["send_backpressure_episodes"] < 60e9
    assert counters["send_backpressure_time"] < 60e3
    assert counters["submit_accepted"] == 2


def test_a_step_that_was_refused_leaves_nothing_in_the_kernel(scene):
    """Thousands of steps too many, and their process gone: the maps are as before."""
    with hostile(scene.directory, "places") as liar:
        agent = scene.attach("--path", scene.directory / "hostile")
        lie(liar)
        assert agent.receiver.wait_for(lambda r: agent.lost().get("process_full"))
    for name in ("places", "processes", "steps"):
        wait_until(lambda: entries(agent, name) == 0, f"{name} are left")
    agent.end()


# ---- Files ----


def test_a_file_that_has_probes_now_and_had_none_before(scene):
    """The number of an inode says little: what is at it may have been replaced since."""
    d = scene.driver
    with_probes = d.library_file.read_bytes()
    plain = pathlib.Path(ctypes.util.find_library("z"))
    d.library_file.write_bytes(next(pathlib.Path("/usr/lib").rglob(plain.name)).read_bytes())
    d.init(0, "step")
    agent = scene.watch("--pid", d.pid)
    d.dlopen()
    time.sleep(1.5)  # it looks once a second
    d.dlclose()
    time.sleep(1.5)
    inode = d.library_file.stat().st_ino
    d.library_file.write_bytes(with_probes)
    assert d.library_file.stat().st_ino == inode
    d.dlopen()
    wait_until(lambda: d.semaphore("library"), "it is never looked at again")
    agent.end()


# ---- Processes ----


def test_a_process_that_nobody_reaps_has_ended(scene):
    d = scene.driver
    agent = scene.watch("--pid", d.pid)
    os.kill(d.pid, signal.SIGKILL)
    assert agent.wait(10) == 0


def test_a_process_without_its_first_thread_has_not_ended(scene):
    d = scene.driver
    d.init(0, "step")
    agent = scene.watch("--pid", d.pid)
    d.leave_main()
    d.submit(0, ACCEPTED)
    time.sleep(1.5)
    d.submit(0, ACCEPTED)
    assert agent.process.poll() is None
    agent.end()
    assert one(agent).counters["submit_accepted"] == 2


def start_as(scene, pid):
    """A consumer with this number."""
    for _ in range(100):
        pathlib.Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        d = scene.start()
        if d.pid == pid:
            return d
        d.close()
    pytest.skip("others were faster to get that number each time")


def test_a_number_that_is_used_again_is_another_process(scene):
    staying, leaving = scene.driver, scene.start()
    leaving.init(0, "step")
    agent = scene.watch("--pid", staying.pid, "--pid", leaving.pid)
    leaving.submit(0, ACCEPTED)
    leaving.kill()
    time.sleep(0.5)  # it drains ten times a second
    other = start_as(scene, leaving.pid)
    other.init(0, "step")
    for _ in range(HONEST):
        other.submit(0, ACCEPTED)
    agent.end()
    assert one(agent).counters["submit_accepted"] == 1


def test_process_numbers_of_its_own_are_not_for_the_agent():
    done = run("unshare", "--pid", "--fork", "--mount-proc", PUSHBACK, "run", "--once", timeout=30)
    assert done.returncode == 3
    assert re.fullmatch(r"pushback: [^\n]*--pid=host[^\n]*\n", done.stderr)


def test_a_file_that_may_not_be_read_is_no_fault_of_the_host(scene):
    """The host could: nobody with the capabilities that attaching takes."""
    file = scene.driver.file
    file.chmod(0o700)
    capabilities = "+bpf,+perfmon"
    command = ["setpriv", "--reuid=65534", "--inh-caps", capabilities, "--ambient-caps", capabilities]
    # The binary and the way to the file must be open to nobody.
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        pushback = shutil.copy(PUSHBACK, directory)
        secret = shutil.copy(file, directory)
        done = run(*command, pushback, "run", "--once", "--path", secret, timeout=30)
    assert done.returncode == 1, done.stderr
    assert re.fullmatch(r"pushback: cannot open '[^\n]*': Permission denied\n", done.stderr)


@except_by("valgrind", reason="it sees to the limit of files itself, and stays with what it began with")
def test_more_files_than_the_soft_limit_allows(scene):
    """Of the usual 1,024 each file takes one, or each site two."""
    options = ["--once", "--interval", "100ms", "--path", scene.driver.file, *scene.options]
    done = run("prlimit", "--nofile=16:4096", PUSHBACK, "run", *options, timeout=30)
    assert done.returncode == 0, done.stderr


def test_ever_new_names_do_not_wait_for_a_long_interval(scene):
    """What they have counted is sent when there are many, and forgotten."""
    with hostile(scene.directory, "names") as liar:
        agent = scene.watch("--path", scene.directory / "hostile", interval="1h")
        for _ in range(30):
            liar.say("")
            liar.wait_line("^round$")
            time.sleep(0.5)
            if agent.series():
                break
        assert agent.series()


def test_ever_new_instances_take_no_room_from_others(scene):
    d = scene.driver
    with hostile(scene.directory, "instances") as liar:
        agent = scene.attach("--path", scene.directory / "hostile")
        liar.say("")
        for _ in range(HONEST):
            d.init(0, "step")
            d.submit(0, ACCEPTED)
            d.step_end(0)
            time.sleep(0.01)
        liar.wait_line("^done$", timeout=60)
        agent.end()
    assert one(agent, pid=d.pid).counters["submit_accepted"] == HONEST
    lost = agent.lost()
    assert lost["process_full"] > 0
    assert "steps_full" not in lost
