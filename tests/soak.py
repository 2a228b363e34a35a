#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Two agents left alone for a while, among consumers and a statsd server that do what they like.

Consumers (tests/progs/soaked.c) start, end in every way there is, SIGKILL included, and get new steps at
the addresses of the old ones without step_end; careless ones write over the old ones' memory. Servers stop, restart, stop reading, refuse now and then,
and are replaced by others at the same path. One agent is restarted again and again, the other never. At
the end each consumer's own truth is held against what its agent said of it, and nothing may have grown.

With `pushback run --pin` a restart happens under load and whatever the server does, some by SIGKILL: of
what an agent had sent in its last interval before that so much may have come twice. Without --pin the
consumers hold still meanwhile, and the server is there.

Of a step that is written over, its last second may be unseen: that is documented, counted, and how much it
may be is known to the consumer. All other consumers have one truth, to the last count; but one that was
killed in a call, which was counted or not.

Prints a line a minute and figures at the end; exit status 1 if anything is wrong.
"""

import argparse
import collections
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "e2e"))

from agent import PREFIX, tag  # noqa: E402
from flaky import Flaky  # noqa: E402
from program import PROGS, PUSHBACK, Program, run  # noqa: E402
from soaked import METRICS, Consumer  # noqa: E402

CONSUMERS = 6  # of each agent
CARELESS = 5  # one of so many
INTERVAL = 1
STOP_TIMEOUT = 90


class Wrong(Exception):
    """What was found ends the run."""


# ---- An agent, its consumers, its server ----


class Place:
    def __init__(self, name, directory, rng, pin):
        self.name = name
        self.rng = rng
        self.directory = directory / name
        self.directory.mkdir()
        self.program = self.directory / "soaked"
        shutil.copyfile(PROGS / "soaked", self.program)
        self.program.chmod(0o755)
        self.socket = self.directory / "agent.sock"
        self.pin = pin
        self.server = Flaky(str(self.directory / "statsd"), rng)
        self.living = []
        self.dead = []
        self.started = self.restarts = self.kills = 0
        self.happened = collections.Counter()
        self.slowest_stop = 0.0
        self.repeated = collections.Counter()  # what SIGKILLs may have had sent twice, by metric
        self.agent = None
        self.start_agent()

    # -- the agent --

    def start_agent(self):
        argv = [PUSHBACK, "run", "--path", self.program, "--statsd", self.server.address, "--interval",
                f"{INTERVAL}s", "--tag-from", "pid=pid", "--socket", self.socket, *self.pin]  # fmt: skip
        self.agent = Program(argv, stdin=subprocess.DEVNULL)
        self.agent.wait_line(r"^pushback: watching", 60)

    def stop_agent(self):
        began = time.monotonic()
        self.agent.signal(signal.SIGTERM)
        status = self.agent.wait(STOP_TIMEOUT)
        self.slowest_stop = max(self.slowest_stop, time.monotonic() - began)
        if status:
            raise Wrong(f"{self.name}: the agent ended with {status}: {self.agent.lines}")
        self._look_at_lines()

    def _look_at_lines(self):
        for line in self.agent.lines:
            if not re.match(r"pushback: (watching|took over|goes on|.*pin)", line):
                print(f"{self.name}: the agent said: {line}")

    def restart(self, kill):
        if self.pin:
            if kill and self.rng.random() < 0.3:
                self._kill_agent()
            else:
                self.stop_agent()
            if self.rng.random() < 0.5:
                self.happen()  # while nobody is there
            self.start_agent()
        else:
            self._restart_paused()
        self.restarts += 1

    def _restart_paused(self):
        for consumer in self.living:
            consumer.tell(b"p")
        for consumer in self.living:
            consumer.settle()
        self.server.be_there()
        self.stop_agent()
        for letter in (b"m", b"r"):
            if letter == b"r":
                self.start_agent()
            for consumer in self.living:
                consumer.tell(letter)
            for consumer in self.living:
                consumer.settle()

    def _kill_agent(self):
        """What was counted since the flush before the last one may come again."""
        before = self._progress()
        time.sleep(1.5 * INTERVAL)
        self.agent.signal(signal.SIGKILL)
        self.agent.wait()
        self.kills += 1
        self.repeated += self._progress() - before

    def _progress(self):
        total = collections.Counter()
        for consumer in self.living:
            total += consumer.look().totals()
        return total

    # -- its consumers --

    def start_consumer(self):
        self.started += 1
        seed = self.rng.randrange(1 << 32)
        careless = self.started % CARELESS == 0
        self.living.append(Consumer(self.program, self.directory, self.started, seed, careless))

    def happen(self):
        """Something, at random."""
        ready = [c for c in self.living if not c.is_busy()]
        event = self.rng.choice(["start", "start", "end", "renew", "renew", "renew", "nothing"])
        if event == "start" and len(self.living) < CONSUMERS:
            self.start_consumer()
        elif event == "end" and len(self.living) > 1:
            self.end_consumer(self.rng.choice(self.living))
            return
        elif event == "renew" and ready:
            consumer = self.rng.choice(ready)
            event = "write over" if consumer.careless else event
            consumer.tell(b"w" if consumer.careless else b"n")
        else:
            return
        self.happened[event] += 1

    def end_consumer(self, consumer):
        ways = {"exit": b"q", "step_end": b"e", "SIGKILL": signal.SIGKILL, "SIGSEGV": signal.SIGSEGV}
        how = self.rng.choice(list(ways))
        self.happened[how] += 1
        consumer.end(ways[how])
        self.living.remove(consumer)
        self.dead.append(consumer)

    # -- how it does --

    def figures(self):
        status = run(PUSHBACK, "status", "--socket", self.socket, "--json", timeout=30)
        if status.returncode:
            raise Wrong(f"{self.name}: pushback status: {status.stderr}")
        said = json.loads(status.stdout)
        pid = self.agent.pid
        return {
            "rss": resident(pid) / 1024,
            "fds": len(os.listdir(f"/proc/{pid}/fd")),
            "maps": said["map_memory_bytes"] / 1024,
            "entries": sum(m["used"] for name, m in said["maps"].items() if name != "files"),
            "cpu": said["cpu_s"] / said["uptime_s"] * 100,
            "said": said,
        }

    def end(self):
        while self.living:
            self.end_consumer(self.living[0])
        self.server.be_there()

    def close(self):
        """Whatever there still is, after a failure."""
        for consumer in self.living:
            consumer.process.kill()
        self.agent.__exit__()
        self.server.end()


def resident(pid):
    """Bytes of its own, without the file's pages, which the kernel may drop and bring back."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"RssAnon:\s+(\d+)", text)[1]) * 1024


