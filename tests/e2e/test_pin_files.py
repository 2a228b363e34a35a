# SPDX-License-Identifier: MIT
"""`pushback run --pin`: what becomes of files, and of who is meant, from one agent to the next."""

import contextlib
import os

import pytest

from agent import Agent
from container import CONTAINER, groups
from driver import Driver
from kernel import MULTI
from overlay import disk, overlays  # noqa: F401
from pinning import Relay, bpf_file_system
from program import wait_until
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


def consumer(stack, directory, name="driver"):
    driver = stack.enter_context(Driver(directory, name=name))
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


# ---- Letting go ----


pytestmark = MULTI
NAME = f"pbp{os.getpid()}"
ALL = ("--all", "--match-name", NAME, "--let-go", "2s", "--tag-from", "pid=pid")


def named(stack, directory):
    directory.mkdir(exist_ok=True)
    driver = consumer(stack, directory, NAME)
    wait_until(lambda: driver.semaphore() == 4, "it is never found")
    return driver


def test_a_file_that_nobody_maps_any_more_is_let_go(tmp_path, bpffs):
    """Its name is there still. Until its time has come, who starts it is counted from the first call."""
    with contextlib.ExitStack() as stack:
        relay = stack.enter_context(Relay(bpffs, *ALL))
        stays, goes = (named(stack, tmp_path / name) for name in ("stays", "goes"))
        told = {driver: refuse_some(driver) for driver in (stays, goes)}
        relay.stop()
        told[goes] += refuse_some(goes)
        goes.kill()
        relay.start()
        assert file_pins(relay) == 2
        again = consumer(stack, tmp_path / "goes", NAME)
        told[again] = refuse_some(again)
        relay.stop()
        again.kill()
        relay.start()
        wait_until(lambda: file_pins(relay) == 1, "it is kept for ever", 20)
        told[stays] += refuse_some(stays)
        relay.end()
        check(relay, told)


def test_an_inode_that_somebody_maps_is_kept(bpffs, disk):
    """Its number is another one's by now."""
    with overlays(disk, 1, NAME) as [merged], contextlib.ExitStack() as stack:
        relay = stack.enter_context(Relay(bpffs, *ALL))
        old = named(stack, merged)
        told = {old: refuse_some(old)}
        relay.stop()
        os.utime(merged / NAME)
        relay.start()
        other = named(stack, disk / "other")  # by this it is seen that some are let go
        told[other] = refuse_some(other)
        assert file_pins(relay) == 3
        relay.stop()
        other.kill()
        relay.start()
        wait_until(lambda: file_pins(relay) == 2, "none is let go", 20)
        told[old] += refuse_some(old)
        relay.stop()
        old.kill()
        relay.start()
        wait_until(lambda: file_pins(relay) == 0, "it is kept for ever", 20)
        relay.end()
        check(relay, told)


# ---- Who is meant ----


@contextlib.contextmanager
def two_consumers(directory):
    """Of the same kind, from files of their own."""
    with contextlib.ExitStack() as stack:
        for name in ("mine", "other"):
            (directory / name).mkdir()
        yield [consumer(stack, directory / name, name) for name in ("mine", "other")]


@pytest.fixture
def two(tmp_path):
    with two_consumers(tmp_path) as drivers:
        yield drivers


def relay_of(bpffs, drivers, *options):
    files = [word for driver in drivers for word in ("--path", driver.file)]
    return Relay(bpffs, *files, "--tag-from", "pid=pid", *options)


def told_of(relay, driver):
    wait_until(lambda: ("step", str(driver.pid)) in relay.series(), "it is told of")


@pytest.mark.parametrize("kind", ["name", "cgroup", "path"])
def test_who_is_meant_stays_so(tmp_path, bpffs, kind):
    """Also one that has ended meanwhile, and cannot be asked any more."""
    group = f"pin-files-{os.getpid()}-{kind}"  # another suite looks for groups that have our name
    with groups(tmp_path, group) as put, two_consumers(tmp_path) as two, contextlib.ExitStack() as stack:
        mine, other = two
        put(mine.pid, group)
        options = {
            "name": ("--match-name", "mine"),
            "cgroup": ("--match-cgroup", f"*/{group}"),
            "path": ("--exclude", f"{other.directory}/*"),
        }[kind]
        relay = stack.enter_context(relay_of(bpffs, two, *options))
        told = {mine: refuse_some(mine)}
        refuse_some(other)
        told_of(relay, mine)
        relay.stop()
        told[mine] += refuse_some(mine)
        refuse_some(other)
        mine.kill()
        relay.start()
        refuse_some(other)
        relay.end()
        check(relay, told)


def test_others_are_meant_from_a_restart_on(bpffs, two):
    """Of them all is told since they were watched; what was told of the others is, and no more."""
    a, b = two
    with relay_of(bpffs, two, "--exclude", f"{b.directory}/*") as relay:
        told = {a: refuse_some(a), b: refuse_some(b)}
        told_of(relay, a)
        relay.stop()
        refuse_some(a)
        told[b] += refuse_some(b)
        relay.options[-1] = f"{a.directory}/*"
        relay.start()
        refuse_some(a)
        told[b] += refuse_some(b)
        relay.end()
        check(relay, told)


def test_none_is_left_out_any_more(bpffs, two):
    a, b = two
    with relay_of(bpffs, two, "--exclude", f"{b.directory}/*") as relay:
        told = {a: refuse_some(a), b: refuse_some(b)}
        told_of(relay, a)
        relay.stop()
        for driver in two:
            told[driver] += refuse_some(driver)
        del relay.options[-2:]
        relay.start()
        relay.end()
        check(relay, told)


def test_the_origin_is_whose_it_was(tmp_path, bpffs):
    """Its container's id is sent on when the process has gone."""
    group = f"docker-{CONTAINER}.scope"
    with groups(tmp_path, group) as put, contextlib.ExitStack() as stack:
        mine = consumer(stack, tmp_path)
        put(mine.pid, group)
        relay = stack.enter_context(relay_of(bpffs, [mine], "--origin", "container"))
        refuse_some(mine)
        told_of(relay, mine)
        relay.stop()
        refuse_some(mine, 3)
        mine.kill()
        relay.start()
        relay.end()
        assert accepted(relay) == {frozenset({"step:step", "process:driver", f"pid:{mine.pid}", f"|c:{CONTAINER}"}): 5}


def accepted(relay):
    counters = relay.receiver.counters
    return {frozenset(tags): n for (name, tags), n in counters.items() if name.endswith(".submit_accepted")}
