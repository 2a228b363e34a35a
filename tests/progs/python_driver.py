# SPDX-License-Identifier: MIT
"""driver.c's protocol, spoken in Python: the calls of its schedules, made through pushback.Step.

    python3 python_driver.py SOCKET

The words are described there. A step made where another one lives ends that one: its object
goes. The verbs that have no meaning here are missing: name, dlopen, dlclose, leave_main.
"""

import ctypes
import os
import queue
import resource
import signal
import socket
import sys
import threading
import time

import pushback

FIRED = 80  # offset in the struct
TRACED = 16384


def spin(us):
    end = time.monotonic_ns() + us * 1000
    while time.monotonic_ns() < end:
        pass


class Job:
    """A sequence of calls, as scripted.h runs it."""

    def __init__(self, steps, words):
        self.times = int(words[0])
        self.calls = [self._call(steps, *word.split(",")) for word in words[1:]]

    @staticmethod
    def _call(steps, op, place, value):
        """(function, its arguments, where the step's last fire stands)"""
        step, value = steps[int(place)], int(value)
        fired = ctypes.c_uint64.from_address(step.address + FIRED)
        if op == "end":
            return step.end, (), ctypes.c_uint64(0)
        if op == "spin":
            return spin, (value,), fired
        if op == "depth":
            return step.depth, (value, 100), fired
        if op.endswith("_enter"):
            return getattr(step, op), (), fired
        return getattr(step, f"{op}_return"), (value,), fired

    def run(self):
        now = time.monotonic_ns
        calls = self.times * len(self.calls)
        traced = calls <= TRACED
        self.fires = self.first = self.last = n = 0
        self.trace = []
        self.before = now()
        for _ in range(self.times):
            for function, arguments, fired in self.calls:
                last, began = fired.value, now() if traced else 0
                function(*arguments)
                fires = fired.value not in (0, last)
                if n == 0:
                    self.second = now()
                if traced:
                    self.trace.append(began << 1 | fires)
                if fires:
                    self.first, self.last = self.first if self.fires else n, n
                    self.fires += 1
                n += 1
        self.after = now()

    def said(self):
        numbers = (self.before, self.second, self.after, self.fires, self.first, self.last)
        return " ".join([*map(str, numbers), *(f"{one:x}" for one in self.trace)])


class Worker(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.jobs, self.done = queue.Queue(), queue.Queue()
        self.start()

    def run(self):
        while True:
            job = self.jobs.get()
            job.run()
            self.done.put(job)
            del job  # it holds steps


class Driver:
    def __init__(self, path):
        self.steps = {}
        self.connect(path)

    def connect(self, path):
        self.workers = {}
        self.finished = None
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.stream = self.socket.makefile("rw")
        self.say("hello", os.getpid())

    def say(self, *words):
        self.stream.write(" ".join(map(str, words)) + "\n")
        self.stream.flush()

    def ok(self, *words):
        self.say("ok", *words)

    def ok_now(self):
        self.ok(time.monotonic_ns())

    # ---- Verbs ----

    def do_init(self, place, name):
        name = "" if name == "-" else bytes.fromhex(name).decode()
        self.steps[int(place)] = pushback.Step(name)
        self.ok_now()

    do_renew = do_init  # the one before ends when it is freed

    def start(self, thread, *words):
        job = Job(self.steps, words)
        if thread == "0":
            job.run()
            self.finished = job
            return
        if thread not in self.workers:
            self.workers[thread] = Worker()
        self.workers[thread].jobs.put(job)

    def do_begin(self, thread, *words):
        self.start(thread, *words)
        self.ok_now()

    def do_finish(self, thread):
        job = self.finished if thread == "0" else self.workers[thread].done.get()
        self.finished = None
        self.ok(job.said())

    def do_call(self, thread, *words):
        self.start(thread, *words)
        self.do_finish(thread)

    def do_semaphore(self, _):
        self.ok(SEMAPHORE.value)

    def do_fork(self, path):
        pid = os.fork()
        if pid:
            self.ok(pid)
            return
        self.stream.close()
        self.socket.close()
        self.connect(path)

    def do_exec(self, _, path):
        self.ok_now()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:-1], path])

    do_thread_exec = do_exec

    def do_exit(self, status):
        """As a program ends: the objects go, or do not."""
        self.ok_now()
        sys.exit(int(status))

    def do__exit(self, status):
        self.ok_now()
        os._exit(int(status))

    def do_signal(self, number):
        self.ok_now()
        signal.signal(int(number), signal.SIG_DFL)
        os.kill(os.getpid(), int(number))

    def obey_all(self):
        while line := self.stream.readline():  # a fork's child goes on with another one
            verb, *words = line.split()
            getattr(self, f"do_{verb}")(*words)


def find_semaphore():
    """Its address in this process, from the note and the mapping, not from the module."""
    sys.path.insert(0, os.environ["PUSHBACK_STAPSDT"])
    from stapsdt import Elf

    path = pushback._pushback.__file__
    (at,) = {note.semaphore for note in Elf(path).notes()}
    with open("/proc/self/maps", encoding="utf-8") as maps:
        base = min(int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith(path))
    return ctypes.c_uint16.from_address(base + at)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    SEMAPHORE = find_semaphore()
    Driver(sys.argv[1]).obey_all()
