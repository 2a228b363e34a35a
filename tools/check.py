#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The house rules, as a program: formatting, layering, headers alone, lengths, static analysis.

Each rule is a function that yields complaints; a rule that finds nothing has passed. The analysis takes
minutes, and seconds where little has changed since: see tools/analyse.py.
"""
import re
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import analyse

TOP = Path(__file__).resolve().parent.parent
SOURCES = ["bpf", "include", "userspace", "tools", "tests"]
C = (".c", ".h", ".cc", ".hpp")


def files(*suffixes, under=SOURCES):
    for folder in under:
        for path in sorted((TOP / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path


def name(path):
    return str(path.relative_to(TOP))


def run(*command, **options):
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, **options)


def formatting():
    """clang-format agrees."""
    done = run("clang-format", "--dry-run", *(name(p) for p in files(*C)))
    for line in done.stderr.splitlines():
        if "warning:" in line:
            yield line.split(" [")[0]


# Which of userspace's files may include what; everything else may not.
ONLY = {
    r"pushback\.skel\.h": {"attach"},
    r"bpf/\w+\.h": {"attach", "attach_pause", "attach_recipe", "closes", "drain", "drain_delete", "drain_durations", "drain_hists", "drain_keep", "drain_look", "drain_loss", "drain_map", "drain_retire", "drain_whole",
                       "doctor_host", "execs", "function_link", "kernel_lacks", "msg", "multi_link", "pinned"},
    r"dwarf\.h|elfutils/\w+\.h": {"dwarf_arguments", "dwarf_enum", "dwarf_file", "dwarf_internal", "elf_symbols", "elf_unwind"},
    r"cap-ng\.h": {"privilege"},
    r"seccomp\.h": {"syscall_filter"},
    r"(lib)?elf\.h|gelf\.h": {"elfnote", "elf_image", "elf_stapsdt", "elf_symbols", "elf_unwind"},
}
# Pure files: no libbpf, no I/O, no clock.
PURE = r"model(_\w+)?|hist|metrics|verdict|ended|text|top_(rows|merge|order|keys)|"
PURE += r"recorder(_\w+)?|rounds|openmetrics_(text|series|page)|http_request|buffer"
PURE_MAY = {"stdbool.h", "stddef.h", "stdint.h", "stdlib.h", "string.h", "errno.h", "limits.h", "float.h", "math.h",
            "inttypes.h", "uthash.h"}
# Pure ones that make sentences: with snprintf and nothing else of stdio.
SENTENCES = {"verdict", "ended"}
# What faces a consumer's data or the kernel does not print.
SPEAKERS = {"main", "msg", "opts"}


def layering():
    """Arrows go one way (design of the data flow): who may include what."""
    headers = {p.name for p in files(".h", under=["userspace", "include"])}
    for path in files(".c", ".h", under=["userspace"]):
        for include in re.findall(r'^#include [<"]([^>"]+)[>"]', path.read_text(), re.M):
            for pattern, allowed in ONLY.items():
                if re.fullmatch(pattern, include) and path.stem not in allowed:
                    yield f"{name(path)}: may not include {include}: only {', '.join(sorted(allowed))}"
            may = PURE_MAY | ({"stdio.h"} if path.stem in SENTENCES else set())
            if re.fullmatch(PURE, path.stem) and include not in headers and include not in may:
                yield f"{name(path)}: is pure and may not include {include}"
        if re.fullmatch(PURE, path.stem) and re.search(r"\bclock_gettime\b|\btime\(", path.read_text()):
            yield f"{name(path)}: is pure and may not look at a clock"
        more = r"\bFILE\b|\bfopen\(|\b(?!snprintf)\w*(printf|scanf|puts|putc)\("
        if path.stem in SENTENCES and re.search(more, path.read_text()):
            yield f"{name(path)}: is pure and may use nothing of stdio but snprintf"
    for path in files(".c", ".h", under=["bpf", "include"]):
        if re.search(r'#include "(?!pushback|maps\.bpf)', path.read_text()):
            yield f"{name(path)}: the kernel side and the header know nothing of userspace"


def speaking():
    """Only main and cmd_* print; all else returns."""
    for path in files(".c", under=["userspace"]):
        if path.stem in SPEAKERS or path.stem.startswith("cmd_"):
            continue
        # To a stream that the caller gives is no speaking.
        said = r"\b(printf|puts|putchar|perror)\(|\bv?fprintf\(std(out|err)\b|\bfputs\([^;]*\bstd(out|err)\b"
        if re.search(said, path.read_text()):
            yield f"{name(path)}: prints; return instead, or use msg.h"


def headers_alone():
    """Every header compiles alone; the public ones also as C++11 and pedantically."""
    compilers = [("gcc", ["-std=gnu11", "-D_GNU_SOURCE="], "c")]
    public = [("gcc", ["-std=c11"], "c"), ("clang", ["-std=c11"], "c"), ("g++", ["-std=c++11"], "c++"),
              ("clang++", ["-std=c++11"], "c++")]
    flags = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Iinclude", "-Iuserspace",
             f"-I{sysconfig.get_path('include')}", "-O1", "-c", "-o", "/dev/null"]
    for path in files(".h", ".hpp", under=["include", "userspace"]):
        for compiler, standard, language in public if path.parent.name == "include" else compilers:
            if path.suffix == ".hpp" and language == "c":
                continue
            with tempfile.NamedTemporaryFile("w", suffix="." + language.replace("+", "p")) as source:
                source.write(f'#include "{path}"\ntypedef int not_empty;\n')
                source.flush()
                done = run(compiler, *standard, *flags, "-x", language, source.name)
            if done.returncode:
                yield f"{name(path)}: {compiler} {standard[0]}: {done.stderr.splitlines()[0]}"


def lengths():
    """Functions and files are short; the README too."""
    sizes = []
    sources = [name(p) for p in files(*C)]
    done = run("ctags", "-x", "--c-kinds=f", "--c++-kinds=f", "--fields=+ne", "--_xformat=%{input}:%n %N %e", *sources)
    for line in done.stdout.splitlines():
        where, function, end = line.split()
        file, start = where.rsplit(":", 1)
        lines = int(end) - int(start) + 1
        sizes.append(lines)
        if lines > 100:
            yield f"{file}:{start}: {function} has {lines} lines, more than 100"
    sizes.sort()
    if statistics.median(sizes) > 20:
        yield f"the median function has {statistics.median(sizes)} lines, more than 20"
    if sizes[len(sizes) * 9 // 10] > 60:
        yield f"one function in ten has {sizes[len(sizes) * 9 // 10]} lines or more, above 60"
    for path in files(".c", ".cc", ".hpp", under=SOURCES):
        lines = path.read_text().count("\n")
        if lines > 600:
            yield f"{name(path)}: {lines} lines, more than 600"
    readme = (TOP / "README.md").read_text().count("\n")
    if readme > 500:
        yield f"README.md: {readme} lines, more than 500"


def licences():
    """The first lines of every source name its licence."""
    for path in [*files(*C, ".py", ".sh"), TOP / "Makefile", TOP / "tools/need"]:
        if "SPDX-License-Identifier" not in "".join(path.read_text().splitlines(True)[:2]):
            yield f"{name(path)}: no SPDX-License-Identifier in its first two lines"


def clang_tidy():
    """clang-tidy finds nothing, in all C and C++, but for what is listed."""
    yield from analyse.tree(analyse.ClangTidy())


def cppcheck():
    """cppcheck finds nothing, in all C and C++, but for what is listed."""
    yield from analyse.tree(analyse.Cppcheck())


def gcc_analyzer():
    """gcc -fanalyzer finds nothing, in all C, but for what is listed."""
    yield from analyse.tree(analyse.GccAnalyzer())


def scripts():
    """shellcheck finds nothing in what is for shells."""
    for path in [p for folder in [".ci", *SOURCES] for p in sorted((TOP / folder).rglob("*")) if p.is_file()]:
        bash = ["--shell=bash"] if path.parent == TOP / "tools/completion/bash" else []
        with path.open("rb") as file:
            if not bash and not re.fullmatch(rb"#!.*\b(ba)?sh\s*", file.readline()):
                continue
        yield from run("shellcheck", "--format=gcc", *bash, name(path)).stdout.splitlines()


def main():
    rules = [formatting, layering, speaking, headers_alone, lengths, licences, scripts, clang_tidy, cppcheck, gcc_analyzer]
    failed = 0
    for rule in rules:
        complaints = list(rule())
        print(f"  {'FAIL' if complaints else 'PASS':8} {rule.__name__}: {rule.__doc__.splitlines()[0]}", flush=True)
        for complaint in complaints[:20]:
            print(f"           {complaint}")
        if len(complaints) > 20:
            print(f"           and {len(complaints) - 20} more")
        failed += bool(complaints)
    print(f"check: {len(rules) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
