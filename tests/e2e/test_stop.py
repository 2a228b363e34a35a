# SPDX-License-Identifier: MIT
"""SIGTERM ends the agent in time, however much is attached, and nothing is lost by it.

No time is asserted: a service manager waits for 90 s, and so do we. How long it took is printed. The
kernel lets go of perf uprobes one after the other, 50 ms each: a hundred files of them are four times as
many and take 20 s, with PUSHBACK_TEST_LONG=1; else ten do.
"""

import contextlib
import re
import signal
import subprocess
import time

import pytest

from driver import ACCEPTED, Driver, copy_new
from instrumented import except_by
from load import LONG
from program import PROGS, Program, wait_until
from scene import expect, nothing_lost, one, refuse, refused

STOP_TIMEOUT = 90  # TimeoutStopSec of a service, as systemd has it if nobody says


def test_stop_with_a_hundred_binaries(scene):
    """The last one's consumer is under way."""
    files = 10 if "--no-multi" in scene.options and not LONG else 100
    folders = [scene.directory / f"{i}" for i in range(files)]
    for folder in folders:
        folder.mkdir()
        copy_new(PROGS / "driver", folder / "driver")
    copy_new(PROGS / "driver_library.so", folders[-1] / "driver_library.so")
    paths = [word for folder in folders for word in ("--path", folder / "driver")]
    with Driver(folders[-1]) as d:
        d.init(0, "step")
        agent = scene.watch(*paths, interval="10s")
        assert f"watching {files} files, {4 * files} sites" in agent.lines[0]
        episode = refuse(d)
        for _ in range(10):
            d.submit(0, ACCEPTED)
        began = time.monotonic()
        agent.signal(signal.SIGTERM)
        assert agent.wait(STOP_TIMEOUT) == 0
        took = time.monotonic() - began
        assert d.let_go()
        agent.receiver.stop()
    print(f"\nSIGTERM with {files} binaries attached: {took:.2f} s")
    expect(one(agent), refused(*episode), submit_accepted=11)
    nothing_lost(agent)


@contextlib.contextmanager
def handled(number, how):
    """What is started meanwhile inherits it."""
    before = signal.signal(number, how)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_what_a_terminal_sends_ends_it_too(scene, number):
    d = scene.step()
    with handled(number, signal.SIG_DFL):  # the tests themselves may run under nohup(1)
        agent = scene.attach(interval="1h")
    episode = refuse(d)
    agent.signal(number)
    assert agent.wait() == 0
    agent.receiver.stop()
    expect(one(agent), refused(*episode), submit_accepted=1)


def test_a_hangup_that_is_ignored(scene):
    """As under nohup(1)."""
    d = scene.step()
    with handled(signal.SIGHUP, signal.SIG_IGN):
        agent = scene.attach()
    agent.signal(signal.SIGHUP)
    episode = refuse(d)
    agent.end()
    expect(one(agent), refused(*episode), submit_accepted=1)


@except_by("address", reason="who is traced by strace is not looked through for leaks")
def test_rounds_that_take_longer_than_they_are_apart(scene):
    """As on a machine that has no time for it: each call of bpf(2) takes 60 ms, and a round has several."""
    d = scene.step()
    agent = scene.attach(interval="100ms")
    episode = refuse(d)
    slow = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=bpf", "-e", "inject=bpf:delay_enter=60000"]
    with Program([*slow, "-p", agent.pid], stdin=subprocess.DEVNULL):
        wait_until(lambda: traced(agent.pid), "it is not slowed down")
        rounds = agent.receiver.packets
        wait_until(lambda: agent.receiver.packets > rounds + 2, "no rounds")
        agent.signal(signal.SIGTERM)
        assert agent.wait(STOP_TIMEOUT) == 0
    agent.receiver.stop()
    expect(one(agent), refused(*episode), submit_accepted=1)


def traced(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return re.search(r"^TracerPid:\s*(\d+)", status.read(), re.M)[1] != "0"
