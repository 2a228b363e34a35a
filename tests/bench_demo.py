#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What watching costs the demo consumer: messages and loops a second, watched over unwatched.

    tests/bench_demo.py [--rounds N] [--seconds S] [--times 1us,5us,...]

The five-step chain that spins, at several service times of its sink. Watched and unwatched runs take
turns, medians are printed, nothing is asserted. On a busy machine only the ratios mean something.
"""

import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("PUSHBACK_BUILD", ROOT / "build"))


def start_agent(program):
    # Nobody listens there: what is sent is none of the consumer's business.
    agent = subprocess.Popen(
        [BUILD / "pushback", "run", "--path", program, "--statsd", "udp://127.0.0.1:9"],
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in agent.stderr:
        if line.startswith("pushback: watching"):
            return agent
    raise SystemExit("pushback does not start")


def run_demo(program, service_time, seconds):
    """(messages that reached the sink, turns of the consumer's loop), both a second."""
    done = subprocess.run(
        [program, "--source", "memory", "--slow", f"sink:refuse:{service_time}",
         "--batch", "1", "--concurrency", "1", "--duration", f"{seconds}s"],
        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=True,
    )  # fmt: skip
    loops = int(re.search(r"(\d+) loops/s", done.stderr)[1])
    sink = next(line.split() for line in done.stderr.splitlines() if line.startswith("sink "))
    return int(sink[-1]), loops


def measure(program, service_time, rounds, seconds):
    results = {False: [], True: []}
    for round_number in range(rounds):
        for watched in (False, True) if round_number % 2 == 0 else (True, False):
            agent = start_agent(program) if watched else None
            results[watched].append(run_demo(program, service_time, seconds))
            if agent:
                agent.terminate()
                agent.communicate()
    return [
        [statistics.median(run[i] for run in results[watched]) for watched in (False, True)]
        for i in (0, 1)
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--times", default="1us,5us,20us,100us,1ms")
    options = parser.parse_args()
    print(f"{'service':>8} {'messages/s':>12} {'watched':>12} {'ratio':>6} "
          f"{'loops/s':>12} {'watched':>12} {'ratio':>6}")  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        program = shutil.copy(BUILD / "pushback-demo", directory)
        for service_time in options.times.split(","):
            rows = measure(program, service_time, options.rounds, options.seconds)
            cells = [f"{alone:12.0f} {watched:12.0f} {watched / alone:6.2f}" for alone, watched in rows]
            print(f"{service_time:>8} " + " ".join(cells), flush=True)


if __name__ == "__main__":
    main()
