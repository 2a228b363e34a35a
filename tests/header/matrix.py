# SPDX-License-Identifier: MIT
"""
Builds the header in all the ways that users build, runs each program and reads its notes.

    python3 tests/header/matrix.py [--full] [--jobs N] [PART-OF-A-NAME...]
    python3 -m pytest tests/header/matrix.py

A tool that is not there is a skip with its reason. --full is the whole product of compiler,
optimisation, linker, link-time optimisation, section collection and kind of executable.
"""
import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from stapsdt import Elf  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
INCLUDES = ["-I", ROOT / "include", "-I", ROOT / "tests/unit/support", "-I", HERE]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
MORE_WARNINGS = ("-Wconversion -Wsign-conversion -Wshadow -Wundef -Wcast-qual -Wcast-align -Wvla "
                 "-Wredundant-decls -Wwrite-strings -Wmissing-declarations -Wswitch-enum -Wformat=2 "
                 "-Wdouble-promotion").split()
PROBES = ["forward_return", "poll_return", "step_end", "submit_return"]
KINDS = {
    "pie": (["-fPIE"], ["-pie"]),
    "no-pie": (["-fno-pie"], ["-no-pie"]),
    "static": (["-fno-pie"], ["-static"]),
    "static-pie": (["-fPIE"], ["-static-pie"]),
    "dlopen": (["-fPIE"], ["-pie"]),
}
LINKERS = ["bfd", "gold", "lld", "mold"]
COLLECT = (["-ffunction-sections", "-fdata-sections"], ["-Wl,--gc-sections"])
CROSS = "aarch64-linux-gnu"


class Skip(Exception):
    pass


@dataclass(frozen=True)
class Build:
    compiler: str = "gcc"
    optimise: str = "-O2"
    linker: str = "bfd"
    lto: str = ""
    collect: bool = False
    kind: str = "pie"
    std: str = ""
    extra: tuple = ()
    partial: bool = False  # through `ld -r`
    arm: bool = False

    @property
    def name(self):
        parts = [self.compiler, self.optimise, self.linker, self.lto, self.kind, self.std, *self.extra]
        flags = [text for text in ("collect", "partial", "arm") if getattr(self, text)]
        return " ".join([part for part in parts if part] + flags)

    @property
    def plus(self):
        return self.compiler.endswith("++")

    def tool(self):
        cross = self.arm and not self.compiler.startswith("clang")
        command = [f"{CROSS}-{self.compiler}" if cross else self.compiler]
        if self.arm and not cross:
            command.append(f"--target={CROSS}")
        return command + (["-x", "c++"] if self.plus else [])

    def needs(self):
        linker = f"{CROSS}-ld" if self.arm and self.linker == "bfd" else \
            "mold" if self.linker == "mold" else f"ld.{self.linker}"
        for program in [self.tool()[0], linker] + (["qemu-aarch64"] if self.arm else []):
            if not shutil.which(program):
                raise Skip(f"no {program}")


def run(command, **more):
    command = [str(word) for word in command]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120, **more)
    assert done.returncode == 0, f"{' '.join(command)}\n-> {done.returncode}\n{done.stdout}"
    return done.stdout


