# SPDX-License-Identifier: MIT
"""Agents that take over from each other: one state, one receiver, and a bpf file system of the test's own."""

import collections
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile

from agent import PREFIX, Agent, TimedReceiver, tag
from program import PUSHBACK, Program, now, run, wait_until

BPFTOOL = "/usr/sbin/bpftool"
LAST_LINE = b"pushback.agent.drain_time:"  # of each flush


@contextlib.contextmanager
def bpf_file_system():
    """A mounted one, empty; what is in it at the end goes with it."""
    with tempfile.TemporaryDirectory(prefix="pb-bpf-", dir="/tmp") as directory:
        subprocess.run(["mount", "-t", "bpf", "bpf", directory], check=True)
        try:
            yield pathlib.Path(directory)
        finally:
            subprocess.run(["umount", "-l", directory], check=True)  # somebody may be looking


def in_a_namespace(script):
    """A shell script with mounts of its own, and nothing at /sys/fs/bpf."""
    hide = "while umount /sys/fs/bpf 2>/dev/null; do :; done; mkdir -p /sys/fs/bpf\n"
    return run("unshare", "-m", "--propagation", "private", "sh", "-c", hide + script)


def pin_of(kind, path):
    """What bpftool says of a pin: prog, map, link."""
    done = run(BPFTOOL, "-j", kind, "show", "pinned", path)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


class Flushes(TimedReceiver):
    """Knows what the last flush brought, and can kill its sender in the middle of one."""

    def __init__(self):
        super().__init__()
        self.before = self.totals()
        self.complete = True  # the last flush is
        self.victim = None

    def thread_id(self):
        return self._thread.native_id

    def totals(self):
        """{(step, metric or direction of a duration): sum}"""
        sums = collections.Counter()
        for (name, tags), value in self.counters.items():
            sums[tag(tags, "step"), name.removeprefix(PREFIX)] += value
        for (name, tags), counts in self.samples.items():
            direction = name.removeprefix(PREFIX).partition("_")[0]
            sums[tag(tags, "step"), direction] += sum(counts.values())
        return sums

    def take_payload(self, payload, limit):
        if self.complete:
            with self.lock:
                self.before = self.totals()
            if self.victim:
                os.kill(self.victim, signal.SIGKILL)
                self.victim = None
        super().take_payload(payload, limit)
        self.complete = LAST_LINE in payload


class Relay(Agent):
    """Runs of `pushback run --pin` one after the other; what all of them said is added up."""

    def __init__(self, directory, *options, interval="200ms", start=True):
        self.directory = directory
        self.state = directory / "pushback-abi1"
        self.receiver = Flushes()
        self.address = self.receiver.start("udp://127.0.0.1:0")
        self.options = ["--interval", interval, *options]
        self.process = None
        self.said = []  # by those that have ended
        if start:
            self.start()

    def start(self, *more):
        """The next one, attached."""
        argv = [PUSHBACK, "run", "--pin-dir", self.directory, "--statsd", self.address]
        argv += ["--socket", "none"]  # the host may have an agent of its own, which has the usual one
        Program.__init__(self, [*argv, *self.options, *more], stdin=subprocess.DEVNULL)
        try:
            self.wait_line(r"^pushback: watching")
        except AssertionError:
            self.__exit__()
            raise

    def stop(self, number=signal.SIGTERM):
        """SIGTERM or SIGKILL: the present one ends, what it watches is watched on."""
        told = now()
        self.signal(number)
        status = self.wait()
        assert status == (0 if number == signal.SIGTERM else -number), self.lines
        self.said += self.lines
        self.process.stderr.close()
        self.process = None
        return told

    def kill_in_a_flush(self):
        """Once the first packet of one has come; what it was to store then is not.

        So that it does not get there first, it runs only while the receiver does not.
        """
        cpu = {min(os.sched_getaffinity(0))}
        os.sched_setaffinity(self.receiver.thread_id(), cpu)
        os.sched_setaffinity(self.pid, cpu)
        os.sched_setscheduler(self.pid, os.SCHED_IDLE, os.sched_param(0))
        self.receiver.victim = self.pid
        assert self.wait() == -signal.SIGKILL, self.lines
        self.stop(signal.SIGKILL)

    def last_flush(self):
        """All that the last flush said: as much may come again."""
        wait_until(lambda: now() - self.receiver.last_at > 200_000_000, "it has all come")
        with self.receiver.lock:
            self.receiver.complete = True
            return self.receiver.totals() - self.receiver.before

    def forget_programs(self):
        """As if others had made them: info.program."""
        done = run(BPFTOOL, "-j", "map", "dump", "pinned", self.state / "info")
        value = [int(byte, 16) for byte in json.loads(done.stdout)[0]["value"]]
        value[16] ^= 1
        words = ["key", 0, 0, 0, 0, "value", *value]
        done = run(BPFTOOL, "map", "update", "pinned", self.state / "info", *words)
        assert done.returncode == 0, done.stderr

    def restart(self, number=signal.SIGTERM):
        self.stop(number)
        self.start()

    def end(self):
        """(when it was told to end, a moment after its last drain), ns"""
        told = self.stop()
        self.receiver.stop()
        assert not self.receiver.errors, self.receiver.errors[:10]
        return told, max(told, self.receiver.last_at)

    def refused(self, *more):
        """A run that is not to begin: (exit status, what it says)."""
        argv = [PUSHBACK, "run", "--pin-dir", self.directory, "--statsd", self.address]
        done = run(*argv, *self.options, *more, "--once")
        return done.returncode, done.stderr

    def pins(self):
        return set(os.listdir(self.state)) if self.state.exists() else set()

    def __exit__(self, *_):
        if self.process:
            super().__exit__()
        self.receiver.stop()


def unpin(directory):
    return run(PUSHBACK, "unpin", "--pin-dir", directory)
