# SPDX-License-Identifier: MIT
"""The scripted consumer, tests/progs/driver.c: does what it is told, and says when."""

import collections
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from program import PROGS, now, patient

PLACES = 1024  # from there on: in the library
ACCEPTED, REJECTED, PROPAGATED, INVALID = range(4)

# One probe call: its instant lies in [before, after].
Call = collections.namedtuple("Call", "place op value before after fired")
# A run of equal calls: what the driver noted of it.
Run = collections.namedtuple("Run", "place op value times before second after fires first last")


class Gone(Exception):
    """The process has closed its end."""


class Driver:
    """A process. Its files are copies of their own, so that only its observers see it."""

    def __init__(self, directory, library=False, prefix=(), name="driver"):
        self.directory = directory
        self.file = directory / name
        self.library_file = directory / "driver_library.so"
        if not self.file.exists():
            copy_new(PROGS / "driver", self.file)
        if not self.library_file.exists():
            copy_new(PROGS / "driver_library.so", self.library_file)
        path, listening = listen(directory)
        self.process = subprocess.Popen([*prefix, self.file, path], stdin=subprocess.DEVNULL)
        self._meet(path, listening)
        self.has_library = library
        if library:
            self.dlopen()

    def _meet(self, path, listening):
        listening.settimeout(patient(20))
        self._socket, _ = listening.accept()
        listening.close()
        os.unlink(path)
        self._socket.settimeout(patient(60))
        self._stream = self._socket.makefile("rw", buffering=1)
        hello = self._stream.readline().split()
        assert hello[0] == "hello", hello
        self.pid = int(hello[1])

    # ---- Talk ----

    def tell(self, *words):
        self._stream.write(" ".join(map(str, words)) + "\n")

    def answer(self):
        try:
            line = self._stream.readline()
        except ConnectionResetError:
            line = ""
        if not line:
            raise Gone(self.pid)
        words = line.split()
        assert words[0] == "ok", line
        return words[1:]

    def ask(self, *words):
        self.tell(*words)
        return self.answer()

    # ---- Steps and calls ----

    def init(self, place, name):
        name = name if isinstance(name, bytes) else name.encode()
        self.ask("init", place, name.hex() or "-")

    def renew(self, place, name):
        """A new step where one lives: (before, after). In C and C++."""
        before = now()
        self.ask("renew", place, name.encode().hex())
        return before, now()

    def overwrite_name(self, place, name):
        self.ask("name", place, name.hex())

    def calls(self, sequence, times=1, thread=0):
        """A sequence of (op, place, value), `times` times over: a Call for each."""
        self.begin(sequence, times, thread)
        return self.finish(sequence, thread)

    def call(self, op, place, value=0, thread=0):
        return self.calls([(op, place, value)], 1, thread)[0]

    def begin(self, sequence, times=1, thread=0):
        self.ask("begin", thread, times, *[",".join(map(str, c)) for c in sequence])

    def finish(self, sequence, thread):
        words = self.ask("finish", thread)
        trace = [int(w, 16) for w in words[6:]]
        ends = [t >> 1 for t in trace[1:]] + [int(words[2])]
        assert trace, "too many calls to trace"
        return [
            Call(place, op, value, t >> 1, end, bool(t & 1))
            for t, end, (op, place, value) in zip(
                trace, ends, list(sequence) * (len(trace) // len(sequence))
            )
        ]

    def run(self, op, place, value, times, thread=0):
        """The same call again and again, too often to trace."""
        assert times > 16384
        words = self.ask("call", thread, times, f"{op},{place},{value}")
        return Run(place, op, value, times, *map(int, words))

    def submit(self, place, outcome, **more):
        return self.call("submit", place, outcome, **more)

    def forward(self, place, outcome, **more):
        return self.call("forward", place, outcome, **more)

    def poll(self, place, ready, **more):
        return self.call("poll", place, int(ready), **more)

    def step_end(self, place, **more):
        return self.call("end", place, **more)

    def tell_all(self, place):
        """Calls that change nothing, until a probe fires: the calls.

        Fails when none does in 1.5 s of calls. A pause of ours is not the step's, and after a spin
        the clock is looked at only after some more returns, 61 at most.
        """
        calls = []
        driven = 0
        while not calls or not calls[-1].fired:
            assert driven < 1.5e9 or len(calls) < 64, f"nothing fired in {len(calls)} calls"
            calls.append(self.submit(place, INVALID))
            if not calls[-1].fired:
                time.sleep(0.01)
            if len(calls) > 1:
                driven += min(50_000_000, calls[-1].before - calls[-2].before)
        return calls

    def semaphore(self, where="driver"):
        return int(self.ask("semaphore", where)[0])

    def let_go(self, where="driver", limit=10):
        """Whether nobody watches. Somebody who watches all of this host may, for a moment."""
        end = time.monotonic() + patient(limit)
        while self.semaphore(where):
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    # ---- Life and death ----

    def fork(self):
        """The child, another Driver."""
        path, listening = listen(self.directory)
        child = object.__new__(Driver)
        child.__dict__.update(self.__dict__)
        child.process = None
        (pid,) = self.ask("fork", path)
        child._meet(path, listening)
        assert child.pid == int(pid)
        return child

    def exec(self, verb="exec"):
        """Replaces the image by the same one, anew: (before, after)"""
        path, listening = listen(self.directory)
        (before,) = self.ask(verb, self.file, path)
        self._stream.close()
        self._socket.close()
        pid = self.pid
        self._meet(path, listening)
        assert self.pid == pid
        self.has_library = False
        return int(before), time.monotonic_ns()

    def dlopen(self):
        self.ask("dlopen", self.library_file)
        self.has_library = True

    def dlclose(self):
        self.ask("dlclose")
        self.has_library = False

    def leave_main(self):
        """The process lives on without its first thread."""
        self.ask("leave_main")
        while not is_zombie(self.pid):
            time.sleep(0.001)

    def exit(self, how="exit", number=0):
        """exit, _exit or signal: (before, after)"""
        (before,) = self.ask(how, number)
        try:
            self.answer()
        except Gone:
            pass
        after = time.monotonic_ns()
        self.close()
        return int(before), after

    def kill(self):
        """From outside."""
        before = time.monotonic_ns()
        os.kill(self.pid, signal.SIGKILL)
        try:
            self.answer()
        except Gone:
            pass
        after = time.monotonic_ns()
        self.close()
        return before, after

    def close(self):
        """Ends it if it lives; a child ends when its stream does."""
        self._stream.close()
        self._socket.close()
        if self.process:
            self.process.wait(patient(30))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def is_zombie(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rpartition(")")[2].split()[0] == "Z"


def copy_new(source, to):
    """A new inode, even where copying would share one."""
    shutil.copyfile(source, to)
    to.chmod(0o755)


def listen(directory):
    # In a short directory: such a path has 107 bytes.
    path = tempfile.mktemp(prefix="pb-", suffix=".sock", dir="/tmp")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(path)
    os.chmod(path, 0o777)  # a driver may be another user's
    listening.listen(1)
    return path, listening
