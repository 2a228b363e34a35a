# SPDX-License-Identifier: MIT
"""The Python package: the probes are those of C, a consumer is counted as it counts itself, pip
works.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

import contract
import test_property
from agent import Agent
from driver import Driver, copy_new, listen
from program import PROGS, ROOT, Program, run
from python_package import EXTENSION, PACKAGE, assert_counted, needs_headers

from test_semantics import *  # noqa: F401,F403 - they run here, with the scene below

# The interpreter's first thread is the process's, and ends it.
del test_a_process_without_its_first_thread_is_watched_all_the_same  # noqa: F821
# It has no timers, which hold up the last thread there.
del test_the_memory_is_read_while_a_thread_has_it  # noqa: F821
# Nobody writes over a step: it ends when it is freed.
del test_a_new_instance_at_the_same_address_abandons_the_old_one  # noqa: F821

pytestmark = needs_headers


# ---- One contract ----


class PythonDriver(Driver):
    """Its steps are pushback.Step objects. `file` is the extension module that it uses."""

    def __init__(self, directory, library=False, prefix=()):
        self.directory = directory
        self.file = directory / "driver"
        self.library_file = directory / "driver_library.so"
        package = directory / "pushback"
        if not self.file.exists():
            shutil.copytree(PACKAGE / "pushback", package)
            copy_new(EXTENSION, self.file)
            os.unlink(package / EXTENSION.name)
            os.link(self.file, package / EXTENSION.name)
            copy_new(PROGS / "driver_library.so", self.library_file)
        path, listening = listen(directory)
        tools = {"PYTHONPATH": str(directory), "PUSHBACK_STAPSDT": str(ROOT / "tests/header")}
        script = ROOT / "tests/progs/python_driver.py"
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-B", script, path],
            stdin=subprocess.DEVNULL,
            env=os.environ | tools,
        )
        self._meet(path, listening)
        self.has_library = False

    def fork(self):
        child = super().fork()
        child.__class__ = PythonDriver
        return child

    def dlopen(self):
        """It has no library."""


class PythonSchedule(test_property.Schedule):
    def reuse(self, process, place):
        """The old instance ends when its object goes: it is told to before."""
        self.calls(process, place, [("end", place, 0)])
        self.init(process, place, self.new_name())


@pytest.fixture(name="scene")
def a_scene(tmp_path, monkeypatch):
    with contract.a_scene(tmp_path, monkeypatch, PythonDriver) as scene:
        yield scene


def test_random_schedules(monkeypatch):
    contract.check_schedules(monkeypatch, PythonDriver, PythonSchedule)


# ---- As a package ----


QUICK = os.environ | {"CFLAGS": "-O0", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.skipif(not importlib.util.find_spec("pip"), reason="no pip (Debian: python3-pip)")
def test_pip_installs_it_offline(tmp_path):
    """Without a network, an index, or a package to build with; and it leaves the tree as it was."""
    source = ROOT / "include/python"
    before = sorted(source.rglob("*"))
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-index",
        "--target",
        tmp_path,
        source,
    ]
    done = run("unshare", "-n", *command, cwd="/", env=QUICK, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    code = "import pushback; print(pushback.__file__, pushback.Step('x'))"
    done = run(sys.executable, "-c", code, env=QUICK | {"PYTHONPATH": str(tmp_path)}, cwd="/")
    assert done.stdout == f"{tmp_path}/pushback/__init__.py <pushback.Step 'x'>\n", done.stderr
    contract.check_probes(tmp_path / "pushback" / EXTENSION.name)
    assert sorted(source.rglob("*")) == before


def test_an_sdist_has_the_header(tmp_path):
    code = "import sys; sys.path.insert(0, sys.argv[1]); import backend; backend.build_sdist('.')"
    done = run(sys.executable, "-c", code, ROOT / "include/python", cwd=tmp_path, env=QUICK)
    assert done.returncode == 0, done.stderr
    (made,) = tmp_path.iterdir()
    run("tar", "xzf", made, cwd=tmp_path)
    unpacked = tmp_path / "pushback-0.1"
    done = run(sys.executable, unpacked / "backend.py", tmp_path / "built", env=QUICK)
    assert done.returncode == 0, done.stderr
    assert (unpacked / "PKG-INFO").read_text().startswith("Metadata-Version")
    assert (tmp_path / "built/pushback" / EXTENSION.name).exists()


def test_subinterpreters():
    """Several, one after the other and within each other, in a process of their own."""
    code = """
