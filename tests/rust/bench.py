#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""bench.py [ROUNDS]: what watching costs a spinning Rust consumer of five boxed strategies.

    make progs && tests/rust/bench.py

Messages and loops a second, of the same chain with nothing around its strategies: with our wrappers
and unwatched, with our wrappers and watched, and with one probe hit for each return of a submit, which
is what a tracer by itself would do. All take turns, each is held against its neighbour, and the medians
of these ratios are shown: others use the machine, too. Asserts nothing but who is watched.
"""
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PUSHBACK_BUILD", TOP / "build"))
SERVICE_US = (1, 5, 20, 100, 1000)
WAYS = ("plain", "unwatched", "watched", "hits")


class Consumer:
    def __init__(self, file, kind, ms, service_us):
        command = [file, "bench", kind, str(ms), str(service_us * 1000)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1)
        assert self.process.stdout.readline() == "ready\n"

    def turn(self):
        """(messages, loops) a second."""
        self.process.stdin.write("\n")
        messages, loops, ns = map(int, self.process.stdout.readline().split())
        return messages * 1e9 / ns, loops * 1e9 / ns

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def started(command, line):
    """A tracer that has said this."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for said in process.stdout:
        if line in said:
            return process
    sys.exit(f"bench: {command[0]} did not start")


def submits(file):
    """Where the strategies' own submits are."""
    names = subprocess.run(["nm", "-C", file], capture_output=True, text=True, check=True).stdout
    found = re.findall(
        r"^(\w+) t <pipeline::(?:Through|Task|Sink) as .*>::submit", names, re.M
    )
    assert len(found) == 3, found
    return [int(address, 16) for address in found]


def tracers(files):
    yield started(
        [BUILD / "pushback", "run", "--path", files["watched"], "--statsd", "udp://127.0.0.1:9"],
        "pushback: watching",
    )
    sites = ",".join(f"uprobe:{files['hits']}:{at:#x}" for at in submits(files["hits"]))
    program = f'BEGIN {{ printf("begun\\n"); }} {sites} {{ @ = count(); }}'
    yield started(["bpftrace", "--unsafe", "-B", "line", "-e", program], "begun")


def watched(consumer):
    """Whether it is: an observer that is there is not enough."""
    lines = subprocess.run(
        [BUILD / "pushback", "list", "--json"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    (said,) = [one for one in map(json.loads, lines) if one["pid"] == consumer.process.pid]
    return said["watched"]


def measure(files, service_us, rounds):
    """What each way had of each round: {way: [(messages, loops), ...]}"""
    ms = 250  # so long that the burst which the rate bound allows after a pause does not count
    kinds = {"plain": "plain", "hits": "plain"}
    consumers = {way: Consumer(files[way], kinds.get(way, "wrapped"), ms, service_us) for way in WAYS}
    for consumer in consumers.values():
        consumer.turn()
    if not watched(consumers["watched"]) or watched(consumers["unwatched"]):
        sys.exit("bench: who is to be watched is not, or who is not to be is")
    seen = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            seen[way].append(consumers[way].turn())
    for consumer in consumers.values():
        consumer.close()
    return seen


def ratio(ones, others, column):
    return statistics.median(one[column] / other[column] for one, other in zip(ones, others))


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        files = {way: Path(directory, f"pipeline-{way}") for way in WAYS}
        for file in files.values():
            shutil.copy(BUILD / "rust/release/pipeline", file)
        for tracer in tracers(files):
            stack.callback(tracer.wait)
            stack.callback(tracer.terminate)
        time.sleep(1)
        print("service   plain                     ratio to it: messages/s, loops/s")
        print("time      messages/s     loops/s    wrapped        watched        a hit each")
        for service_us in SERVICE_US:
            seen = measure(files, service_us, rounds)
            messages, loops = map(statistics.median, zip(*seen["plain"]))
            ratios = [[ratio(seen[way], seen["plain"], n) for n in (0, 1)] for way in WAYS[1:]]
            text = "   ".join("{:.3f}  {:.3f}".format(*pair) for pair in ratios)
            print(f"{service_us:4} us  {messages:12,.0f}  {loops:10,.0f}    {text}", flush=True)


if __name__ == "__main__":
    main()
