#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`make bench`: what watching costs, beside what one would use instead.

    main.py BUILD [--smoke] [ROW...]

Prints each table as it is done, as Markdown, and leaves all of them and the charts in BUILD/bench; what is
in tools/bench/results is a copy of one run's.
Read the ratios: absolute times differ between machines and runs. Fails only on what does not work.
"""

import argparse
import importlib
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time

from bench import TOP, Bench, Chart, done

ROWS = ["point", "pipeline", "event", "agent", "exact", "bytes", "python"]


def version(*command):
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return f"no {command[0]}"
    return (said.stdout + said.stderr).splitlines()[0]


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)", text, re.M)
    virtual = "virtual" if "hypervisor" in text else "not virtual"
    load = os.getloadavg()[0]
    yield f"Linux {platform.release()}, {os.cpu_count()} x {model[1] if model else platform.machine()}, {virtual}"
    yield ", ".join(
        version(*command)
        for command in (("gcc", "--version"), ("rustc", "--version"), ("bpftrace", "--version"), ("perf", "--version"))
    )
    yield f"load {load:.2f} at the beginning" + ("; a busy machine: mistrust all of it" if load > 0.5 else "")


def available():
    here = pathlib.Path(__file__).parent
    return [row for row in ROWS if (here / f"row_{row}.py").exists()]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--smoke", action="store_true", help="each thing once, to see that it works")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=" ".join(available()))
    options = parser.parse_intermixed_args()
    for row in options.rows:
        if row not in available():
            parser.error(f"there is no row {row}; there are {' '.join(available())}")
    return options


def run_row(bench, name, results):
    began = time.monotonic()
    for part in importlib.import_module(f"row_{name}").measure(bench):
        if isinstance(part, Chart):
            (bench.programs / f"{part.name}.svg").write_text(part.svg)
            continue
        text = part.markdown()
        print(text, flush=True)
        results.write(text + "\n")
    print(f"({name}: {time.monotonic() - began:.0f} s)\n", flush=True)


def main():
    options = arguments()
    if os.geteuid():
        done("as root, please: it attaches to programs of its own")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started ends with us
    build = (TOP / options.build).resolve()
    with tempfile.TemporaryDirectory() as directory, open(build / "bench/results.md", "w") as results:
        bench = Bench(build, options.smoke, pathlib.Path(directory))
        about = "\n".join(machine()) + "\n"
        print(about, flush=True)
        results.write(about + "\n")
        for row in options.rows or available():
            run_row(bench, row, results)


if __name__ == "__main__":
    sys.exit(main())
