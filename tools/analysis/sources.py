# SPDX-License-Identifier: MIT
"""What is analysed: every C and C++ source, each with the flags that the Makefile compiles it with."""
import os
import re
import shlex
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
FOLDERS = ["bpf", "include", "userspace", "tools", "tests"]
COMPILERS = {"gcc", "g++", "clang", "clang++"}
# What says how a source is read. Warnings and optimisation are each analyser's own affair.
READING = re.compile(r"-[ID].+|-std=.+|--sysroot=.+|-ffreestanding")
# How who analyses them has to see cmocka's assertions.
UNIT_TESTS = ("-include", "tools/analysis/cmocka.h")
# Flags whose next word is no source.
TAKES_A_WORD = {"-o", "-MT", "-MF", "-x", "-target"}


@dataclass(frozen=True)
class Source:
    path: str
    flags: tuple
    language: str  # c, c++
    target: str = ""

    def clang_flags(self):
        target = ["-target", self.target] if self.target else []
        return [*target, "-x", self.language, *self.flags]

    def __str__(self):
        return " ".join([self.path, self.language, self.target, *self.flags])


def language(path):
    return "c++" if Path(path).suffix in (".cc", ".hpp") else "c"


def of_command(line):
    """The sources that one compiler's command names, with how it reads them."""
    words = shlex.split(line)
    flags, paths, target = [], [], ""
    previous = ""
    for word in words[1:]:
        if previous == "-target":
            target = word
        elif previous not in TAKES_A_WORD:
            if READING.fullmatch(word):
                flags.append(word)
            elif Path(word).suffix in (".c", ".cc"):
                paths.append(word)
        previous = word
    for path in paths:
        seen = UNIT_TESTS if path.startswith("tests/unit/") else ()
        yield Source(path, (*dict.fromkeys(flags), *seen), language(path), target)


def of_make(build):
    """What `make` would compile. With the fuzzers a source is compiled more than once: the first way
    counts, except where definitions make it another program."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", "-Bn", "--no-print-directory", "V=1", f"B={build}", "compilations"], cwd=TOP,
                          capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"make does not say what it compiles: {done.stderr.strip()}")
    seen = set()
    for line in done.stdout.replace("\\\n", " ").splitlines():
        if line.split(" ", 1)[0] not in COMPILERS:
            continue
        for source in of_command(line):
            which = (source.path, *(f for f in source.flags if f.startswith("-D")))
            if which not in seen:
                seen.add(which)
                yield source


# What those who compile them say besides.
BESIDES = {
    "include/python/": [f"-I{sysconfig.get_path('include')}"],
    "tests/instrumented/": ["-Iuserspace"],
    "tests/header/": ["-Itests/unit/support"],
    "tests/progs/inject/namesake.c": ["-DEVERY=3", "-DCALLS=calls"],
}


def lone(path):
    """A source that `make` does not compile: tests do, or nobody."""
    standard = ["-std=gnu++17"] if language(path) == "c++" else ["-std=gnu11", "-D_GNU_SOURCE="]
    besides = next((flags for start, flags in BESIDES.items() if path.startswith(start)), [])
    return Source(path, (*standard, "-Iinclude", *besides), language(path))


def others(known):
    for folder in FOLDERS:
        for path in sorted((TOP / folder).rglob("*")):
            name = str(path.relative_to(TOP))
            if path.suffix in (".c", ".cc") and name not in known:
                yield lone(name)
    # The public headers alone.
    for path in sorted((TOP / "include").glob("*.h*")):
        name = str(path.relative_to(TOP))
        if path.suffix == ".h":
            yield Source(name, ("-std=c11", "-Iinclude"), "c")
        yield Source(name, ("-std=c++11", "-Iinclude"), "c++")


def sources(build):
    made = list(of_make(build))
    return [*made, *others({source.path for source in made})]
