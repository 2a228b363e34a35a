#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs fuzz targets and prints what came of it.

Each starts from the inputs in the tree (corpus/NAME, cases/NAME) and from what former runs found, which is
kept beside the programs. Two at a time, or as many as there are CPUs; an input that breaks a target is kept
under crashes/ there and named in the table. What part of the lines of the files under test all inputs
reach, llvm-cov tells (--cover).
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent

# What each is for; of their coverage the table tells.
TESTED = {
    "elf": "elf_image elf_symbols elf_stapsdt elf_unwind dwarf_file dwarf_enum dwarf_arguments recipe_names",
    "elfnote": "elfnote elf_image elf_stapsdt",
    "insn": "insn insn_decode insn_walk insn_parts insn_x86 insn_aarch64",
    "keep": "keep recorder_keep report report_strips report_verdict model_keep drain_seen_keep labels statsd_keep"
            " openmetrics_keep hist_keep",
    "openmetrics": "openmetrics_text",
    "proc": "discover",
    "recipe": "recipe recipe_value recipe_names recipe_target",
    "record": "drain_record drain_samples peek_steps trace_line trace_chrome model",
    "statsd": "statsd_line statsd_event statsd_packet",
    "status": "status_socket status_say sink_record",
    "text": "proc_maps cgroup_path doctor_parse http_request symbol_name symbol_suffix recipe_value",
    "words": "opts labels matcher statsd_address openmetrics_address",
}
# A CPU that is shared makes an input slow, so only one that hangs counts.
LIMITS = ["-timeout=120", "-rss_limit_mb=2048", "-malloc_limit_mb=1024", "-print_final_stats=1", "-verbosity=1"]
LENGTH = {"elf": 16384, "elfnote": 8192, "insn": 2048, "keep": 8192, "record": 16384}


def targets(programs):
    return sorted(p.name[5:] for p in programs.glob("fuzz_*") if not p.suffix)


def inputs(name):
    """The folders in the tree that have any."""
    return [str(HERE / kind / name) for kind in ("corpus", "cases") if (HERE / kind / name).is_dir()]


def number(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


class Result:
    def __init__(self, name, log, status, seconds, crashes):
        self.name = name
        self.log = log
        self.status = status
        self.seconds = seconds
        self.crashes = crashes
        self.executions = number(r"stat::number_of_executed_units: *(\d+)", log)
        self.edges = number(r"cov: (\d+)", log)
        self.edges_all = number(r"Loaded 1 modules +\((\d+) inline", log)
        self.corpus = number(r"corp: (\d+)/", log)

    def line(self):
        return (f"{self.name:12} {self.seconds:7.0f} {self.executions:12,} {self.executions / max(self.seconds, 1):9,.0f} "
                f"{self.edges:6} {self.corpus:7} {len(self.crashes):8}")


TITLES = f"{'target':12} {'seconds':>7} {'executions':>12} {'a second':>9} {'edges':>6} {'corpus':>7} {'crashes':>8}"


def fuzz(programs, name, seconds, seed, where=None):
    """One target, for so long or until an input breaks it."""
    where = where or programs
    found, crashes = where / "found" / name, where / "crashes" / name
    found.mkdir(parents=True, exist_ok=True)
    crashes.mkdir(parents=True, exist_ok=True)
    before = set(crashes.iterdir())
    command = [str(programs / f"fuzz_{name}"), *LIMITS, f"-max_total_time={seconds}", f"-seed={seed}",
               f"-artifact_prefix={crashes}/", f"-max_len={LENGTH.get(name, 4096)}", str(found), *inputs(name)]
    dictionary = HERE / f"{name}.dict"
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    began = time.monotonic()
    # What `--help` and the like print is not ours to show.
    child = subprocess.run(command, cwd=TOP, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                           errors="replace", check=False)
    (where / f"{name}.log").write_text(child.stderr)
    return Result(name, child.stderr, child.returncode, time.monotonic() - began, sorted(set(crashes.iterdir()) - before))


def replay(programs, name):
    """What is in the tree, once each: the log of the first that breaks it, or None; and how many."""
    files = sorted(str(f) for folder in inputs(name) for f in Path(folder).iterdir())
    if not files:
        return "no inputs", 0
    child = subprocess.run([str(programs / f"fuzz_{name}"), *LIMITS, f"-artifact_prefix={programs}/", *files], cwd=TOP,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    return (child.stderr if child.returncode else None), len(files)


def cover(programs, names):
    """Lines of the files under test that all inputs reach."""
    subprocess.run(["make", "-s", f"B={programs.parent}", *(str(programs / "cover" / f"fuzz_{n}") for n in names)], cwd=TOP,
                   check=True)
    print(f"\n{'target':12} {'lines':>6} {'of':>6} {'':>6}  file")
    for name in names:
        program, raw = programs / "cover" / f"fuzz_{name}", programs / "cover" / f"{name}.profraw"
        found = programs / "found" / name
        folders = inputs(name) + ([str(found)] if found.is_dir() else [])
        subprocess.run([str(program), "-runs=0", *folders], cwd=TOP, env=dict(os.environ, LLVM_PROFILE_FILE=str(raw)),
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        data = raw.with_suffix(".profdata")
        subprocess.run(["llvm-profdata", "merge", "-sparse", "-o", str(data), str(raw)], check=True)
        sources = [f"userspace/{s}.c" for s in TESTED[name].split()]
        text = subprocess.run(["llvm-cov", "export", "-summary-only", "-format=text", str(program), f"-instr-profile={data}",
                               *sources], cwd=TOP, stdout=subprocess.PIPE, text=True, check=True).stdout
        for file in json.loads(text)["data"][0]["files"]:
            lines = file["summary"]["lines"]
            print(f"{name:12} {lines['covered']:6} {lines['count']:6} {lines['percent']:5.0f}%  {Path(file['filename']).name}")
        raw.unlink()


def smallest(programs, name):
    """Of all that is known a few inputs that reach each edge that all do, into the tree."""
    folder = HERE / "corpus" / name
    kept = folder.with_suffix(".new")
    kept.mkdir()
    subprocess.run([str(programs / f"fuzz_{name}"), *LIMITS, "-set_cover_merge=1", "-use_counters=0", f"-max_len={LENGTH.get(name, 4096)}", str(kept),
                    *inputs(name), str(programs / "found" / name)], cwd=TOP, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=True)
    for old in folder.iterdir():
        old.unlink()
    folder.rmdir()
    kept.rename(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", type=Path)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=1200)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count()))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--cover", action="store_true", help="what they reach, instead")
    parser.add_argument("--merge", action="store_true", help="put what was found into the tree, instead")
    args = parser.parse_intermixed_args()
    programs = args.programs.resolve()
    names = args.targets or targets(programs)
    if args.cover:
        cover(programs, names)
        return 0
    if args.merge:
        for name in names:
            smallest(programs, name)
        return 0
    print(f"seed {args.seed}, {args.seconds} s each, {args.jobs} at a time\n{TITLES}", flush=True)
    broken = []
    with ThreadPoolExecutor(args.jobs) as pool:
        for result in pool.map(lambda n: fuzz(programs, n, args.seconds, args.seed), names):
            print(result.line(), flush=True)
            if result.status:
                broken.append(result)
    for result in broken:
        print(f"\n{result.name}: {' '.join(str(c) for c in result.crashes)}\n{result.log[-6000:]}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
