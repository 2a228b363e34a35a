# SPDX-License-Identifier: MIT
"""An honest consumer, a hostile one of an ordinary user's beside it, and what their observer must still be.

The honest one plays rounds of which each counter is known. Whatever the other does, the observer's numbers
of it are these, each line parses, it answers, its memory stays within a bound, and it ends when told to.
"""

import collections
import contextlib
import pathlib
import re
import shutil
import tempfile
import time

from agent import PREFIX, Agent, tag
from driver import ACCEPTED, REJECTED, Driver, copy_new
from instrumented import BY
from program import PROGS, PUSHBACK, Program, patient, run, wait_until

NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
# What an observer may grow by beside an attack, MiB; told nothing it has 8 to 10. Not what watches it as well.
MEMORY = 32

# Two refusals, blocked once, and out: edges of both directions, and returns that are none.
ROUND = [
    ("submit", 0, REJECTED),
    ("submit", 0, REJECTED),
    ("forward", 0, REJECTED),
    ("submit", 0, ACCEPTED),
    ("forward", 0, ACCEPTED),
]
OF_A_ROUND = {
    "submit_accepted": 1,
    "submit_forwarded": 1,
    "send_backpressure": 2,
    "receive_backpressure": 1,
    "send_backpressure_episodes": 1,
    "receive_backpressure_episodes": 1,
    "send_backpressure_partial": 0,
    "receive_backpressure_partial": 0,
    "send_backpressure_abandoned": 0,
    "receive_backpressure_abandoned": 0,
}


def memory_of(pid):
    """(now, at most so far), MiB"""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return tuple(int(re.search(rf"{name}:\s+(\d+)", text)[1]) >> 10 for name in ("VmRSS", "VmHWM"))


class Stage:
    """Everybody on it goes with it."""

    def __init__(self):
        self.stack = contextlib.ExitStack()
        # Where an ordinary user may go; pytest's own directories are root's.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pb-stage-", dir="/tmp"))
        self.stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.directory.chmod(0o755)
        self.honest = self.stack.enter_context(Driver(self.directory))
        self.honest.init(0, "honest")
        self.rounds = 0
        self.agent = None
        self.before = None

    def copy(self, name, to=None):
        file = self.directory / (to or name)
        if not file.exists():
            copy_new(PROGS / name, file)
        return file

    def watch(self, *options, files=("attacker",), interval="1s", program=PUSHBACK):
        """The observer of the honest one and of these files; none: of all that there is."""
        words = [word for file in ("driver", *files) for word in ("--path", self.directory / file)]
        socket = self.directory / "agent.sock"
        self.agent = self.stack.enter_context(
            Agent("--tag-from", "pid=pid", "--socket", socket, *(words if files else []), *options, interval=interval, program=program)
        )
        self.before, _ = memory_of(self.agent.pid)
        return self.agent

    def attacker(self, mode, *words):
        """One that is ready to, of an ordinary user's."""
        program = Program([*AS_NOBODY, self.copy("attacker"), mode, *words], "stdout")
        self.stack.enter_context(program)
        program.wait_line("^ready")
        return program

    def play(self, rounds=40):
        """Of the honest one."""
        self.honest.calls(ROUND, rounds)
        self.rounds += rounds

    def play_beside(self, attacker, times=25, seen=()):
        """It attacks meanwhile, for so many plays or until there is an end to it (0): how often it did.

        And until its observer has counted these losses, which it does where a drain meets the attack.
        """
        attacker.say("")
        for _ in range(times):
            self.play()
        end = time.monotonic() + patient(20)
        while not all(loss in self.ask().stdout for loss in seen) and time.monotonic() < end:
            self.play()
        while not times and not any(line.startswith("does") for line in attacker.lines):
            self.play()
        attacker.say("")
        return int(attacker.wait_line(r"^done (\d+)")[1])

    # ---- What must still be so ----

    def ask(self):
        return run(PUSHBACK, "status", "--socket", self.directory / "agent.sock", timeout=20)

    def status(self):
        """What it answers, while it is alive. The command waits for 5 s: where deadlines are longer it asks again."""
        end = time.monotonic() + patient(5)
        while (done := self.ask()).returncode and time.monotonic() < end:
            pass
        assert done.returncode == 0, done.stderr
        return done.stdout

    def series_of_honest(self):
        own = ("honest", str(self.honest.pid))
        found = [series for key, series in self.agent.series().items() if key == own]
        assert len(found) == 1, list(self.agent.series())
        return found[0]

    def wait_told(self):
        """The observer has told of all rounds."""
        pid = {"pid": str(self.honest.pid), "step": "honest"}
        name = PREFIX + "submit_accepted"
        assert self.agent.receiver.wait_for(lambda r: r.counter(name, **pid) == self.rounds, 20)

    def assert_told(self, step, counter, count):
        told = lambda r: r.counter(PREFIX + counter, step=step)
        assert self.agent.receiver.wait_for(lambda r: told(r) >= count, 20), told(self.agent.receiver)
        assert told(self.agent.receiver) == count

    def check(self, steps=None, processes=None, memory=MEMORY):
        """Ends it. Its numbers of the honest one are right, and nothing is there that nobody may be called.

        `steps`, `processes`: patterns of what may be there beside the honest one.
        """
        self.status()
        grown = memory_of(self.agent.pid)[1] - self.before
        assert grown <= memory or BY, f"it has grown by {grown} MiB"
        self.agent.signal(15)
        assert self.agent.wait() == 0, self.agent.lines
        self.agent.receiver.stop()
        assert not self.agent.receiver.errors, self.agent.receiver.errors[:10]
        self.check_lines()
        self.check_honest()
        self.check_names(steps, processes)
        return self.agent.lost()

    def check_lines(self):
        for line in self.agent.lines:
            assert re.match(r"pushback: |\s|    ", line) and line.isprintable(), line

    def check_honest(self):
        series = self.series_of_honest()
        right = {name: n * self.rounds for name, n in OF_A_ROUND.items()}
        assert {name: series.counters[name] for name in right} == right
        for direction in ("send", "receive"):
            assert len(series.durations(direction)) == self.rounds

    def check_names(self, steps, processes):
        if steps is None:
            return
        told = collections.defaultdict(set)
        with self.agent.receiver.lock:
            for where in ("counters", "gauges", "samples"):
                for name, tags in getattr(self.agent.receiver, where):
                    assert name.startswith((PREFIX, "pushback.agent.")), name
                    assert {t.partition(":")[0] for t in tags} <= {"step", "process", "pid", "reason", "map"}, tags
                    for key in ("step", "process"):
                        told[key].add(tag(tags, key))
        for key, pattern in (("step", f"honest|{steps}"), ("process", f"driver|{processes}")):
            assert not (odd := {v for v in told[key] - {None} if not re.fullmatch(pattern, v)}), odd

    def assert_empty(self, name):
        """Of a map of its that shows in `status`, when all that attacked has gone."""
        wait_until(lambda: re.search(rf"{name} [01] of", self.status()), f"{name} are left: {self.status()}", 20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()
