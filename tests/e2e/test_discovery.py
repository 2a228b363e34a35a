# SPDX-License-Identifier: MIT
"""What --all finds, and when it lets go: new processes, files that are replaced, copied up or written to.

Each agent looks at processes of one name only, which no other test has: this machine's others keep
their consumers to themselves.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

from container import groups
from driver import ACCEPTED, REJECTED, Driver, copy_new
from instrumented import except_by
from kernel import HAS_MULTI
from overlay import disk, overlays  # noqa: F401
from program import PROGS, wait_until
from scene import Scene, expect, one, refuse, refused
from watched import SITES, armed_in, links_of, perf_links

NAME = f"pbd{os.getpid()}"


class Hunt(Scene):
    """Consumers of a name of their own, each started from a file that a test has put there."""

    def __init__(self, directory, *options):
        self.directory = directory
        self.options = ("--all", "--match-name", NAME, *options)
        self.stack = contextlib.ExitStack()
        self.agent = None  # the last one

    def consumer(self, directory=None, **more):
        directory = directory or self.directory
        return self.stack.enter_context(Driver(directory, name=NAME, **more))

    def watch(self, *options, **more):
        self.agent = super().watch(*options, **more)
        return self.agent

    def found(self, driver, where="driver"):
        """It is attached to: all that is called from now on is counted. Each of four sites raises it.

        A moment later each has its breakpoint, and before uprobe_multi a link.
        """

        def all_of_them():
            linked = HAS_MULTI or perf_links(self.agent) % SITES == 0
            return driver.semaphore(where) == SITES and armed_in(driver.pid, where) == SITES and linked

        wait_until(all_of_them, f"{driver.pid} is never found", 20)
        return driver


@pytest.fixture
def hunt(tmp_path):
    with Hunt(tmp_path) as h:
        yield h


def refuse_some(driver, times=3):
    """So many whole episodes of a new step: what is to be expected of its series."""
    driver.init(0, "step")
    return [refuse(driver) for _ in range(times)]


def check(agent, told):
    """{pid: episodes} is what the agent says, and all that it says."""
    agent.end()
    check_series(agent, told)


def check_series(agent, told):
    assert {int(pid) for _, pid in agent.series()} == set(told), agent.lost()
    for pid, episodes in told.items():
        instances = one(agent, pid=pid).gauges["instances"]
        parts = [refused(*episode) for episode in episodes]
        expect(one(agent, pid=pid), *parts, instances=instances, submit_accepted=len(episodes))


def links(agent):
    """How many files it is attached to; before uprobe_multi that is four links for each."""
    return links_of(agent, "uprobe_multi").total() if HAS_MULTI else perf_links(agent) // SITES


def link_ids(agent):
    """No link has that of another."""
    ids = set()
    for info in pathlib.Path(f"/proc/{agent.pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):
            ids |= set(re.findall(r"^link_id:\s*(\d+)", info.read_text(), re.M))
    return ids


def wait_anew(agent, files, former):
    """To so many files, one of them after it was let go: until then its old probes would do for builds alike."""
    wait_until(lambda: links(agent) == files and link_ids(agent) - former, "it is not attached anew", 20)


# ---- What is new ----


def test_a_process_that_begins(hunt):
    agent = hunt.watch()
    first = hunt.found(hunt.consumer())
    told = {first.pid: refuse_some(first)}
    # Its file is watched by now: the next one counts from its first call on.
    second = hunt.consumer()
    told[second.pid] = refuse_some(second)
    check(agent, told)


def test_a_process_that_becomes_another(hunt, tmp_path):
    """An exec in place, of a file that nobody has seen."""
    agent = hunt.watch()
    copy_new(PROGS / "driver", tmp_path / NAME)
    copy_new(PROGS / "driver_library.so", tmp_path / "driver_library.so")
    driver = hunt.found(hunt.consumer(prefix=("sh", "-c", 'sleep 0.3; exec "$@"', "sh")))
    check(agent, {driver.pid: refuse_some(driver)})


def test_a_library_that_is_opened(hunt):
    agent = hunt.watch()
    driver = hunt.found(hunt.consumer())
    driver.dlopen()
    hunt.found(driver, "library")
    driver.init(1024, "step")
    told = {driver.pid: [refuse(driver, 1024) for _ in range(3)]}
    check(agent, told)


def many_execs():
    for _ in range(300):
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)


def test_more_execs_than_there_is_room_for(hunt):
    """Those that are not told of are found by the next look, and counted."""
    agent = hunt.watch()
    agent.signal(signal.SIGSTOP)
    many_execs()
    driver = hunt.consumer()
    agent.signal(signal.SIGCONT)
    hunt.found(driver)
    check(agent, {driver.pid: refuse_some(driver)})
    assert agent.lost()["exec_untold"] > 0


def test_of_a_path_no_exec_is_lost(hunt):
    """That there was any is all that it needs to know, and a full buffer tells that."""
    hunt.options = ()
    driver = hunt.consumer()
    agent = hunt.watch("--path", driver.file)
    agent.signal(signal.SIGSTOP)
    many_execs()
    agent.signal(signal.SIGCONT)
    hunt.found(driver)
    check(agent, {driver.pid: refuse_some(driver)})
    assert not agent.lost()


# ---- What becomes of a file ----


def test_replaced_on_disk(hunt, tmp_path):
    agent = hunt.watch()
    old = hunt.found(hunt.consumer())
    told = {old.pid: refuse_some(old)}
    copy_new(PROGS / "driver_cpp", tmp_path / "new")
    os.rename(tmp_path / "new", tmp_path / NAME)
    new = hunt.found(hunt.consumer())
    told[new.pid] = refuse_some(new)
    told[old.pid] += [refuse(old) for _ in range(2)]
    check(agent, told)


@pytest.mark.parametrize("attached", ["before", "after"])
def test_deleted_while_running(hunt, tmp_path, attached):
    agent = hunt.watch() if attached == "before" else None
    driver = hunt.consumer()
    if agent:
        hunt.found(driver)
    os.unlink(tmp_path / NAME)
    agent = agent or hunt.watch()
    hunt.found(driver)
    check(agent, {driver.pid: refuse_some(driver)})


def in_place(source, to):
    """As cp does it: the inode stays."""
    before = os.stat(to).st_ino
    with open(source, "rb") as content, open(to, "r+b") as file:
        file.truncate(0)
        shutil.copyfileobj(content, file)
    assert os.stat(to).st_ino == before


@pytest.mark.parametrize("target", ["all", "path"])
def test_upgraded_in_place(hunt, tmp_path, target):
    """Probes of the old code would break the new one: they are let go, and it is attached anew."""
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(Driver(tmp_path, name=NAME))
        if target == "path":
            hunt.options = ("--path", tmp_path / NAME)
        agent = hunt.watch()
        hunt.found(old)
        told = {old.pid: refuse_some(old)}
    former = link_ids(agent)
    in_place(PROGS / "driver_cpp", tmp_path / NAME)
    agent.wait_line("was written to while it was attached")
    new = hunt.consumer()
    wait_anew(agent, 1, former)
    hunt.found(new)
    told[new.pid] = refuse_some(new)
    end_with_a_word(agent)
    check_series(agent, told)
    assert agent.lost() == {"file_changed": 1}


def test_written_to_but_the_same(hunt, tmp_path):
    """As a deploy of the same build does it: nobody is let go."""
    agent = hunt.watch()
    with Driver(tmp_path, name=NAME) as old:
        hunt.found(old)
        told = {old.pid: refuse_some(old)}
    os.utime(tmp_path / NAME)
    new = hunt.found(hunt.consumer())
    told[new.pid] = refuse_some(new)
    assert links(agent) == 1
    check(agent, told)


LIBRARYS = 1024  # places from there on are the library's


def library_step(driver):
    driver.init(LIBRARYS, "its")
    return driver


def change_build_id(path):
    """One bit in place: other notes than were read, and nothing that anybody runs."""
    shown = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True).stdout
    build_id = bytes.fromhex(re.search(r"Build ID: (\w+)", shown)[1])
    with open(path, "r+b") as file:
        at = file.read().index(build_id)
        file.seek(at)
        file.write(bytes([build_id[0] ^ 1]))


def test_a_library_changed_in_place_while_it_is_mapped(hunt, tmp_path):
    """It may be written to, unlike an executable that runs. Who maps it is counted on."""
    agent = hunt.watch()
    driver = hunt.found(hunt.consumer(library=True))
    hunt.found(library_step(driver), "library")
    told = [refuse(driver, LIBRARYS) for _ in range(3)]
    mine = refuse_some(driver)
    former = link_ids(agent)
    change_build_id(driver.library_file)
    agent.wait_line("driver_library.so was written to while it was attached")
    wait_anew(agent, 2, former)
    hunt.found(driver, "library")
    told += [refuse(driver, LIBRARYS) for _ in range(2)]
    mine += [refuse(driver)]
    end_with_a_word(agent)
    expect(one(agent), *[refused(*e) for e in mine], submit_accepted=len(mine))
    expect(one(agent, "its"), *[refused(*e) for e in told], submit_accepted=len(told))
    assert agent.lost() == {"file_changed": 1}


@except_by("address", "thread", "valgrind", reason="what it costs is not what it costs")
def test_who_writes_without_end_is_not_looked_at_without_end(hunt):
    """Each write has the file looked at anew: for a part of one core, however many there are."""
    agent = hunt.watch()
    driver = hunt.found(hunt.consumer(library=True))
    hunt.found(library_step(driver), "library")
    idle, _ = cost_of(agent, time.sleep, 0.01)
    with open(driver.library_file, "r+b", buffering=0) as file:
        first = file.read(1)
        busy, writes = cost_of(agent, os.pwrite, file.fileno(), first, 0)
    print(f"{writes} writes in 2 s: {(busy - idle) / 1e6:.0f} ms of a CPU")
    assert writes > 1000 and busy - idle < 0.1 * 2e9, (writes, idle, busy)
    told = refuse_some(driver)
    end_with_a_word(agent)
    assert one(agent).counters["submit_accepted"] == len(told)


def cost_of(agent, function, *arguments):
    """CPU time in ns of an agent while that is done for two seconds, and how many times it was."""
    before, end, times = cpu_ns(agent.pid), time.monotonic_ns() + 2_000_000_000, 0
    while time.monotonic_ns() < end:
        function(*arguments)
        times += 1
    return cpu_ns(agent.pid) - before, times


def cpu_ns(pid):
    """Of its first thread so far."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as stat:
        return int(stat.read().split()[0])