class Objects:
    """Many builds differ only in how they link: what the same command makes is made once."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="pushback-matrix-")
        self.made = {}
        self.lock = threading.Lock()

    def get(self, command):
        """The object of a command that lacks only `-o OBJECT`."""
        key = tuple(map(str, command))
        with self.lock:
            lock, path = self.made.setdefault(
                key, (threading.Lock(), Path(self.directory.name, f"{len(self.made)}.o")))
        with lock:
            if not path.exists():
                part = path.with_suffix(".part")
                run([*command, "-o", part])
                part.rename(path)
        return path


OBJECTS = Objects()


def compile_and_link(build, directory):
    """Returns the program, and the shared library if the kind has one."""
    to_compile, to_link = KINDS[build.kind]
    flags = [build.optimise, *build.lto.split(), *build.extra, *WARNINGS, *INCLUDES]
    if build.std:
        flags.append(f"-std={build.std}")
    if build.collect:
        flags += COLLECT[0]
    link = [f"-fuse-ld={build.linker}"] + (COLLECT[1] if build.collect else [])

    def objects(names, more):
        return [OBJECTS.get(build.tool() + flags + more + ["-c", HERE / f"{name}.c"]) for name in names]

    def linked(made, more, out):
        language = ["-x", "none"] if build.plus else []
        run(build.tool() + flags + language + link + more + made + ["-o", directory / out])
        return directory / out

    parts = objects(["second", "unused"], to_compile)
    if build.partial:
        linker = "mold" if build.linker == "mold" else f"ld.{build.linker}"
        run([linker, "-r", *parts, "-o", directory / "parts.o"])
        parts = [directory / "parts.o"]
    program = linked(objects(["program"], to_compile) + parts, to_compile + to_link, "program")
    if build.kind != "dlopen":
        return [program]
    return [program, linked(objects(["plugin", "second", "unused"], ["-fPIC"]),
                            ["-fPIC", "-shared"], "plugin.so")]


def check_notes(path, allow_equal):
    """
    Four live sites, one semaphore; returns what else there is, by reason. Dead notes: none of these
    linkers leaves one. Equal notes: lld with -flto=thin writes those of each unit, all of one site.
    """
    notes = list(Elf(path).notes())
    live = sorted({note for note in notes if not note.dead})
    said = "\n".join(map(str, notes))
    assert sorted(note.probe for note in live) == PROBES, said
    assert len({note.pc for note in live}) == 4, said
    assert len({note.semaphore for note in live}) == 1, said
    for note in live:
        assert len(note.arguments.split()) == 6, said
    equal = len(notes) - len(live)
    assert not [note for note in notes if note.dead], said
    assert not equal or allow_equal, said
    return equal


def do_build(build):
    build.needs()
    with tempfile.TemporaryDirectory(prefix="pushback-matrix-") as made:
        files = compile_and_link(build, Path(made))
        equal = sum(check_notes(path, build.lto == "-flto=thin") for path in files)
        emulator = ["qemu-aarch64", "-cpu", "max", "-L", f"/usr/{CROSS}"] if build.arm else []
        assert run(emulator + files).splitlines()[-1] == "ok"
    return f"{equal} repeated notes" if equal else ""


# ---- What is built ----

def essential():
    compilers = ["gcc", "clang", "g++", "clang++"]
    levels = ["-O0", "-O1", "-O2", "-O3", "-Os"]
    for compiler, level in itertools.product(compilers, levels):
        yield Build(compiler, level, kind="dlopen" if level in ("-O0", "-O2") else "pie")
    for linker, collect, compiler in itertools.product(LINKERS, [False, True], ["gcc", "clang"]):
        for kind in ["dlopen", "static"]:
            yield Build(compiler, linker=linker, collect=collect, kind=kind)
    for linker in LINKERS:
        yield Build("gcc", linker=linker, kind="no-pie")
        if linker != "gold":
            yield Build("gcc", linker=linker, kind="static-pie", collect=True)
        if linker != "mold":  # mold -r 1.10 dies in an assertion of its own
            yield Build("gcc", linker=linker, partial=True, collect=True)
    for collect in [False, True]:
        for linker in ["bfd", "gold", "mold"]:
            yield Build("gcc", linker=linker, lto="-flto", collect=collect, kind="dlopen")
        yield Build("gcc", lto="-flto -flto-partition=max", collect=collect)
        yield Build("g++", lto="-flto -ffat-lto-objects", collect=collect)
        for lto in ["-flto=thin", "-flto=full"]:
            yield Build("clang", linker="lld", lto=lto, collect=collect, kind="dlopen")
            yield Build("clang++", linker="lld", lto=lto, collect=collect, optimise="-O3")
    yield Build("gcc", "-O0", lto="-flto")
    yield Build("clang", "-O0", linker="lld", lto="-flto=full")
    for std in ["c11", "gnu11", "c17", "gnu17", "c2x"]:
        yield Build("gcc", std=std)
        yield Build("clang", std=std)
    for std in ["c++11", "c++14", "c++17", "c++20", "gnu++20"]:
        yield Build("g++", std=std)
        yield Build("clang++", std=std)
    for compiler in ["gcc", "clang++"]:
        for extra in [("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
                      ("-fsanitize=thread",), ("-fcf-protection=full",), ("-mno-red-zone",),
                      ("-g3",), ("-fno-plt", "-fvisibility=hidden"), ("-fno-builtin",),
                      ("-march=x86-64-v3", "-ftrivial-auto-var-init=zero"),
                      ("-fstack-protector-all", "-D_FORTIFY_SOURCE=2")]:
            if "-ftrivial-auto-var-init=zero" in extra and compiler != "gcc":
                extra = extra[:1]
            yield Build(compiler, extra=extra, kind="dlopen")
    yield Build("clang", extra=("-fsanitize=memory", "-fno-omit-frame-pointer"))
    for compiler in ["gcc", "g++"]:
        for level in ["-O0", "-O2", "-O3"]:
            yield Build(compiler, level, arm=True, kind="dlopen")
        yield Build(compiler, arm=True, kind="static", collect=True)
    yield Build("gcc", arm=True, extra=("-mbranch-protection=standard",))
    yield Build("gcc", arm=True, extra=("-mno-outline-atomics",), lto="-flto")
    yield Build("clang", arm=True, linker="lld", kind="dlopen")
    yield Build("clang", arm=True, linker="lld", lto="-flto=full", collect=True)
    yield Build("clang++", arm=True, linker="bfd", collect=True)


def possible(build):
    """Combinations that the tools themselves do not have."""
    if build.lto and "clang" in build.compiler and build.linker not in ("lld", "gold"):
        return False  # needs LLVM's plugin in the linker's place
    if build.lto and "g" in build.compiler and build.linker == "lld" and "clang" not in build.compiler:
        return False  # lld does not read gcc's intermediate code
    return not (build.kind == "static-pie" and build.linker == "gold")


def full():
    for compiler, level, linker, lto, collect, kind in itertools.product(
            ["gcc", "clang", "g++", "clang++"], ["-O0", "-O1", "-O2", "-O3", "-Os"], LINKERS,
            ["", "-flto", "-flto=thin"], [False, True], KINDS):
        build = Build(compiler, level, linker, lto, collect, kind)
        if (lto != "-flto=thin" or "clang" in compiler) and possible(build):
            yield build


# ---- The headers by themselves ----

def alone():
    for header, (compiler, std) in itertools.product(
            ["pushback.h", "pushback_abi.h"],
            [("gcc", "c11"), ("clang", "c11"), ("gcc", "c2x"), ("g++", "c++11"), ("clang++", "c++11"),
             ("g++", "c++20"), ("clang++", "c++20")]):
        yield header, compiler, std
    for compiler, std in itertools.product(["g++", "clang++"], ["c++11", "c++20"]):
        yield "pushback.hpp", compiler, std


def do_alone(header, compiler, std):
    """Copied elsewhere with nothing else, and only it included; then the user's code that calls all."""
    if not shutil.which(compiler):
        raise Skip(f"no {compiler}")
    more = [] if header == "pushback_abi.h" else list(MORE_WARNINGS)
    end = ".cc" if header == "pushback.hpp" else ".c"
    more += (["-Wstrict-prototypes", "-Wmissing-prototypes"] if std[:3] != "c++" else
             ["-Wold-style-cast"] + (["-Wuseless-cast"] if compiler == "g++" else [])
             if header != "pushback_abi.h" else [])
    more += ["-fno-exceptions", "-fno-rtti"] if std == "c++20" else []
    language = ["-x", "c++" if std.startswith("c++") else "c", f"-std={std}"]
    with tempfile.TemporaryDirectory(prefix="pushback-matrix-") as made:
        shutil.copy(ROOT / "include/pushback.h", made)
        if header != "pushback.h":
            shutil.copy(ROOT / "include" / header, made)
        Path(made, f"alone{end}").write_text(f'#include "{header}"\nint alone(void);\n'
                                         "int alone(void)\n{\n\treturn 0;\n}\n")
        shutil.copy(HERE / f"user{end}", made)
        for source, level in itertools.product([f"alone{end}", f"user{end}"], ["-O0", "-O2"]):
            run([compiler, *language, level, *WARNINGS, "-pedantic-errors", *more, "-c", source, "-o",
                 "out.o"], cwd=made)
    return ""


