# SPDX-License-Identifier: MIT
"""What --budget keeps to: a consumer of 100,000 messages a second over five functions that a recipe names.

    recipe_budget.py BUILD [--seconds N] [--budget SHARE]

In turns nobody watches it and somebody does; the CPU time that its thread takes more is what the probes
cost it, whatever the guard believes.
"""
import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RECIPES = Path(__file__).resolve().parents[2] / "tests" / "recipe"


def consume(program, seconds):
    done = subprocess.run([program, "100000", str(seconds)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def watched(pushback, program, seconds, budget):
    argv = [pushback, "run", "--recipe", RECIPES / "busy.ini", "--path", program, "--budget", budget]
    argv += ["--statsd", "udp://127.0.0.1:9", "--interval", "1s", "--socket", "none"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as agent:
        agent.stderr.readline()
        try:
            return consume(program, seconds)
        finally:
            agent.send_signal(signal.SIGTERM)
            for line in agent.stderr:
                if "--budget" in line:
                    print(line.rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--budget", default="5%")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "busy"
        subprocess.run(["gcc", "-O2", RECIPES / "busy.c", "-o", program], check=True)
        for _ in range(options.turns):
            alone = consume(program, options.seconds)
            with_probes = watched(Path(options.build) / "pushback", program, options.seconds, options.budget)
            more = with_probes["cpu_s"] - alone["cpu_s"]
            shares.append(more / with_probes["seconds"])
            print(
                f"probes {shares[-1]:.2%} of a core; messages {with_probes['messages'] / alone['messages']:.3f} "
                f"of those when nobody watches"
            )
    print(f"median {statistics.median(shares):.2%} of a core, budget {options.budget}")


if __name__ == "__main__":
    sys.exit(main())
