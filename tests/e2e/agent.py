# SPDX-License-Identifier: MIT
"""`pushback run` with a receiver of its own, and what it said as plain numbers."""

import collections
import os
import pathlib
import signal
import subprocess
import threading
import time

from receiver import Receiver

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PUSHBACK_BUILD", ROOT / "build"))
PUSHBACK = BUILD / "pushback"
PREFIX = "streams.pipeline."

COUNTERS = tuple(
    f"{direction}_backpressure{suffix}"
    for direction in ("send", "receive")
    for suffix in ("", "_time", "_episodes", "_abandoned", "_partial", "_folded")
) + ("send_backpressure_self_time", "submit_accepted", "submit_forwarded")


class TimedReceiver(Receiver):
    """Knows when the last payload came: the last drain lay before that."""

    last_at = 0

    def take_payload(self, payload, limit):
        self.last_at = time.monotonic_ns()
        super().take_payload(payload, limit)


class Agent:
    """Attached once the constructor returns; end() is SIGTERM, and all has arrived after it."""

    def __init__(self, *options, interval="100ms"):
        self.receiver = TimedReceiver()
        address = self.receiver.start("udp://127.0.0.1:0")
        argv = [PUSHBACK, "run", "--statsd", address, "--interval", interval, *options]
        self.lines = []
        self.attach_began = time.monotonic_ns()
        self.process = subprocess.Popen(
            [str(a) for a in argv], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        )
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            if line.startswith("pushback: watching"):
                break
        else:
            self.kill()
            raise AssertionError(f"not attached: {self.lines}")
        self.attached = time.monotonic_ns()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def end(self):
        """(when it was told to end, a moment after its last drain)"""
        told = time.monotonic_ns()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        self._close()
        assert status == 0, (status, self.lines)
        assert len(self.lines) == 1, self.lines
        assert not self.receiver.errors, self.receiver.errors[:10]
        # Without a line at all there was nothing to be late for.
        return told, max(told, self.receiver.last_at)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)
        self._close()

    def _close(self):
        if hasattr(self, "_reader"):
            self._reader.join()
        self.process.stderr.close()
        self.receiver.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    # ---- What it said ----

    def series(self):
        """{(step, pid tag or None): Series}, of all but the agent's own."""
        result = collections.defaultdict(Series)
        for where, kind in (
            (self.receiver.counters, "counters"),
            (self.receiver.gauges, "gauges"),
            (self.receiver.samples, "samples"),
        ):
            for (name, tags), value in where.items():
                if not name.startswith(PREFIX):
                    continue
                key = (tag(tags, "step"), tag(tags, "pid"))
                getattr(result[key], kind)[name.removeprefix(PREFIX)] += value
        return result

    def lost(self):
        """{reason: count}"""
        return {
            tag(tags, "reason"): value
            for (name, tags), value in self.receiver.counters.items()
            if name == "pushback.agent.lost" and value
        }


class Series:
    """Of one step of one process: sums, last values, {ms: weight}."""

    def __init__(self):
        self.counters = collections.Counter()
        self.gauges = collections.Counter()
        self.samples = collections.defaultdict(collections.Counter)

    def durations(self, direction):
        """In ms, sorted, each as often as its weight says."""
        return sorted(self.samples[f"{direction}_backpressure_duration"].elements())


def tag(tags, key):
    for one in tags:
        if one.startswith(key + ":"):
            return one[len(key) + 1 :]
    return None
