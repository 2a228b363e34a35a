# SPDX-License-Identifier: MIT
"""The Rust crate in all the ways that programs are built: run, and their notes read.

Each build has two crates that use two versions of ours, C with the header where it says so, and a
cdylib of the same kind that it opens at run time. PUSHBACK_TEST_LONG=1 does all of them.
"""

import dataclasses
import functools
import os
import re
import shutil
import subprocess
import sys

import pytest

from program import PROGS, ROOT
from rust import CRATE, SOURCES

sys.path.insert(0, str(ROOT / "tests/header"))
from stapsdt import Elf  # noqa: E402

LONG = os.environ.get("PUSHBACK_TEST_LONG")
HEADER = ROOT / "tests/header"


@dataclasses.dataclass(frozen=True)
class Build:
    """Flags are rustc's, for all crates or for those that are linked."""

    flags: tuple = ("-O",)
    link: tuple = ()
    linker: str = ""  # rustc's own
    with_c: str = ""  # the compiler of an object in C that is linked to it
    plugin: bool = True

    @property
    def name(self):
        c = [f"with {self.with_c}"] if self.with_c else []
        return " ".join([*self.flags, *self.link, self.linker or "default linker", *c])


GCC, CLANG_LTO = "gcc -O2", "clang -O2 -flto=thin"
PLUGIN_LTO = ("-O", "-Clinker-plugin-lto")

FEW = [
    Build(("-Copt-level=0",), plugin=False),
    Build(("-O",), ("-Cstrip=symbols",), "mold", with_c=GCC),
    Build(("-Copt-level=1", "-Cpanic=abort"), ("-Clto=fat",), "lld", plugin=False),
]
ALL = (
    FEW
    + [
        Build((f"-Copt-level={level}",), link, linker, with_c)
        for level, link, with_c in [
            ("0", (), GCC),
            ("1", ("-Clink-dead-code",), ""),
            ("2", ("-Clto=thin",), GCC),
            ("3", ("-Clto=fat",), GCC),
            ("s", ("-Cstrip=symbols",), ""),
        ]
        for linker in ("", "bfd", "gold", "lld", "mold")
    ]
    + [Build(("-O", "-Cpanic=abort", "-Ccodegen-units=1"), (), linker) for linker in ("", "bfd")]
    + [
        Build(PLUGIN_LTO, (), linker, with_c)
        for linker in ("", "lld")
        for with_c in ("", GCC, CLANG_LTO)
    ]
    + [
        Build(("-O", "-Cforce-frame-pointers", "-Ctarget-cpu=native")),
        Build(("-O",), ("-Ctarget-feature=+crt-static",), plugin=False),
        Build(("-O", "-Crelocation-model=static"), plugin=False),
    ]
)


def rustc(directory, *words):
    if not shutil.which("rustc"):
        pytest.skip("no rustc: apt-get install rustc")
    command = ["rustc", "--edition=2021", "--cap-lints=allow", *map(str, words)]
    done = subprocess.run(
        command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if re.search("file format not recognized|Invalid record|Unknown attribute", done.stdout):
        pytest.skip("the linker does not read this rustc's intermediate code")
    assert done.returncode == 0, f"{command}: {done.stdout}"


def linked(build, directory, kind, source, out):
    link = [f"-Clink-arg=-fuse-ld={build.linker}"] if build.linker else []
    if build.with_c:
        subprocess.run(
            build.with_c.split()
            + ["-fPIC", "-ffunction-sections", "-I", ROOT / "include", "-I", HEADER]
            + ["-c", HEADER / "second.c", "-o", directory / "second.o"],
            check=True,
        )
        link += ["--cfg", "with_c", "-Clink-arg=second.o"]
    crates = ["pushback=libpushback1.rlib", "one=libone.rlib", "two=libtwo.rlib"]
    externs = [word for crate in crates for word in ("--extern", crate)]
    words = ["--crate-type", kind, *build.flags, *build.link, *link, *externs, "-L", "."]
    rustc(directory, *words, SOURCES / "link" / source, "-o", out)
    return directory / out


def do_build(build, directory):
    """(program, its plugins)"""
    for n, user in (1, "one"), (2, "two"):
        meta = ["--crate-type=rlib", *build.flags, f"-Cmetadata=v{n}", f"-Cextra-filename={n}"]
        rustc(directory, "--crate-name=pushback", *meta, CRATE / "src/lib.rs", "--out-dir=.")
        meta = ["--crate-type=rlib", *build.flags, "--extern", f"pushback=libpushback{n}.rlib"]
        rustc(directory, f"--crate-name={user}", *meta, SOURCES / "link/layer.rs", "--out-dir=.")
    program = linked(build, directory, "bin", "program.rs", "program")
    if not build.plugin:
        return program, []
    return program, [linked(build, directory, "cdylib", "plugin.rs", "plugin.so")]


@functools.lru_cache
def c_notes():
    """What the C header's object says of its probes."""
    table = Elf(PROGS / "driver").notes()
    return sorted((note.probe, note.arguments) for note in table)


@pytest.mark.parametrize("build", ALL if LONG else FEW, ids=lambda build: build.name)
def test_build(build, tmp_path):
    if build.linker and not (shutil.which(f"ld.{build.linker}") or shutil.which(build.linker)):
        pytest.skip(f"no {build.linker}")
    program, plugins = do_build(build, tmp_path)
    done = subprocess.run([program, *plugins], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("ok\n", 0), done.stderr
    for file in (program, *plugins):
        notes = list(Elf(file).notes())
        assert sorted((note.probe, note.arguments) for note in notes) == c_notes()
        assert [note.dead for note in notes] == [None] * 4
        assert len({note.semaphore for note in notes}) == 1
