# SPDX-License-Identifier: MIT
"""Random consumers under observers that come and go, through the real probes, against model.py.

Each schedule is a few processes of driver.c, told call by call what to do; observers attach and
detach while nothing is being called, so what each must have said is known exactly. A failure prints
its seed: PUSHBACK_SEED=... runs that schedule alone. PUSHBACK_RUNS=... says how many.
"""

import collections
import concurrent.futures
import contextlib
import os
import pathlib
import random
import subprocess
import tempfile
import time
import traceback

import model
from agent import Agent
from driver import ACCEPTED, INVALID, PLACES, PROPAGATED, REJECTED, Driver
from program import BUILD

RUNS = int(os.environ.get("PUSHBACK_RUNS", "50"))
SEED = os.environ.get("PUSHBACK_SEED")
THREADS = 4
STEPS = 6
THINGS = ("driver", "library")


class Process:
    """A driver and the places of its steps."""

    def __init__(self, driver, places=()):
        self.driver = driver
        self.pid = driver.pid
        self.places = list(places)


class Disturbed(Exception):
    """Somebody else watches our consumers, as an agent for all of this host does."""


class Schedule:
    def __init__(self, seed, directory):
        self.random = random.Random(seed)
        self.directory = directory
        self.model = model.Model()
        self.processes = []
        self.observers = {}  # Agent -> model.Observer
        self.wrong = []
        self.log = []
        self.made = 0
        self.seen = collections.Counter()

    def note(self, *what):
        self.log.append(" ".join(map(str, what)))

    # ---- Steps ----

    def new_name(self):
        self.made += 1
        # Few enough that instances share a series.
        return f"s{self.random.randrange(STEPS * 2)}"

    def init(self, process, place, name):
        self.note(process.pid, "init", place, name)
        process.driver.init(place, name)
        thing = "library" if place >= PLACES else "driver"
        self.model.init(process.pid, place, name, thing)
        if place not in process.places:
            process.places.append(place)

    def new_step(self, process):
        place = self.random.randrange(STEPS)
        if process.driver.has_library and self.random.random() < 0.3:
            place += PLACES
        if place in process.places:
            self.reuse(process, place)
        else:
            self.init(process, place, self.new_name())

    def reuse(self, process, place):
        """A new instance where one lives; nobody says that the old one has ended."""
        step = self.model.processes[process.pid][place]
        if step.tallies:
            # What it did after its last event is overwritten: there must be nothing.
            self.tell_all(process, place)
        self.init(process, place, self.new_name())
        if step.tallies or self.random.random() < 0.7:
            # Only its first return shows the new one to the kernel.
            op, value = self.random.choice(
                (("submit", REJECTED), ("submit", INVALID), ("forward", ACCEPTED), ("poll", 0))
            )
            self.calls(process, place, [(op, place, value)])

    def tell_all(self, process, place):
        for call in process.driver.tell_all(place):
            self.model.call(process.pid, call)
        self.note(process.pid, "told", place)

    def some_call(self, place):
        op = self.random.choices(
            ("submit", "forward", "poll", "submit_enter", "poll_enter", "depth"),
            (50, 30, 12, 2, 1, 1),
        )[0]
        if op in ("submit", "forward"):
            value = self.random.choices(
                (ACCEPTED, REJECTED, PROPAGATED, INVALID, self.random.choice((4, 77, -1))),
                (40, 45, 8, 5, 2),
            )[0]
        else:
            value = self.random.randrange(2)
        return op, place, value

    # ---- Calls ----

    def calls(self, process, place, sequence, times=1, thread=0):
        for call in process.driver.calls(sequence, times, thread):
            self.note(process.pid, thread, *call)
            self.model.call(process.pid, call)

    def do_calls(self, process):
        place = self.random.choice(process.places)
        sequence = [self.some_call(place) for _ in range(self.random.choice((1, 1, 1, 2, 3)))]
        self.calls(process, place, sequence, 1, self.random.randrange(THREADS))

    def do_loop(self, process):
        """Many episodes at full speed: most are folded."""
        place = self.random.choice(process.places)
        sequence = [self.some_call(place) for _ in range(self.random.randrange(1, 7))]
        if self.random.random() < 0.3:
            sequence.insert(0, ("spin", place, self.random.choice((1, 20, 100))))
        self.calls(
            process, place, sequence, self.random.randrange(2, 800), self.random.randrange(THREADS)
        )

    def do_run(self, process):
        op, place, value = self.some_call(self.random.choice(process.places))
        if op in ("submit_enter", "poll_enter", "depth"):
            return
        times = self.random.randrange(20_000, 400_000)
        run = process.driver.run(op, place, value, times, self.random.randrange(THREADS))
        self.note(process.pid, *run)
        self.model.run(process.pid, run)

    def do_threads(self, process):
        """Several threads at once, each with a step of its own."""
        places = self.random.sample(process.places, min(len(process.places), THREADS - 1))
        jobs = [
            ([self.some_call(p) for _ in range(self.random.randrange(1, 9))], thread)
            for thread, p in enumerate(places, 1)
        ]
        for sequence, thread in jobs:
            process.driver.begin(sequence, self.random.randrange(1, 300), thread)
        for sequence, thread in jobs:
            for call in process.driver.finish(sequence, thread):
                self.note(process.pid, thread, *call)
                self.model.call(process.pid, call)

    def do_end(self, process):
        place = self.random.choice(process.places)
        self.calls(process, place, [("end", place, 0)])

    def do_tell(self, process):
        if not process:
            return
        place = self.random.choice(process.places)
        step = self.model.processes[process.pid][place]
        if any(step.thing in o.things for o in self.model.observers):
            self.tell_all(process, place)

    def do_sleep(self, process):
        time.sleep(self.random.choice((0.001, 0.005, 0.02, 0.02, 0.1)))

    # ---- Processes ----

    def do_fork(self, process):
        if len(self.processes) >= 3:
            return
        child = Process(process.driver.fork(), process.places)
        self.note(process.pid, "fork", child.pid)
        self.model.fork(process.pid, child.pid)
        self.processes.append(child)

    def do_exec(self, process):
        verb = self.random.choice(("exec", "thread_exec"))
        before, after = process.driver.exec(verb)
        self.note(process.pid, verb)
        self.model.exec(process.pid, before, after)
        process.places = []
        if self.random.random() < 0.5:
            process.driver.dlopen()
        self.new_step(process)

    def do_exit(self, process):
        if len(self.processes) == 1:
            return
        how = self.random.choice(
            (("exit", 0), ("_exit", 3), ("signal", 11), ("signal", 6), ("signal", 15), None)
        )
        before, after = process.driver.exit(*how) if how else process.driver.kill()
        self.note(process.pid, "exit", how)
        self.model.exit(process.pid, before, after)
        self.processes.remove(process)

    # ---- Observers ----

    def attach(self):
        if len(self.observers) >= 2:
            return
        self.check_alone(self.processes[0])
        things = self.random.choice((THINGS, THINGS, THINGS, ("driver",), ("library",)))
        interval = self.random.choice(("100ms", "300ms", "10s"))
        options = ["--tag-from", "pid=pid", "--interval", interval]
        for thing in things:
            name = "driver" if thing == "driver" else "driver_library.so"
            options += ["--path", self.directory / name]
        if self.random.random() < 0.3:
            options.append("--no-multi")
        agent = self.stack.enter_context(Agent(*options))
        self.observers[agent] = self.model.attach(things)
        self.note("attach", len(self.observers), things, options[3:])
        if len(self.observers) > 1 and self.random.random() < 0.4:
            # What is being watched already is known after a second of calls at the latest.
            self.do_tell(self.random.choice([p for p in self.processes if p.places] or [None]))

    def detach(self):
        if not self.observers:
            return
        agent = self.random.choice(list(self.observers))
        if self.random.random() < 0.1:
            agent.kill()
            self.note("kill")
            self.model.drop(self.observers.pop(agent))
            return
        self.note("detach")
        observer = self.observers.pop(agent)
        # On a slow machine seconds may go by until something is called.
        told, after = agent.end(may_say=["warning: no return since we attached: "])
        tallies = self.model.detach(observer, told, after)
        wrong = model.differences(tallies, agent.series())
        lost = {"replaced": observer.replaced} if observer.replaced else {}
        wrong += [f"lost: {agent.lost()}, not {lost}"] if agent.lost() != lost else []
        for _, _, tally in tallies:
            self.count(tally)
        if wrong:
            self.note("WRONG", *wrong)
            self.wrong += wrong

    def count(self, tally):
        """What there was to go wrong."""
        self.seen["instances"] += 1
        self.seen["known before"] += tally.late
        self.seen["closed"] += sum(tally.closed)
        self.seen["partial"] += sum(tally.partial)
        self.seen["abandoned"] += sum(tally.abandoned)
        self.seen["perhaps folded"] += sum(tally.may_be_folded)

    def check_semaphores(self):
        for process in self.processes:
            for thing in THINGS if process.driver.has_library else THINGS[:1]:
                if not process.driver.let_go(thing):
                    self.not_let_go(process, thing)

    def not_let_go(self, process, thing):
        """Is somebody else there, or was a count left behind?"""
        command = [BUILD / "pushback", "doctor", "--pid", str(process.driver.pid), "--for", "0.1s"]
        said = subprocess.run(command, capture_output=True, text=True).stdout
        if "somebody watches already" in said:
            raise Disturbed(thing)
        raise AssertionError(f"a semaphore of {thing} stays up:\n{said}")

    def check_alone(self, process):
        """What is watched by others as well does not run unwatched when the model says so."""
        for thing in THINGS if process.driver.has_library else THINGS[:1]:
            # The kernel counts sites, however many watch them.
            watched = any(thing in observer.things for observer in self.observers.values())
            if process.driver.semaphore(thing) != (4 if watched else 0):
                raise Disturbed(thing)

    # ---- All of it ----

    ACTIONS = (
        (do_calls, 60),
        (do_loop, 5),
        (do_run, 2),
        (do_threads, 3),
        (do_end, 3),
        (do_tell, 1),
        (do_sleep, 12),
        (do_fork, 1.5),
        (do_exec, 0.7),
        (do_exit, 1),
    )

    def act(self):
        process = self.random.choice(self.processes)
        self.check_alone(process)
        if not process.places or self.random.random() < 0.05:
            self.new_step(process)
            return
        actions, weights = zip(*self.ACTIONS)
        self.random.choices(actions, weights)[0](self, process)
        if process in self.processes:
            self.check_alone(process)

    def run(self):
        with contextlib.ExitStack() as self.stack:
            driver = Driver(self.directory, library=True)
            self.processes.append(Process(driver))
            try:
                self.steps()
            except Disturbed:
                # It has to go away, or else it is a count that was left behind.
                for agent in self.observers:
                    agent.kill()
                self.check_semaphores()
                raise
            finally:
                for process in self.processes:
                    process.driver.close()
        return self.wrong

    def steps(self):
        # Long enough between two changes of who watches, or none at all.
        for _ in range(self.random.randrange(4, 9)):
            for _ in range(self.random.choice((0, 1, 5, 20, 60))):
                self.act()
            self.random.choice((self.attach, self.attach, self.detach))()
        for _ in range(self.random.choice((0, 10))):
            self.act()
        while self.observers:
            self.detach()
        self.check_semaphores()


