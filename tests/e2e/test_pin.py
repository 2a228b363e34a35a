# SPDX-License-Identifier: MIT
"""`pushback run --pin`: agents that end, are killed and come again, and what all of them said in sum.

Of agents that end by SIGTERM it is the truth. One that is killed may have said up to an interval's
differences that the next one says again: the truth and no more than that on top. PUSHBACK_SEED picks
the moments.
"""

import collections
import os
import pathlib
import random
import re
import shutil
import signal
import time

import pytest

import truth
from agent import Agent
from driver import ACCEPTED, REJECTED, Driver, copy_new
from instrumented import BY
from kernel import MULTI, has
from load import COUNTS, LONG, TIMES, Consumer, count_errors, sample_errors, time_errors, value_of
from pinning import BPFTOOL, Relay, bpf_file_system, in_a_namespace, pin_of, unpin
from program import DEMO, PROGS, PUSHBACK, now, run, wait_until
from scrape import ScrapedAgent
from scene import expect, one, pause, refuse, refused

pytestmark = MULTI
SEED = int(os.environ.get("PUSHBACK_SEED", random.randrange(1 << 32)))
ROUNDS = 40 if LONG else 4


@pytest.fixture
def bpffs():
    with bpf_file_system() as directory:
        yield directory


@pytest.fixture
def demo(tmp_path):
    return shutil.copy(DEMO, tmp_path / "demo")


@pytest.fixture
def driven(tmp_path):
    with Driver(tmp_path) as driver:
        yield driver


def relay_of(bpffs, driver, *options, **more):
    files = ("--path", driver.file, "--path", driver.library_file)
    return Relay(bpffs, *files, "--tag-from", "pid=pid", *options, **more)


# ---- Under load ----


def check(relay, results, wall):
    steps = truth.merge(results)
    errors = count_errors(relay, steps) + sample_errors(relay, steps) + time_errors(relay, steps, wall)
    assert not errors, "\n".join(errors)
    assert not relay.lost(), relay.lost()
    assert sum(r["send"]["episodes"] for r in results) > 100


def test_restarts_lose_nothing(tmp_path, bpffs, demo):
    print("PUSHBACK_SEED", SEED)
    pick = random.Random(SEED)
    begin = now()
    with Relay(bpffs, "--path", demo) as relay:
        with Consumer(tmp_path / "log", "--slow", "sink:refuse:1ms", program=demo) as consumer:
            for i in range(ROUNDS):
                time.sleep(pick.uniform(0, 0.5))
                relay.stop()
                if i % 2:
                    consumer.say("rebalance")
                    time.sleep(pick.uniform(0, 0.5))
                relay.start()
            consumer.end()
        wall = now() - begin
        relay.end()
    check(relay, consumer.truth(), wall)
    for said in relay.said[1:]:
        assert re.search(r"watching 1 file, 4 sites, .*, going on from \d+\.\d s ago, to ", said), said


def repeated_by_kills(log, bpffs, demo, pick):
    """How many episodes were told twice."""
    most = collections.Counter()
    begin = now()
    with Relay(bpffs, "--path", demo) as relay:
        with Consumer(log, "--slow", "sink:refuse:1ms", program=demo) as consumer:
            for i in range(ROUNDS):
                time.sleep(pick.uniform(0.3, 0.6))
                if i % 2:
                    consumer.say("rebalance")
                    relay.kill_in_a_flush()
                else:
                    relay.stop(signal.SIGKILL)
                most.update(relay.last_flush())
                relay.start()
            consumer.end()
        wall = now() - begin
        relay.end()
    steps = truth.merge(consumer.truth())
    errors = list(beyond(relay, steps, most, wall))
    assert not errors, "\n".join(errors)
    assert not relay.lost(), relay.lost()
    assert unpin(bpffs).returncode == 0
    return relay.counters()["sink"]["send_backpressure_episodes"] - steps["sink"]["send"]["episodes"]