def test_a_library_upgraded_in_place_while_it_is_mapped(hunt, tmp_path):
    """As cp does it: the old code has gone from under who maps it, and who opens it now has the new one."""
    agent = hunt.watch()
    old = hunt.found(hunt.consumer(library=True))
    hunt.found(library_step(old), "library")
    told = {old.pid: [refuse(old, LIBRARYS) for _ in range(3)]}
    old.step_end(LIBRARYS)
    former = link_ids(agent)
    in_place(PROGS / "driver_cpp_library.so", old.library_file)
    agent.wait_line("driver_library.so was written to while it was attached")
    mine = refuse_some(old)  # its executable is what it was
    new = hunt.consumer(library=True)
    wait_anew(agent, 2, former)
    hunt.found(library_step(new), "library")
    told[new.pid] = [refuse(new, LIBRARYS) for _ in range(2)]
    end_with_a_word(agent)
    expect(one(agent, pid=old.pid), *[refused(*e) for e in mine], submit_accepted=len(mine))
    for pid, episodes in told.items():
        instances = int(pid == new.pid)
        parts = [refused(*e) for e in episodes]
        expect(one(agent, "its", pid), *parts, instances=instances, submit_accepted=len(episodes))
    assert agent.lost() == {"file_changed": 1}


def end_with_a_word(agent):
    """It has said more than that it watches."""
    agent.signal(signal.SIGTERM)
    assert agent.wait() == 0, agent.lines
    agent.receiver.stop()
    assert not agent.receiver.errors