def do_long_name(compiler):
    """A static name that does not fit must not compile; the longest one must."""
    if not shutil.which(compiler):
        raise Skip(f"no {compiler}")
    for length, fits in [(127, True), (128, False), (129, False)]:
        source = f'#include "pushback.h"\nstruct pushback_step s = PUSHBACK_STEP_INIT("{"n" * length}");\n'
        done = subprocess.run([compiler, "-x", "c++" if "++" in compiler else "c", "-fsyntax-only",
                               *map(str, INCLUDES), "-"], input=source, text=True, capture_output=True,
                              check=False)
        assert (done.returncode == 0) == fits, f"{length}: {done.stderr}"
    return ""


def jobs(everything):
    seen = set()
    for build in full() if everything else essential():
        if build not in seen:
            seen.add(build)
            yield build.name, lambda build=build: do_build(build)
    for header, compiler, std in alone():
        yield f"{header} alone, {compiler} {std}", lambda a=(header, compiler, std): do_alone(*a)
    for compiler in ["gcc", "clang", "g++", "clang++"]:
        yield f"long names, {compiler}", lambda c=compiler: do_long_name(c)


def outcome(job):
    try:
        return "ok", job()
    except Skip as reason:
        return "SKIP", str(reason)
    except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
        # So does any static C++ program that gold collects sections of and that has a destructor.
        if "libstdc++.a(eh_throw.o)(.note.stapsdt" in str(error):
            return "SKIP", "gold refuses a note of libstdc++'s own"
        return "FAIL", str(error)