def test_a_kill_repeats_no_more_than_an_interval(tmp_path, bpffs, demo):
    """Some at any moment, some just when the first packet of a flush is out, and nothing is stored yet.

    On a busy machine that moment may be missed each time, and then nothing was shown.
    """
    print("PUSHBACK_SEED", SEED)
    pick = random.Random(SEED)
    repeated = any(repeated_by_kills(tmp_path / f"log{i}", bpffs, demo, pick) for i in range(8))
    assert repeated, "no kill came between a packet and the storing of what it said"


def beyond(relay, steps, most, wall):
    """What is less than the truth, or more than it and `most` on top."""
    seen = relay.counters()
    for name, step in steps.items():
        checks = [(key, direction, metric, 0) for key, direction, metric in COUNTS]
        checks += [(key, d, metric, 0.01 * wall + value_of(step, slack, d)) for key, slack, d, metric in TIMES]
        for key, direction, metric, slack in checks:
            want, have, slack = value_of(step, key, direction), seen[name][metric], slack / 1e6
            want = want / 1e6 if slack else want
            if not want - slack <= have <= want + most[name, metric] + slack:
                yield f"{name} {metric}: {have}, in truth {want}, repeated {most[name, metric]} at most"
        for direction in ("send", "receive"):
            have, want = sum(relay.samples(name, direction).values()), step[direction]["episodes"]
            if not want <= have <= want + most[name, direction]:
                yield f"{name} {direction}: {have} samples of {want}, {most[name, direction]}"


# ---- While no agent runs ----


def test_what_ends_begins_and_changes_meanwhile(tmp_path, bpffs, driven):
    for number in (0, 1):
        driven.init(number, f"step{number}")
    who = ("--tag-from", "who=env:WHO")
    with (
        relay_of(bpffs, driven, *who) as relay,
        Driver(tmp_path, prefix=["env", "WHO=left"]) as left,
        Driver(tmp_path) as anew,
    ):
        first = refuse(driven)
        opened = driven.submit(1, REJECTED)
        left.init(0, "step0")
        half = left.submit(0, REJECTED)
        anew.init(0, "step0")
        before = refuse(anew)
        wait_until(lambda: len(relay.series()) == 4, "all steps were told of")
        relay.stop()
        second = refuse(driven)
        pause()
        closed = driven.submit(1, ACCEPTED)
        gone = left.kill()
        anew.exec()
        anew.init(0, "again")
        after = refuse(anew)
        with Driver(tmp_path) as fresh:
            fresh.init(0, "step0")
            brief = refuse(fresh)
            fresh.exit()
        relay.start()
        relay.end()
        expect(one(relay, "step0", driven.pid), refused(*first), refused(*second), submit_accepted=2)
        expect(one(relay, "step1", driven.pid), refused(opened, closed), submit_accepted=1)
        expect(one(relay, "step0", left.pid), refused(half, gone, "abandoned"), instances=0)
        # What it was when it could be asked.
        assert relay.counters(who="left")["step0"] == one(relay, "step0", left.pid).counters
        expect(one(relay, "step0", anew.pid), refused(*before), submit_accepted=1, instances=0)
        expect(one(relay, "again", anew.pid), refused(*after), submit_accepted=1)
        expect(one(relay, "step0", fresh.pid), refused(*brief), submit_accepted=1, instances=0)
        assert not relay.lost(), relay.lost()


def test_an_open_episode_and_its_spell_go_on(bpffs, driven):
    driven.init(0, "step")
    with relay_of(bpffs, driven) as relay:
        begin = driven.submit(0, REJECTED)
        time.sleep(2.5)
        relay.restart()
        wait_until(lambda: spell(relay) > 2500, "its spell goes on")
        time.sleep(0.5)
        end = driven.submit(0, ACCEPTED)
        wait_until(lambda: spell(relay) == 0, "its spell has ended")
        relay.end()
        expect(one(relay), refused(begin, end), submit_accepted=1)


def test_origins_go_on(bpffs, driven):
    """Where the container is asked for that is nobody's tag, as where it is a tag too."""
    driven.init(0, "step")
    for more in ((), ("--tag-from", "container_id")):
        with relay_of(bpffs, driven, "--origin", "container", *more) as relay:
            told = refuse(driven)
            relay.restart()
            relay.restart()
            relay.end()
            expect(one(relay, "step", driven.pid), refused(*told), submit_accepted=1)
        unpin(bpffs)


