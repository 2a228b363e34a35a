# SPDX-License-Identifier: MIT
"""`pushback run --pin`: what becomes of files, and of who is meant, from one agent to the next."""

import contextlib
import os

import pytest

from agent import Agent
from driver import Driver
from overlay import disk, overlays  # noqa: F401
from pinning import Relay, bpf_file_system
from scene import expect, one, refuse, refused


@pytest.fixture
def bpffs():
    with bpf_file_system() as directory:
        yield directory


def refuse_some(driver, times=2):
    """So many whole episodes."""
    return [refuse(driver) for _ in range(times)]


def check(relay, told):
    """{driver: episodes} is what all agents of the relay said, and all that they said."""
    assert {int(pid) for _, pid in relay.series()} == {driver.pid for driver in told}
    for driver, episodes in told.items():
        parts = [refused(*episode) for episode in episodes]
        instances = one(relay, pid=driver.pid).gauges["instances"]
        expect(one(relay, pid=driver.pid), *parts, instances=instances, submit_accepted=len(episodes))
    assert not relay.lost(), relay.lost()


def consumer(stack, directory):
    driver = stack.enter_context(Driver(directory))
    driver.init(0, "step")
    return driver


# ---- Overlays ----


def file_pins(relay):
    return sum(name.startswith("file_") for name in relay.pins())


@pytest.mark.parametrize("watched", ["by nobody else", "by another"])
def test_copied_up_while_no_agent_ran(bpffs, disk, watched):
    """The same name, the same number, another inode: who maps which goes on with its own probes."""
    with overlays(disk, 1) as [merged], contextlib.ExitStack() as stack:
        relay = stack.enter_context(Relay(bpffs, "--path", merged / "driver", "--tag-from", "pid=pid"))
        told = {}
        old = consumer(stack, merged)
        told[old] = refuse_some(old)
        relay.stop()
        os.utime(merged / "driver")
        if watched == "by another":  # its probes are none of ours
            stack.enter_context(Agent("--path", merged / "driver"))
        told[old] += refuse_some(old)
        for count in (1, 2):
            relay.start()
            assert file_pins(relay) == 2
            new = consumer(stack, merged)
            told[new] = refuse_some(new)
            for driver in told:
                told[driver] += refuse_some(driver)
            relay.stop()
            for driver in told:
                told[driver] += refuse_some(driver)
        relay.start()
        relay.end()
        check(relay, told)


def test_not_copied_up_it_is_the_same(bpffs, disk):
    with overlays(disk, 1) as [merged], contextlib.ExitStack() as stack:
        relay = stack.enter_context(Relay(bpffs, "--path", merged / "driver", "--tag-from", "pid=pid"))
        driver = consumer(stack, merged)
        told = {driver: refuse_some(driver)}
        for _ in range(2):
            relay.restart()
            assert file_pins(relay) == 1
            told[driver] += refuse_some(driver)
        relay.end()
        check(relay, told)


def test_in_doubt_both_are_watched_and_nothing_counts_twice(bpffs, disk):
    """Copied up before, and since then changed: it may be another one."""
    with overlays(disk, 1) as [merged], contextlib.ExitStack() as stack:
        os.utime(merged / "driver")
        relay = stack.enter_context(Relay(bpffs, "--path", merged / "driver", "--tag-from", "pid=pid"))
        driver = consumer(stack, merged)
        told = {driver: refuse_some(driver)}
        relay.stop()
        os.chmod(merged / "driver", 0o700)
        relay.start()
        assert file_pins(relay) == 2
        told[driver] += refuse_some(driver)
        relay.restart()
        assert file_pins(relay) == 2
        told[driver] += refuse_some(driver)
        relay.end()
        check(relay, told)
