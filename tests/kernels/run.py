#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The end-to-end tests on Debian's kernels, each in a virtual machine: `make test-kernels`.

Prints a table of kernels by test files, what failed, why something was skipped, and how many instructions the
verifier of each kernel goes through for each of our programs. Ends with 1 if anything failed.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import aarch64
import packages
import suite
import vm

TREE = Path(__file__).resolve().parents[2]
KNOWN = ("running", *packages.SUITES, "aarch64")
# Emulated, a kernel that changes its own code on one processor may meet what was there before on another one.
STARTS = 3


def command(files, build, options):
    home = Path.home()
    return suite.COMMAND.format(
        tree=TREE,
        build=build,
        patience=suite.PATIENCE,
        limit=options.file_limit,
        load=str(not options.no_load).lower(),
        path=os.environ["PATH"],
        cargo=os.environ.get("CARGO_HOME", home / ".cargo"),
        rustup=os.environ.get("RUSTUP_HOME", home / ".rustup"),
        files=" ".join(files),
        without_bpf=" ".join(name for name in suite.WITHOUT_BPF if name in files),
        arguments=shlex.join(options.arguments),
    )


class Kernel:
    def __init__(self, name, where):
        self.name, self.where = name, where
        self.problem, self.release, self.results, self.loads = "", name, {}, {}

    def take(self, files, ran):
        """What the machine has left there; not all may have been asked for."""
        if (self.where / "release").exists():
            self.release = (self.where / "release").read_text().strip()
        if (self.where / "load.json").exists():
            self.loads = json.loads((self.where / "load.json").read_text() or "{}")
        self.results = {name: suite.result(self.where, name) for name in files}

        for name in files:
            if name not in (suite.WITHOUT_BPF if self.refused else ran):
                self.results[name] = suite.Result(left_out=True)

    @property
    def refused(self):
        return "said" in self.loads.get("run", {})

    @property
    def failed(self):
        return bool(self.problem) or any(r.failed for r in self.results.values())


def run_here(kernel, files, options):
    """The running kernel, by the same commands, beside the others."""
    kernel.where.mkdir(parents=True, exist_ok=True)
    for old in kernel.where.iterdir():
        old.unlink()
    text = command(files, options.build, options).replace("/run/results", str(kernel.where)).replace("/tmp/home", str(Path.home()))
    text = text.replace(f"PATIENCE={suite.PATIENCE}", "PATIENCE=2").replace(f"dmesg >{kernel.where}/dmesg\n", "")
    subprocess.run(["/bin/sh", "-c", text], stdout=subprocess.DEVNULL, check=True)


def run_there(kernel, options):
    """In a machine of its own."""
    cache = packages.cache(options.build)
    files, build, machine = options.files, options.build, vm.Machine()
    if kernel.name == "aarch64":
        root = aarch64.root(cache)
        build, machine = aarch64.build(TREE, root), aarch64.machine(root)
        files = [name for name in aarch64.FILES if name in files]
        image = aarch64.kernel(cache)
    else:
        image = packages.kernel(cache, packages.SUITES[kernel.name])
    text = command(files, build, options)
    # Several runs may go on at once.
    disk = options.work / f"disk-{os.getpid()}"
    try:
        vm.disk(disk, TREE, build)
        for _ in range(STARTS):
            status, kernel.problem = vm.run(image, text, kernel.where, disk, TREE, options.limit, machine)
            # Before that nothing of ours is run: a machine that fails there says nothing about it.
            if status is not None or (kernel.where / "release").exists():
                break
    finally:
        disk.unlink(missing_ok=True)
    return files


def run_one(name, options):
    kernel = Kernel(name, options.work / name)
    began = time.monotonic()
    ran = options.files
    if name == "running":
        run_here(kernel, options.files, options)
    else:
        ran = run_there(kernel, options)
    kernel.take(options.files, ran)
    print(f"kernels: {kernel.release}: {time.monotonic() - began:.0f} s {kernel.problem}", flush=True)
    return kernel


def table(head, rows):
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    line = lambda row: "| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths)) + " |"
    print("\n".join([line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)]) + "\n")


def print_results(kernels, files):
    print("Tests, by file:\n")
    table(["", *(k.release for k in kernels)], [[name, *(k.results[name] for k in kernels)] for name in files])
    for kernel in kernels:
        for name, result in kernel.results.items():
            for bad in result.bad:
                print(f"{kernel.release}: failed: {name}: {bad}")
    reasons = {}
    for kernel in kernels:
        for name, result in kernel.results.items():
            for why, count in result.skipped.items():
                reasons.setdefault((name, why), []).append(f"{count} on {kernel.release}")
    for (name, why), where in reasons.items():
        print(f"skipped: {name}: {why}: {', '.join(where)}")


def print_loads(kernels):
    rows = []
    for verb in next((k.loads for k in kernels if k.loads), {}):
        programs = {p for k in kernels for p in k.loads.get(verb, {}) if p not in ("said", "status")}
        for program in sorted(programs):
            rows.append([f"{verb}: {program}", *(k.loads.get(verb, {}).get(program, "-") for k in kernels)])
    if rows:
        print("\nInstructions that the verifier went through:\n")
        table(["", *(k.release for k in kernels)], rows)
    for kernel in kernels:
        for verb, answer in kernel.loads.items():
            if "said" in answer:
                print(f"{kernel.release}: {verb} ends with {answer['status']}: {answer['said']}")


def options_of(words):
    """Of the command line; argparse leaves out what follows `--` where options came before it."""
    here = words.index("--") if "--" in words else len(words)
    ours, arguments = words[:here], words[here + 1 :]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--kernels", default=" ".join(KNOWN), help="of: %(default)s")
    parser.add_argument("--files", help=f"of the tests: {' '.join(suite.FILES)}")
    parser.add_argument("--few", action="store_true", help=f"of {' '.join(suite.FEW_FILES)} the most telling tests")
    parser.add_argument("--limit", type=float, default=7200, help="seconds for each machine (%(default)s)")
    parser.add_argument("--no-load", action="store_true", help="count no instructions, which takes minutes there")
    parser.add_argument("--file-limit", type=float, default=suite.FILE_LIMIT, help="seconds for each file (%(default)s)")
    parser.usage = parser.format_usage().removeprefix("usage: ").rstrip() + " [-- argument for pytest ...]"
    options = parser.parse_args(ours)
    options.arguments = arguments
    options.build = options.build.resolve()
    options.work = options.build / "kernels"
    options.kernels = options.kernels.split()
    options.files = options.files.split() if options.files else suite.FEW_FILES if options.few else suite.FILES
    if options.few:
        options.arguments = ["-k", suite.FEW, *options.arguments]
    unknown = set(options.kernels) - set(KNOWN)
    if unknown:
        parser.error(f"no such kernel: {', '.join(unknown)}")
    return options


def main():
    options = options_of(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    options.work.mkdir(parents=True, exist_ok=True)
    kernels = [run_one(name, options) for name in options.kernels]
    print()
    print_results(kernels, options.files)
    print_loads(kernels)
    return 1 if any(k.failed for k in kernels) else 0


if __name__ == "__main__":
    sys.exit(main())