def states(bpffs):
    """The kernel has some files of its own there."""
    return list(bpffs.glob("pushback-*"))


def spell(relay):
    return one(relay).gauges["send_backpressure_spell"]


def test_nobody_watches_any_more_after_unpin(bpffs, driven):
    driven.init(0, "step")
    with relay_of(bpffs, driven) as relay:
        relay.stop()
        assert driven.semaphore() > 0
        done = unpin(bpffs)
        assert (done.returncode, done.stderr.count("\n")) == (0, 1) and "removed the state" in done.stderr
        assert driven.let_go() and not states(bpffs)
        done = unpin(bpffs)
        assert done.returncode == 0 and "no state" in done.stderr


def test_probes_that_were_gone(bpffs, driven):
    """What was open is partial, not one with what came after; what was said before stays said."""
    driven.init(0, "step")
    driven.init(1, "silent")
    with relay_of(bpffs, driven) as relay:
        first = refuse(driven)
        driven.submit(0, REJECTED)
        quiet = driven.submit(1, REJECTED)
        wait_until(lambda: relay.counters()["step"]["send_backpressure"] == 2, "two were told")
        relay.stop()
        (relay.state / "file_0").unlink()
        assert driven.let_go()
        driven.submit(0, REJECTED)  # unseen
        relay.start()
        assert any("some probes were gone" in line for line in relay.lines), relay.lines
        begin = driven.submit(0, REJECTED)
        pause()
        end = driven.submit(0, ACCEPTED)
        last = driven.submit(1, ACCEPTED)
        relay.end()
        told = one(relay).counters
        assert told["send_backpressure"] == 3 and told["submit_accepted"] == 2
        assert (told["send_backpressure_episodes"], told["send_backpressure_partial"]) == (1, 1)
        assert len(one(relay).durations("send")) == 1
        assert told["send_backpressure_time"] >= (end.before - begin.after + first[1].before - first[0].after) // 10**6
        # Nothing of it was missed.
        expect(one(relay, "silent"), refused(quiet, last), submit_accepted=1)


# ---- Other versions of our own ----


def test_other_programs_take_the_place_of_the_old_ones(tmp_path, bpffs, demo):
    """As after an upgrade: what both see while they take turns counts once."""
    begin = now()
    with Relay(bpffs, "--path", demo) as relay:
        with Consumer(tmp_path / "log", "--slow", "sink:refuse:1ms", program=demo) as consumer:
            before = pin_of("prog", relay.state / "event")["id"]
            time.sleep(0.3)
            relay.stop()
            relay.forget_programs()
            relay.start()
            now_there = pin_of("prog", relay.state / "event")["id"]
            assert now_there != before
            assert pin_of("link", relay.state / "file_0")["prog_id"] == now_there
            time.sleep(0.3)
            consumer.end()
        wall = now() - begin
        relay.end()
    check(relay, consumer.truth(), wall)
    assert not any("gone" in line for line in relay.said), relay.said


@pytest.mark.parametrize("what", ["version", "layout", "memory", "owner"])
def test_a_state_that_is_not_ours(bpffs, driven, what):
    with relay_of(bpffs, driven) as relay:
        relay.stop()
        state = relay.state
        if what == "version":
            state = bpffs / "pushback-abi0"
            relay.state.rename(state)
        elif what == "owner":
            os.chown(state, 12345, -1)
        else:
            pin = state / ("map_objects" if what == "layout" else "memory")
            pin.unlink()
            run(BPFTOOL, "map", "create", pin, *"type array key 4 value 4096 entries 1 name other flags 1024".split())
        status, said = relay.refused()
        assert status == (3 if what == "owner" else 1), said
        assert said.count("\n") == 1 and f"'pushback unpin --pin-dir {bpffs}' removes it" in said, said
        reasons = {"version": "another version", "layout": "another layout", "memory": "cannot be read", "owner": "uid 12345"}
        assert reasons[what] in said
        assert unpin(bpffs).returncode == 0 and not states(bpffs)
        relay.start()
        assert "going on" not in relay.lines[-1]
        relay.end()


