# SPDX-License-Identifier: MIT
"""Whether probes that are armed only while an episode is open would see one end, and what each way costs.

    recipe_arming.py BUILD [--seconds N] [--turns N]        after make bench-programs

A consumer without our probes spins; its sink frees 10 to 100,000 slots a second, and at saturation each
ends an episode. Nothing in BPF can attach a probe, so arming takes a round trip through user space: it is
tried with one that knows when an episode is open from the consumer itself, and so for nothing. All ways are
measured on one consumer in turns. Prints tables, asserts nothing; takes under 2 minutes where nothing else
runs.

    nobody   nothing is attached
    always   a recipe without a bound: entry and both returns
    accept   the accepting return alone, all the time: refusals are not seen
    armed    the accepting return alone, attached when an episode is met, let go at its end
    budget   the recipe with --budget 5%
"""
import argparse
import contextlib
import json
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RATES = (10, 1_000, 10_000, 100_000)
HEAD = struct.Struct("4Q96Q")
RECIPE = """[target]
path = */slots
[step slots]
submit = symbol slots_submit
instance = none
result = s32 return
accepted = 0
rejected = -11
"""


def text(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.0f} ns"


class Consumer:
    def __init__(self, build, folder, rate):
        self.file = Path(folder) / "state"
        self.file.unlink(missing_ok=True)
        argv = [build / "bench" / "slots", str(rate), self.file]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.communicate()

    def read(self):
        return (time.monotonic(), *HEAD.unpack(self.file.read_bytes()))

    def measure(self, seconds):
        """Accepted and turns a second, episodes, and their lengths."""
        before = self.read()
        time.sleep(seconds)
        after = self.read()
        passed, accepted, rejected, episodes = (b - a for a, b in zip(before[:4], after[:4]))
        lengths = [b - a for a, b in zip(before[5:], after[5:])]
        return accepted / passed, (accepted + rejected) / passed, episodes, lengths


# ---- Who watches ----


@contextlib.contextmanager
def recipe(options, budget, settle):
    argv = [options.build / "pushback", "run", "--recipe", options.recipe, "--path", options.slots, "--budget", budget]
    argv += ["--statsd", "udp://127.0.0.1:9", "--interval", "1s", "--socket", "none"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as agent:
        agent.stderr.readline()
        time.sleep(settle)
        try:
            yield
        finally:
            agent.send_signal(signal.SIGTERM)
            agent.stderr.read()


@contextlib.contextmanager
def accepting(options):
    argv = [options.build / "bench" / "hit", options.slots, hex(options.accepts)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tracer:
        tracer.stdout.readline()
        try:
            yield
        finally:
            tracer.communicate()


@contextlib.contextmanager
def armed(options, consumer, told):
    argv = [options.build / "bench" / "arm", "armed", consumer.file, options.slots, hex(options.accepts)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tracer:
        tracer.stdout.readline()
        try:
            yield
        finally:
            told.append(map(int, tracer.communicate("\n")[0].split()))


# ---- What is measured ----


def find_returns(options):
    """All returns of submit, and the one that an accepted message goes through: it is hit less often."""
    with tempfile.TemporaryDirectory() as folder, Consumer(options.build, folder, 1000):
        argv = [options.build / "pushback", "recipe", "check", "--json", "--duration", "500ms", options.recipe]
        done = subprocess.run([*argv, "--path", options.slots], capture_output=True, text=True, check=True)
    sites = [site for site in json.loads(done.stdout)["sites"] if site["site"] == "return"]
    if len(sites) != 2:
        sys.exit("the compiler made another number of returns than 2: nothing to arm")
    options.returns = [site["offset"] for site in sites]
    options.accepts = min(sites, key=lambda site: site["hits"])["offset"]


def attaching(options, folder):
    with Consumer(options.build, folder, 10_000):
        argv = [options.build / "bench" / "arm", "cycle", "200", options.slots, *map(hex, options.returns)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
    times = zip(*(map(int, line.split()) for line in done.stdout.splitlines()))
    found = []
    for what, values in zip(("attach", "detach"), times):
        ordered = sorted(values)
        found.append(ordered[len(ordered) // 2])
        print(f"{what}  median {text(found[-1])}, p95 {text(ordered[len(ordered) * 95 // 100])}")
    return found[0]


def quantile(lengths, share):
    """Of half octaves the lower end."""
    left = share * sum(lengths)
    for i, count in enumerate(lengths):
        left -= count
        if left < 0:
            return 2 ** (i / 2)
    return 0


def longer(lengths, ns):
    return sum(count for i, count in enumerate(lengths) if 2 ** (i / 2) >= ns) / max(sum(lengths), 1)


def at_rate(options, folder, rate):
    rates = {way: [] for way in ("always", "accept", "armed", "budget")}
    told, seconds = [], options.seconds
    with Consumer(options.build, folder, rate) as consumer:

        def beside(way, context, length):
            """Over what it does with nobody there, just before."""
            alone = consumer.measure(seconds)
            with context:
                there = consumer.measure(length)
            rates[way].append([there[i] / max(alone[i], 1e-9) for i in (0, 1)])
            return alone

        for _ in range(options.turns):
            alone = beside("always", recipe(options, "10000%", 0.2), seconds)
            beside("accept", accepting(options), seconds)
            beside("armed", armed(options, consumer, told), seconds)
        # Its allowance is spent first; then it is watched for a part of each 5 s.
        beside("budget", recipe(options, "5%", 1), 5)
    return alone, told, rates


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--turns", type=int, default=2)
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.slots = options.build / "bench" / "slots"
    with tempfile.TemporaryDirectory() as folder:
        options.recipe = Path(folder) / "slots.ini"
        options.recipe.write_text(RECIPE)
        find_returns(options)
        attach_ns = attaching(options, folder)
        print("\nslots/s   turns/s  episode: median    p95   outlast an attach   attached in time   closes seen")
        table = []
        for rate in RATES:
            alone, told, rates = at_rate(options, folder, rate)
            episodes, _, in_time, hits = (sum(column) for column in zip(*told))
            lengths = alone[3]
            print(
                f"{rate:7} {alone[1] / 1e6:7.2f}M {text(quantile(lengths, 0.5)):>16} {text(quantile(lengths, 0.95)):>7}"
                f" {longer(lengths, attach_ns):19.1%} {in_time / max(episodes, 1):18.2%} {hits / max(episodes, 1):13.2%}",
                flush=True,
            )
            table.append((rate, rates))
    print("\nover nobody: accepted a second (turns a second)")
    print("slots/s" + "".join(f"{way:>16}" for way in table[0][1]))
    for rate, rates in table:
        medians = [[statistics.median(column) for column in zip(*pairs)] for pairs in rates.values()]
        print(f"{rate:7}" + "".join(f"{accepted:8.2f} ({turns:.3f})" for accepted, turns in medians))


if __name__ == "__main__":
    sys.exit(main())