# ---- Overlays ----


def test_copied_up(hunt, disk):
    """Who started before it maps another inode than who starts after it; maps calls both the same."""
    with overlays(disk, 1, NAME) as [merged], contextlib.ExitStack() as stack:
        agent = hunt.watch()
        old = hunt.found(stack.enter_context(Driver(merged, name=NAME)))
        told = {old.pid: refuse_some(old)}
        os.utime(merged / NAME)
        new = hunt.found(stack.enter_context(Driver(merged, name=NAME)))
        told[new.pid] = refuse_some(new)
        told[old.pid] += [refuse(old) for _ in range(2)]
        assert links(agent) == 2
        check(agent, told)


def test_seen_through_two_mounts(hunt, disk):
    """One inode is attached once."""
    with overlays(disk, 2, NAME) as mounts, contextlib.ExitStack() as stack:
        agent = hunt.watch()
        told = {}
        for merged in mounts:
            driver = hunt.found(stack.enter_context(Driver(merged, name=NAME)))
            told[driver.pid] = refuse_some(driver)
        assert links(agent) == 1
        check(agent, told)


# ---- Letting go ----


def test_what_nobody_maps_is_let_go(tmp_path):
    with Hunt(tmp_path, "--let-go", "300ms") as hunt:
        agent = hunt.watch()
        told = {}
        for _ in range(2):
            with Driver(tmp_path, name=NAME) as driver:
                hunt.found(driver)
                told[driver.pid] = refuse_some(driver)
                assert links(agent) == 1
            wait_until(lambda: links(agent) == 0, "it is held for ever", 20)
        check(agent, told)