# Before Linux 6.16 the end of a process is followed elsewhere.
EXIT_LINK = "link_pushback_exit" + ("" if has("trace_event_raw_sched_process_exit") else "_memory")


@pytest.mark.parametrize("lost", ["map_steps", "memory", EXIT_LINK])
def test_a_state_that_is_not_whole(bpffs, driven, lost):
    """Without a map it is begun anew, without a program it goes on: both are said."""
    driven.init(0, "step")
    with relay_of(bpffs, driven) as relay:
        first = refuse(driven)
        relay.stop()
        (relay.state / lost).unlink()
        relay.start()
        goes_on = lost == EXIT_LINK
        assert ("going on" in relay.lines[-1]) == goes_on, relay.lines
        assert len(relay.lines) == 2, relay.lines
        assert ("were gone" if goes_on else "not whole") in relay.lines[0], relay.lines
        second = refuse(driven)
        relay.end()
        if goes_on:
            expect(one(relay), refused(*first), refused(*second), submit_accepted=2)
        else:  # but for what is less than a ms, and was not sent
            told = one(relay)
            assert told.counters["send_backpressure_episodes"] == told.counters["submit_accepted"] == 2
            assert len(told.durations("send")) == 2


# ---- Who may ----


def test_one_agent_holds_it(bpffs, driven):
    driven.init(0, "step")
    with relay_of(bpffs, driven) as relay:
        status, said = relay.refused()
        assert status == 1 and said.count("\n") == 1
        name = "memcheck-amd64-" if BY == "valgrind" else "pushback"
        assert re.search(rf"held by process {relay.pid} \({name}, since \w+ +\d+ [\d:]+\): stop", said), said
        done = unpin(bpffs)
        assert done.returncode == 1 and f"process {relay.pid} " in done.stderr
        with Agent("--path", driven.file, "--tag-from", "pid=pid", interval="100ms") as beside:
            begin, end = refuse(driven)
            beside.end()
        relay.stop(signal.SIGKILL)
        relay.start()
        relay.end()
        for agent in (relay, beside):
            expect(one(agent), refused(begin, end), submit_accepted=1)


def test_what_cannot_be_pinned(tmp_path, bpffs, driven):
    with relay_of(bpffs, driven, start=False) as relay:
        status, said = relay.refused("--no-multi")
        assert status == 3 and "--pin needs uprobe_multi" in said, said
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "file").touch()
        for directory, words in (("full", "not empty"), ("full/file", "Not a directory"), ("no/where", "No such file")):
            relay.directory = tmp_path / directory
            status, said = relay.refused()
            assert status == 1 and words in said and said.count("\n") == 1, said
    done = run("setpriv", "--reuid", "65534", "--clear-groups", PUSHBACK, "run", "--pin-dir", bpffs, "--path", DEMO)
    assert done.returncode == 3 and "CAP_BPF" in done.stderr, done.stderr
    done = run(PUSHBACK, "run", "--pin", "--pid", driven.pid)
    assert done.returncode == 2 and "--path" in done.stderr, done.stderr


def test_it_is_mounted_where_it_is_not(driven):
    """/sys/fs/bpf of a mount namespace that has none."""
    options = f"--path {driven.file} --interval 100ms --once --socket none"
    script = f"{PUSHBACK} run --pin {options}; {PUSHBACK} run --pin {options}; {PUSHBACK} unpin; ls /sys/fs/bpf | grep pushback"
    done = in_a_namespace(script)
    mounted, first, second, removed = done.stderr.splitlines()
    assert mounted == "pushback: mounted a bpf file system at /sys/fs/bpf"
    assert "watching 1 file" in first and "going on" not in first
    assert "going on from" in second and "removed" in removed and not done.stdout
    assert driven.let_go()


def test_a_mount_that_goes_is_noticed(driven):
    with bpf_file_system() as directory, relay_of(directory, driven) as relay:
        run("umount", "-l", directory)
        relay.wait_line("cannot store what was told .the pins are out of reach")
        relay.stop()
        run("mount", "-t", "bpf", "bpf", directory)


