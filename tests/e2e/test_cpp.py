# SPDX-License-Identifier: MIT
"""pushback.hpp: what its classes do, and that the probes of C++ are those of C."""

import re
import shutil

import pytest

import contract
from driver import Driver, copy_new
from program import PROGS, ROOT, run

from test_semantics import *  # noqa: F401,F403 - they run here, with this scene:

DRIVER, LIBRARY = PROGS / "driver_cpp", PROGS / "driver_cpp_library.so"
FLAGS = (
    "-Wall -Wextra -Wpedantic -pedantic-errors -Werror -Wold-style-cast -Wconversion "
    "-Wsign-conversion -Wshadow -Wundef -Wcast-qual -Wcast-align"
).split()

pytestmark = pytest.mark.skipif(not shutil.which("g++"), reason="no g++")


class CppDriver(Driver):
    """Its steps, and those of its library, are pushback::step objects."""

    def __init__(self, directory, library=False, prefix=()):
        if not (directory / "driver").exists():
            copy_new(DRIVER, directory / "driver")
            copy_new(LIBRARY, directory / "driver_library.so")
        super().__init__(directory, library, prefix)


@pytest.fixture(name="scene")
def a_scene(tmp_path, monkeypatch):
    with contract.a_scene(tmp_path, monkeypatch, CppDriver) as scene:
        yield scene


@pytest.mark.parametrize(
    "how",
    [
        "g++ -std=c++11 -O2",
        "g++ -std=c++17 -O0 -fsanitize=address,undefined",
        "clang++ -std=c++20 -O2 -fno-exceptions -fno-rtti",
    ],
)
def test_guards(how, tmp_path):
    """tests/progs/cpp/guards.cc holds the classes to their manual."""
    command = how.split()
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]}")
    source = ROOT / "tests/progs/cpp/guards.cc"
    done = run(*command, *FLAGS, f"-I{ROOT}/include", source, "-o", tmp_path / "guards")
    assert done.returncode == 0, done.stderr
    done = run(tmp_path / "guards")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


def test_the_manuals_example_compiles():
    """The first class in the header's comment."""
    manual = (ROOT / "include/pushback.hpp").read_text()
    lines = re.search(r"^ \*\tclass transform \{\n.*?^ \*\t\};\n", manual, re.M | re.S).group(0)
    snippet = re.sub(r"^ \*\t?", "", lines, flags=re.M)
    around = "#include <pushback.hpp>\nstruct message;\nstruct sink { bool submit(message &m); };\n"
    snippet = snippet.replace("private:", "private:\n\tmessage *carried_ = nullptr;\n\tsink next_;\n")
    use = "bool use(message &m);\nbool use(message &m)\n{\n\ttransform t;\n\treturn t.submit(m);\n}\n"
    command = ["g++", "-std=c++11", *FLAGS, f"-I{ROOT}/include", "-fsyntax-only", "-x", "c++", "-"]
    done = run(*command, input=around + snippet + use)
    assert done.returncode == 0, done.stderr


def test_random_schedules(monkeypatch):
    contract.check_schedules(monkeypatch, CppDriver)
