#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Static analysis: clang-tidy, cppcheck and gcc -fanalyzer, on all C and C++ sources or those given.

`make check` does it without --deep. False alarms are listed one by one in tools/analysis/known.toml.
"""
import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from analysis.analysers import ClangTidy, Cppcheck, GccAnalyzer
from analysis.cache import Cache
from analysis.known import Known
from analysis.sources import TOP, lone, sources

JOBS = 2


def findings(analyser, which, cache):
    """Each once, though a header's come with every source that includes it."""
    version = analyser.version()
    with ThreadPoolExecutor(JOBS) as pool:
        each = pool.map(lambda s: cache.findings(analyser, version, s), filter(analyser.takes, which))
        return sorted({finding for found in each for finding in found})


def complaints(analyser, which, cache, known, whole=True):
    """What is found and not known; of the `whole` tree also what is known and not found."""
    try:
        found = findings(analyser, which, cache)
    finally:
        cache.save()
    for finding, function in known.unknown(analyser, found):
        within = f", in {function}" if function else ""
        yield f"{finding.file}:{finding.line}:{finding.column}: {finding.message} [{finding.rule}]{within}"
    if whole:
        yield from known.stale(analyser, found)


def tree(analyser, deep=False):
    """What check.py says of the whole tree."""
    which = sources(build())
    yield from complaints(analyser, which, Cache(TOP / build() / "analysis.json"), Known(deep))


def build():
    return os.path.relpath(os.environ.get("PUSHBACK_BUILD", TOP / "build"), TOP)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deep", action="store_true", help="clang's analyzer follows every call: many minutes")
    parser.add_argument("file", nargs="*", type=Path)
    args = parser.parse_args()
    names = {os.path.relpath(f.resolve(), TOP) for f in args.file}
    which = sources(build())
    if names:
        which = [s for s in which if s.path in names]
        which += [lone(name) for name in sorted(names - {s.path for s in which})]
    cache, failed = Cache(TOP / build() / "analysis.json"), 0
    for analyser in [ClangTidy(args.deep), Cppcheck(), GccAnalyzer()]:
        said = list(complaints(analyser, which, cache, Known(args.deep), whole=not names))
        print(f"  {'FAIL' if said else 'PASS':8} {analyser.name}", flush=True)
        for line in said:
            print(f"           {line}")
        failed += bool(said)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