def test_what_was_not_asked_for_stays_watched(tmp_path, bpffs, driven):
    driven.init(0, "step")
    other = tmp_path / "other"
    copy_new(DEMO, other)
    with relay_of(bpffs, driven) as relay:
        relay.stop()
        relay.options = ["--interval", "200ms", "--tag-from", "pid=pid", "--path", other]
        relay.start()
        assert relay.lines[0] == "pushback: files of the state that were not given stay watched: 2"
        begin, end = refuse(driven)
        relay.end()
        expect(one(relay), refused(begin, end), submit_accepted=1)


def test_files_without_a_name_are_let_go(tmp_path, bpffs):
    """A deploy has replaced them, and no process has them any more: as --all finds it at its start."""
    files = [tmp_path / name for name in ("stays", "goes", "renamed")]
    for file in files:
        copy_new(DEMO, file)
    left = (PROGS / "left_files", bpffs)
    assert run(*left, *files).returncode == 0
    files[1].unlink()
    files[2].rename(tmp_path / "other")
    done = run(*left)
    assert done.stdout == "3 files, 12 sites\n2 files, 8 sites\n", done.stdout + done.stderr
    assert run(*left).stdout == "2 files, 8 sites\n" * 2
    # The number that it had is another file's from now on.
    copy_new(DEMO, files[1])
    assert run(*left, files[1]).returncode == 0
    assert run(*left).stdout == "3 files, 12 sites\n" * 2


@pytest.mark.parametrize("now_there", ["/bin/true", "/etc/passwd"])
def test_probes_do_not_stay_on_other_code(tmp_path, bpffs, now_there):
    """A file that was written to in place while no agent ran, and has none any more, or is no program."""
    file = tmp_path / "consumer"
    copy_new(DEMO, file)
    with Relay(bpffs, "--path", file) as relay:
        pin = relay.state / "file_0"
        assert pin.exists()
        relay.stop()
        assert pin.exists()
        file.write_bytes(pathlib.Path(now_there).read_bytes())
        done = run(PUSHBACK, "run", "--pin-dir", bpffs, "--path", file, "--once")
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        assert not pin.exists()
        unpin(bpffs)


# ---- Scrapes ----


def scraped(agent, episodes):
    """Waits until it shows so many, and as many durations."""

    def has_them(numbers):
        step = numbers.by_step.get("step", {})
        count = step.get("send_backpressure_duration_seconds_count")
        return count == episodes == step.get("send_backpressure_episodes")

    agent.wait_for(has_them, f"{episodes} episodes")


def episode(driver):
    driver.submit(0, REJECTED)
    driver.submit(0, ACCEPTED)


def test_scrapes_go_on(bpffs, driven):
    """Counters and histograms of one agent are those of the next, and what was between is in them."""
    options = ("--pin-dir", bpffs, "--path", driven.file)
    driven.init(0, "step")
    for before in (0, 3):
        with ScrapedAgent(*options, interval="100ms") as agent:
            episode(driven)
            scraped(agent, before + 1)
            agent.signal(signal.SIGTERM)
            assert agent.wait() == 0, agent.lines
        episode(driven)
        episode(driven)
    with ScrapedAgent(*options, interval="100ms") as agent:
        scraped(agent, 6)
    unpin(bpffs)


def test_scrapes_do_not_go_back(bpffs, driven):
    """Not even the first after a kill: to Prometheus a counter that falls began anew, at all it has."""

    def accepted(numbers):
        return numbers.by_step["step"]["submit_accepted"]

    options = ("--pin-dir", bpffs, "--path", driven.file)
    driven.init(0, "step")
    for before, interval in enumerate(("100ms", "1h", "1h")):
        with ScrapedAgent(*options, interval=interval) as agent:
            assert accepted(agent.scrape()) == before
            episode(driven)
            agent.wait_for(lambda numbers, want=before + 1: accepted(numbers) == want, "it is counted")
            if not before:
                agent.signal(signal.SIGTERM)
                assert agent.wait() == 0, agent.lines
    unpin(bpffs)