import sys, _xxsubinterpreters as interpreters, pushback
inner = '''
import pushback
class Strategy:
    def submit(self, message): return message
    poll = close = terminate = join = lambda self: None
step = pushback.observe(Strategy(), "inner")
step.submit(1), step.poll(), step.close(), step.join()
'''
class Strategy:
    def submit(self, message):
        for _ in range(3):
            one = interpreters.create(isolated=False)
            interpreters.run_string(one, inner)
            interpreters.destroy(one)
    poll = close = terminate = join = lambda self: None
step = pushback.observe(Strategy(), "outer")
step.submit(1), step.poll()
print("ok")
"""
    done = run(sys.executable, "-c", code, env=os.environ | {"PYTHONPATH": str(PACKAGE)})
    if "No module named '_xxsubinterpreters'" in done.stderr:
        pytest.skip("this Python shows no subinterpreters")
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


@pytest.mark.skipif(not importlib.util.find_spec("mypy"), reason="no mypy")
def test_types(tmp_path):
    """What mypy makes of it, of right and of wrong uses."""
    (tmp_path / "use.py").write_text(
        """
from typing import Optional
import pushback
from pushback import Outcome, Step, observe

class Sink:
    full = False
    def submit(self, message: bytes) -> None: ...
    def poll(self) -> None: ...
    def close(self) -> None: ...
    def terminate(self) -> None: ...
    def join(self, timeout: Optional[float] = None) -> None: ...

sink = observe(Sink(), "sink", ready=lambda sink: not sink.full)
reveal_type(sink)
step = Step("x")
step.submit_return(Outcome.REJECTED)
step.submit_return(pushback.ACCEPTED)
step.depth(1, capacity=2)
sink.submit("text")  # wrong
observe(object(), "object")  # wrong
step.submit_return("1")  # wrong
"""
    )
    done = run(
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--cache-dir=/dev/null",
        "use.py",
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": str(PACKAGE)},
    )
    wrong = {int(n) for n in re.findall(r"^use.py:(\d+): error", done.stdout, re.M)}
    lines = (tmp_path / "use.py").read_text().splitlines()
    assert wrong == {n for n, line in enumerate(lines, 1) if "# wrong" in line}, done.stdout
    assert 'Revealed type is "use.Sink"' in done.stdout


# ---- A consumer of the real shape ----

def a_copy(directory):
    """The package in files of its own: only who is told of them watches."""
    shutil.copytree(PACKAGE / "pushback", directory / "pushback")
    return directory / "pushback" / EXTENSION.name


def test_a_consumer_as_the_framework_has_them(tmp_path):
    """Five strategies, a rebalance: what the agent counted is what the strategies' own code did."""
    extension = a_copy(tmp_path)
    script = ROOT / "tests/progs/streams_consumer.py"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    with Agent("--path", extension, interval="300ms") as agent:
        command = [sys.executable, "-B", script, "2"]
        with Program(command, output="stdout", env=environment) as consumer:
            consumer.wait_line("^ready")
            consumer.say("go")
            truth = json.loads(consumer.wait_line("^{.*}$")[0])
            agent.end()
            consumer.say("done")
            assert consumer.wait() == 0
    assert_counted(agent, truth)
    assert agent.lost() == {}
    # It was what it is meant to be.
    assert truth["filter"]["propagated"] > 20 and truth["batch"]["propagated"] > 20
    assert "send_rejections" not in truth["filter"] and "send_rejections" not in truth["batch"]
    for name in ("decode", "transform", "sink"):
        assert truth[name]["send_rejections"] > 20 and truth[name]["send_episodes"] > 20
    assert {step["instances"] for step in truth.values()} == {2}
    for step, next_step in zip(list(truth.values()), list(truth.values())[1:]):
        assert step["forwarded"] == next_step["accepted"]