# ---- What must hold ----


def said_of(place):
    """({(pid, step): {metric: sum}}, durations told, durations that were dropped, {reason: lost})"""
    counts = collections.defaultdict(collections.Counter)
    lost = collections.Counter()
    for (name, tags), value in place.server.sums("counters").items():
        if name.startswith(PREFIX) and tag(tags, "step"):
            counts[int(tag(tags, "pid")), tag(tags, "step")][name.removeprefix(PREFIX)] += value
        elif name == "pushback.agent.lost" and value:
            lost[tag(tags, "reason")] += value
    told = sum(sum(weights.values()) for weights in place.server.sums("samples").values())
    return counts, told, lost


def truths(place):
    """{(pid, step, metric): (least, most)}; in so many minutes several may have had one number."""
    added = collections.defaultdict(lambda: (0, 0))
    for consumer in place.dead:
        for step, metrics in consumer.truth.steps.items():
            for metric, (least, most) in metrics.items():
                low, high = added[consumer.pid, step, metric]
                added[consumer.pid, step, metric] = low + least, high + most
    return added


def compare(place):
    """Each consumer with what was received of it: what is wrong, a line each."""
    counts, told, lost = said_of(place)
    wrong = [f"{place.name}: a packet: {error}" for error in place.server.errors()[:10]]
    exact = sum(consumer.truth.is_exact() for consumer in place.dead)
    sums, repeated = collections.Counter(), collections.Counter()
    for (pid, step, metric), (least, most) in truths(place).items():
        seen = counts[pid, step][metric]
        sums[metric] += seen
        repeated[metric] += max(0, seen - most)
        if seen < least or (seen > most and not place.kills):
            wrong.append(f"{place.name}: consumer {pid} {step} {metric}: {seen}, in truth {least}"
                         + (f" to {most}" if most > least else ""))  # fmt: skip
    wrong += [f"{place.name}: {metric}: {n} more than there was, and kills explain {place.repeated[metric]}"
              for metric, n in repeated.items() if n > place.repeated[metric]]  # fmt: skip
    strangers = {pid for pid, _ in counts} - {consumer.pid for consumer in place.dead}
    wrong += [f"{place.name}: nobody had the number {pid}" for pid in strangers]
    wrong += durations_wrong(place, sums, told, lost["durations_unsent"])
    # At an exit, the memory of one that was written over is not read as it.
    lost["exit_unread"] -= min(lost["exit_unread"], sum(consumer.truth.hidden for consumer in place.dead))
    found = sum(consumer.truth.found for consumer in place.dead)
    if lost["replaced"] != found and not (place.kills and lost["replaced"] > found):
        wrong.append(f"{place.name}: {found} steps were written over, {lost['replaced']} counted as replaced")
    del lost["replaced"]
    wrong += [f"{place.name}: lost {n}, {reason}" for reason, n in lost.items() if n and reason != "durations_unsent"]
    careless = [consumer for consumer in place.dead if consumer.careless]
    say(f"{place.name}: {len(place.dead)} consumers, {exact} of them with one truth to the last count, of the others "
        f"{sum(not c.truth.is_exact() for c in careless)} careless with {found} steps written over, the rest "
        f"killed in a call; {place.restarts} restarts, {place.kills} by SIGKILL, the slowest stop "
        f"{place.slowest_stop:.2f} s")  # fmt: skip
    say(f"  consumers: {plain(place.happened)}; servers: {plain(place.server.events)}")
    say(f"  received: {plain(sums)}; {told} durations and {lost['durations_unsent']} unsent; twice: {plain(repeated)}")
    return wrong