def run_all(everything=False, count=2, wanted=(), tell=lambda *_: None):
    chosen = [(name, job) for name, job in jobs(everything)
              if not wanted or any(word in name for word in wanted)]
    results = {}
    with ThreadPoolExecutor(count) as pool:
        for (name, _), (what, text) in zip(chosen, pool.map(outcome, [job for _, job in chosen])):
            results[name] = what, text
            tell(name, what, text)
    return results


@pytest.fixture(scope="module")
def results():
    return run_all(count=os.cpu_count() or 1)


@pytest.mark.parametrize("name", [name for name, _ in jobs(False)])
def test_build(results, name):
    what, text = results[name]
    if what == "SKIP":
        pytest.skip(text)
    assert what == "ok", text


def main():
    parser = argparse.ArgumentParser(description="builds the probe header in many ways")
    parser.add_argument("--full", action="store_true", help="the whole product, some 900 builds")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("wanted", nargs="*", metavar="PART", help="only builds with this in their name")
    options = parser.parse_args()
    results = run_all(options.full, options.jobs, options.wanted,
                      lambda name, what, text: print(f"  {what:4} {name}{': ' if text else ''}{text}",
                                                     flush=True))
    tally = [what for what, _ in results.values()]
    print(f"matrix: {tally.count('ok')} ok, {tally.count('SKIP')} skipped, {tally.count('FAIL')} failed")
    return 1 if "FAIL" in tally or not tally else 0


if __name__ == "__main__":
    sys.exit(main())
