# SPDX-License-Identifier: MIT
"""`pushback run` with a receiver of its own, and what it said as plain numbers."""

import collections
import signal
import subprocess

from program import PUSHBACK, Program, now
from receiver import Receiver

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
        self.last_at = now()
        super().take_payload(payload, limit)


class Agent(Program):
    """Attached once the constructor returns; end() is SIGTERM, and all has arrived after it."""

    def __init__(self, *options, interval="1s", program=PUSHBACK):
        self.receiver = TimedReceiver()
        # Not a unix socket: its queue of ten packets is for a server that reads at once.
        address = self.receiver.start("udp://127.0.0.1:0")
        # Several run at once, and would say who has the usual one.
        socket = [] if "--socket" in options else ["--socket", "none"]
        argv = [program, "run", "--statsd", address, "--interval", interval, *socket, *options]
        super().__init__(argv, stdin=subprocess.DEVNULL)
        try:
            self.wait_line(r"^pushback: watching")
        except AssertionError:
            self.__exit__()
            raise

    def end(self, may_say=()):
        """(when it was told to end, a moment after its last drain), ns. Lines with one of `may_say` are no error."""
        told = now()
        self.signal(signal.SIGTERM)
        assert self.wait() == 0, self.lines
        self.receiver.stop()
        said = [line for line in self.lines if not any(words in line for words in may_say)]
        assert len(said) == 1, self.lines
        assert not self.receiver.errors, self.receiver.errors[:10]
        # Without a line at all there was nothing to be late for.
        return told, max(told, self.receiver.last_at)

    def kill(self):
        super().kill()
        self.receiver.stop()

    # ---- What it said ----

    def mark(self):
        """From now on the counters and samples are what has come since."""
        with self.receiver.lock:
            for key in self.receiver.counters:
                if key[0].startswith(PREFIX):
                    self.receiver.counters[key] = 0
            for counts in self.receiver.samples.values():
                counts.clear()

    def series(self, **tags):
        """{(step, pid tag or None): Series} of those with these tags, without the agent's own."""
        return self._series(True, tags)

    def pressure(self, **tags):
        """{process: Series} of the consumers: those without a step."""
        found = self._series(False, tags)
        return {process: series for (process, _), series in found.items()}

    def _series(self, of_steps, tags):
        wanted = {f"{k}:{v}" for k, v in tags.items()}
        key = "step" if of_steps else "process"
        result = collections.defaultdict(Series)
        with self.receiver.lock:
            for kind in ("counters", "gauges", "samples"):
                for (name, have), value in getattr(self.receiver, kind).items():
                    if not name.startswith(PREFIX) or not wanted <= have:
                        continue
                    if (tag(have, "step") is not None) == of_steps:
                        series = result[tag(have, key), tag(have, "pid")]
                        getattr(series, kind)[name.removeprefix(PREFIX)] += value
        return result

    def counters(self, **tags):
        """{step: {metric: sum}} of the series with these tags."""
        result = collections.defaultdict(collections.Counter)
        for (step, _), series in self.series(**tags).items():
            result[step] += series.counters
        return result

    def samples(self, step, direction, **tags):
        """Counter of ms -> weight."""
        name = f"{PREFIX}{direction}_backpressure_duration"
        return self.receiver.sample(name, step=step, **tags)

    def lost(self):
        """{reason: count} of what it says it has lost."""
        result = collections.Counter()
        with self.receiver.lock:
            for (name, tags), value in self.receiver.counters.items():
                if name == "pushback.agent.lost" and value:
                    result[tag(tags, "reason")] += value
        return dict(result)


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