def durations_wrong(place, sums, told, unsent):
    """Each closed episode's was received or is counted as dropped; of a kill either may come twice."""
    episodes = sum(n for metric, n in sums.items() if metric.endswith("_episodes"))
    twice = sum(n for metric, n in place.repeated.items() if metric.endswith("_episodes"))
    if abs(told + unsent - episodes) <= twice:
        return []
    return [f"{place.name}: {episodes} episodes, but {told} durations and {unsent} that were dropped"]


def plain(counter):
    return ", ".join(f"{n} {what}" for what, n in counter.items() if n) or "nothing"


# What may come on top of what it was in the second quarter of the run, and be no growth.
SLACK = {"rss": 1024, "fds": 2, "maps": 256, "entries": 3 * CONSUMERS * len(METRICS), "cpu": 5}


def grown(place, samples):
    """The last quarter's median against the second one's."""
    quarter = len(samples) // 4
    if not quarter:
        return []
    wrong = []
    for what, slack in SLACK.items():
        before = statistics.median(s[what] for s in samples[quarter : 2 * quarter])
        after = statistics.median(s[what] for s in samples[-quarter:])
        say(f"{place.name}: {what} {before:.0f} in the second quarter, {after:.0f} in the last")
        if after > before + slack:
            wrong.append(f"{place.name}: {what} has grown from {before:.0f} to {after:.0f}")
    return wrong


def left_over(place, empty):
    """With the last consumer all that was kept of them goes."""
    end = time.monotonic() + 30
    while (now := place.figures())["entries"] or now["maps"] > empty["maps"]:
        if time.monotonic() > end:
            return [f"{place.name}: left in the maps: {now['said']['maps']}, {now['maps']:.0f} KiB of "
                    f"{empty['maps']:.0f}"]  # fmt: skip
        time.sleep(0.2)
    return []


# ---- The run ----


def say(text):
    print(text, flush=True)


def show(place, minute, figures):
    say(f"{minute:6.1f} min  {place.name:9} RSS {figures['rss']:6.0f} KiB  {figures['fds']:3} descriptors  "
        f"maps {figures['maps']:6.0f} KiB, {figures['entries']:4} entries  CPU {figures['cpu']:4.1f} %  "
        f"{len(place.living)} consumers")  # fmt: skip


def pin_options(directory):
    """What makes the agent keep its state here, as far as this pushback can."""
    text = run(PUSHBACK, "run", "--help").stdout
    if "--pin" not in text:
        return None
    run("mount", "-t", "bpf", "none", directory)
    return ["--pin-dir", directory] if "--pin-dir" in text else ["--pin", directory]


def soak(places, options):
    """{place: [figures, one each period]}"""
    rng = places[0].rng
    began = last = time.monotonic()
    samples = {place: [] for place in places}
    while time.monotonic() < began + options.seconds:
        time.sleep(rng.random() * 0.3)
        for place in places:
            place.happen()
            if rng.random() < 0.15:
                place.server.happen()
        if time.monotonic() >= last + options.period:
            last += options.period
            for place in places:
                samples[place].append(place.figures())
                show(place, (time.monotonic() - began) / 60, samples[place][-1])
            places[0].restart(options.kill)
    return samples


def finish(places, samples, empty):
    wrong = []
    for place in places:
        place.end()
    for place in places:
        wrong += left_over(place, empty[place])
        place.stop_agent()
        place.server.end()
    for place in places:
        wrong += compare(place) + grown(place, samples[place])
    return wrong


def soak_in(directory, options):
    rng = random.Random(options.seed)
    pin = pin_options(options.pin) if options.pin else None
    say(f"seed {options.seed}, {options.seconds:g} s, a restart each {options.period:g} s "
        + ("under load (--pin)" if pin else "while consumers hold still"))  # fmt: skip
    places = []
    try:
        places.append(Place("restarted", directory, rng, pin or []))
        places.append(Place("steady", directory, rng, []))
        empty = {place: place.figures() for place in places}
        return finish(places, soak(places, options), empty)
    finally:
        for place in places:
            place.close()
        if pin:
            run("umount", options.pin)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--period", type=float, default=60, help="from one restart to the next, s")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--no-kill", dest="kill", action="store_false", help="no SIGKILL for the agent")
    parser.add_argument("--no-pin", action="store_true")
    options = parser.parse_args()
    # All that was started is ended, however this ends.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        options.pin = None if options.no_pin else f"{directory}/bpf"
        if options.pin:
            os.mkdir(options.pin)
        wrong = soak_in(Path(directory), options)
    for line in wrong[:40]:
        say(f"WRONG {line}")
    say(f"soak: {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