def run_one(seed, again=5):
    """(seed, the schedule with what is wrong)"""
    with tempfile.TemporaryDirectory(prefix="pushback-") as directory:
        schedule = Schedule(seed, pathlib.Path(directory))
        try:
            schedule.run()
        except Disturbed:
            if again:
                return run_one(seed, again - 1)
            schedule.wrong.append("somebody watches all of this host")
        except Exception as e:  # noqa: BLE001 - with its seed
            schedule.wrong.append(f"{type(e).__name__}: {e}")
            schedule.wrong += traceback.format_exc().splitlines()
        return seed, schedule


def report(seed, schedule):
    """With the whole schedule in a file: it is long."""
    log = BUILD / "tests" / f"schedule-{seed}.log"
    log.write_text("\n".join(schedule.log) + "\n")
    return "\n".join([f"PUSHBACK_SEED={seed} (its calls: {log})", *schedule.wrong])


def test_random_schedules():
    first = random.SystemRandom().randrange(1 << 32)
    seeds = [int(SEED)] if SEED else [first + i for i in range(RUNS)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = list(pool.map(run_one, seeds))
    failed = [report(*one) for one in done if one[1].wrong]
    seen = sum((schedule.seen for _, schedule in done), collections.Counter())
    print(f"{len(seeds)} schedules from seed {seeds[0]}: {dict(seen)}")
    assert not failed, "\n\n".join(failed)
    assert len(seeds) < 40 or len(seen) == 6 and min(seen.values()) >= 10, "it tests too little"
