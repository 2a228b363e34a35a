#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`make bench`: what watching costs, in one run: at a probe point, and for a whole consumer.

Absolute times differ between machines and runs, so read the ratios. Asserts nothing.
"""
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent


def cpu():
    found = re.search(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.M)
    virtual = "hypervisor" in Path("/proc/cpuinfo").read_text()
    return f"{found[1] if found else platform.machine()}, {'virtual' if virtual else 'not virtual'}"


def watched_header(build):
    """The header's benchmark again, under the real observer instead of its own breakpoint."""
    program = build / "tests/bench_header"
    agent = subprocess.Popen(
        [build / "pushback", "run", "--path", program, "--statsd", "udp://127.0.0.1:9"],
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in agent.stderr:
        if line.startswith("pushback: watching"):
            break
    else:
        sys.exit("bench: pushback did not start")
    subprocess.run([program, "--wait-watched"], check=True, stderr=subprocess.DEVNULL)
    agent.terminate()
    agent.communicate()


def main():
    build = TOP / (sys.argv[1] if len(sys.argv) > 1 else "build")
    print(f"Linux {platform.release()}, {os.cpu_count()} x {cpu()}\n")
    print("One submit, unwatched, and watched by a breakpoint of its own:", flush=True)
    subprocess.run([build / "tests/bench_header"], check=True)
    print("\nOne submit, watched by pushback run:", flush=True)
    watched_header(build)
    print("\nA consumer of five steps that spins, by the service time of its sink:", flush=True)
    environment = {**os.environ, "PUSHBACK_BUILD": str(build)}
    subprocess.run([sys.executable, TOP / "tests/bench_demo.py"], check=True, env=environment)


if __name__ == "__main__":
    main()
