# SPDX-License-Identifier: MIT
"""Where our programs are built, and one of them running."""

import contextlib
import os
import pathlib
import queue
import re
import struct
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PUSHBACK_BUILD", ROOT / "build"))
PUSHBACK = BUILD / "pushback"
# The file itself, where PUSHBACK is a script that runs it (tests/instrumented).
IMAGE = BUILD / "image" if (BUILD / "image").exists() else PUSHBACK
DEMO = BUILD / "pushback-demo"
PROGS = BUILD / "tests"


# How many times as long as usual all may take: an emulated machine is some ten times slower.
PATIENCE = float(os.environ.get("PUSHBACK_TEST_PATIENCE", "1"))


def now():
    return time.monotonic_ns()


def patient(seconds):
    """A deadline on this machine. Never how long something is watched, only when to give up."""
    return seconds * PATIENCE


def run(*argv, timeout=60, **more):
    """A command to its end: its status, and all that it wrote."""
    command = [str(word) for word in argv]
    return subprocess.run(command, capture_output=True, text=True, timeout=patient(timeout), **more)


def semaphore_of(pid, path, file=None):
    """The value of pushback_semaphore of a mapped file: found by its section, read in memory.

    `path` is the file's in the process, or how that ends; `file` is where it can be read, if not there.
    """
    with open(f"/proc/{pid}/maps") as maps:
        mapped = next(line for line in maps if line.rstrip().endswith(path))
    base = int(mapped.split("-")[0], 16)
    sections = run("readelf", "-SW", file or mapped.split()[-1]).stdout
    fields = next(line for line in sections.splitlines() if " .probes " in line).split("]")[1].split()
    with open(f"/proc/{pid}/mem", "rb") as memory:
        memory.seek(base + int(fields[2], 16))
        return struct.unpack("H", memory.read(2))[0]


def wait_until(condition, what, timeout=10):
    """The first value of condition() that is true; AssertionError(what) if none comes."""
    end = time.monotonic() + patient(timeout)
    while not (value := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.02)
    return value


class Program:
    """A process of ours with its lines on stderr (or stdout) read as they come."""

    def __init__(self, argv, output="stderr", **more):
        streams = {"stdin": subprocess.PIPE, "text": True, "bufsize": 1, output: subprocess.PIPE}
        self.process = subprocess.Popen([str(a) for a in argv], **(streams | more))
        self.pid = self.process.pid
        self.lines = []
        self._fresh = queue.Queue()
        stream = getattr(self.process, output)
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    def _read(self, stream):
        for line in stream:
            self.lines.append(line.rstrip("\n"))
            self._fresh.put(line)
        self._fresh.put(None)

    def wait_line(self, pattern, timeout=20):
        """The match in the next line that has one; AssertionError when it ends without."""
        end = time.monotonic() + patient(timeout)
        while True:
            try:
                line = self._fresh.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"no line with {pattern!r} in {self.lines}")
            found = re.search(pattern, line)
            if found:
                return found

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def signal(self, number):
        """Nothing happens if it has ended."""
        self.process.send_signal(number)

    def wait(self, timeout=60):
        """Its exit status, once it has ended and all of its lines are there."""
        status = self.process.wait(patient(timeout))
        self._reader.join()
        return status

    def kill(self):
        self.process.kill()
        self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                if stream:
                    stream.close()