def test_a_file_that_is_mapped_is_kept(tmp_path):
    """Its process does nothing for as long as it likes."""
    with Hunt(tmp_path, "--let-go", "100ms") as hunt:
        agent = hunt.watch()
        driver = hunt.found(hunt.consumer())
        told = {driver.pid: refuse_some(driver)}
        wait_until(lambda: links(agent) == 1, "let go")
        other = tmp_path / "other"
        other.mkdir()
        with Driver(other, name=NAME) as brief:
            hunt.found(brief)
            told[brief.pid] = refuse_some(brief)
        # The brief one's file is let go by now, so its own could have been.
        wait_until(lambda: links(agent) == 1, "the other is held for ever", 20)
        told[driver.pid] += [refuse(driver)]
        check(agent, told)


# ---- Who is meant ----


IDS = [digit * 64 for digit in "ab"]


def test_only_what_matches_is_counted(tmp_path):
    """The same binary for all: attached for one of them, it fires for each."""
    names = [f"{NAME}-docker-{i}.scope" for i in IDS]
    with groups(tmp_path, *names) as put, Scene(tmp_path) as scene:
        mine, other, child_of = scene.driver, scene.start(), None
        put(mine.pid, names[0])
        put(other.pid, names[1])
        agent = scene.attach("--match-cgroup", f"*/{NAME}-docker-{IDS[0]}*")
        told = {mine.pid: refuse_some(mine)}
        refuse_some(other)
        child_of = scene.fork()
        told[child_of.pid] = refuse_some(child_of)
        # A new image is decided about anew.
        put(other.pid, names[0])
        other.exec()
        told[other.pid] = refuse_some(other)
        check(agent, told)


def test_excluded(tmp_path):
    with Scene(tmp_path) as scene:
        agents = {
            "by name": scene.attach("--exclude", "dri*r"),
            "by path": scene.attach("--exclude", f"{tmp_path}/*"),
            "not": scene.attach("--exclude", "river", "--exclude", "/nowhere/*"),
        }
        told = {scene.driver.pid: refuse_some(scene.driver)}
        check(agents.pop("not"), told)
        for agent in agents.values():
            check(agent, {})


# ---- Whose container it is ----


def test_origin(tmp_path):
    """Two containers under the same tags are two series, each with its own id."""
    names = [f"docker-{i}.scope" for i in IDS]
    with groups(tmp_path, *names) as put, Scene(tmp_path) as scene:
        drivers = [scene.driver, scene.start(), scene.start()]
        for driver, name in zip(drivers, names):
            put(driver.pid, name)
        agent = scene.stack.enter_context(
            scene.plain("--path", scene.driver.file, "--origin", "container")
        )
        for number, driver in enumerate(drivers, 1):
            driver.init(0, "step")
            driver.calls([("submit", 0, REJECTED), ("submit", 0, ACCEPTED)], number)
        agent.end()
        seen = {}
        for (name, tags), value in agent.receiver.counters.items():
            if name.endswith(".submit_accepted"):
                seen[frozenset(tags)] = value
        common = {"step:step", "process:driver"}
        assert seen == {
            frozenset(common | {f"|c:{IDS[0]}"}): 1,
            frozenset(common | {f"|c:{IDS[1]}"}): 2,
            frozenset(common): 3,
        }
