# SPDX-License-Identifier: MIT
"""`make install` puts all of it where a user looks, and each part works from there; `make uninstall` takes it away."""

import os
import pathlib
import re
import stat
import sys
import tempfile

import pytest

from agent import Agent
from driver import Driver
from program import BUILD, ROOT, run
from rust import cargo
from scene import expect, nothing_lost, one, refuse, refused

NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


def make(goal, *settings, before=()):
    done = run(*before, "make", "-C", ROOT, f"B={BUILD}", goal, *settings, env=os.environ | {"MAKEFLAGS": ""})
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def files(directory):
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}


@pytest.fixture(name="prefix", scope="module")
def a_prefix(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("installed")
    make("install", f"PREFIX={prefix}")
    yield prefix
    make("uninstall", f"PREFIX={prefix}")
    assert files(prefix) == set()
    assert not (prefix / "share/pushback").exists()


@pytest.fixture(name="packages")
def pkg_config(prefix):
    return os.environ | {"PKG_CONFIG_PATH": str(prefix / "share/pkgconfig")}


def test_a_consumer_is_compiled_and_watched(prefix, packages, tmp_path):
    """With what pkg-config says and nothing of the tree's; its counts are exact."""
    flags = run("pkg-config", "--cflags", "pushback", env=packages).stdout.split()
    assert flags == [f"-I{prefix}/include"]
    source = ROOT / "tests/progs/driver.c"
    done = run("gcc", "-D_GNU_SOURCE=", "-g", *flags, source, "-ldl", "-pthread", "-H", "-o", tmp_path / "driver")
    assert done.returncode == 0 and f"{prefix}/include/pushback.h" in done.stderr, done.stderr
    assert str(ROOT / "include") not in done.stderr
    with Driver(tmp_path) as driver:
        agent = Agent("--path", driver.file, "--tag-from", "pid=pid", program=prefix / "bin/pushback")
        driver.init(0, "step")
        with agent:
            told = [refuse(driver) for _ in range(3)]
            agent.end()
            expect(one(agent), *[refused(*episode) for episode in told], submit_accepted=len(told))
            nothing_lost(agent)


def test_versions_agree(prefix, packages):
    version = re.search(r"^VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.M)[1]
    assert run("pkg-config", "--modversion", "pushback", env=packages).stdout.strip() == version
    assert run(prefix / "bin/pushback", "--version").stdout.strip() == f"pushback {version}"


def test_the_headers_are_whole(prefix, tmp_path):
    (tmp_path / "all.cc").write_text("#include <pushback.hpp>\n#include <pushback_abi.h>\n")
    assert run("g++", "-std=c++11", f"-I{prefix}/include", "-fsyntax-only", tmp_path / "all.cc").returncode == 0


def test_the_unit_names_what_is_installed(prefix):
    text = (prefix / "lib/systemd/system/pushback.service").read_text()
    assert re.search(r"^ExecStart=(\S+) ", text, re.M)[1] == f"{prefix}/bin/pushback"
    settings = re.search(r"^EnvironmentFile=-(\S+)$", text, re.M)[1]
    assert settings == f"{prefix}/etc/default/pushback"
    assert os.path.exists(settings)
    done = run("systemd-analyze", "verify", "--man=no", prefix / "lib/systemd/system/pushback.service")
    assert done.returncode == 0 and done.stderr == ""


def test_each_page_and_completion_is_there(prefix):
    def names(directory):
        return {path.name for path in directory.iterdir()}

    assert names(prefix / "share/man/man1") == names(BUILD / "man") == names(ROOT / "tools/man") - {"fill.awk"}
    shells = {"bash": "bash-completion/completions", "zsh": "zsh/site-functions", "fish": "fish/vendor_completions.d"}
    for shell, where in shells.items():
        assert names(prefix / "share" / where) == names(BUILD / "completion" / shell)


def test_all_may_be_read_and_programs_run(prefix):
    for name in files(prefix):
        mode = stat.S_IMODE((prefix / name).stat().st_mode)
        assert mode == (0o755 if name.startswith("bin/") else 0o644), name


def test_pip_installs_the_python_package(prefix, tmp_path):
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--target", tmp_path, prefix / "share/pushback/python"]
    done = run(*command, cwd="/", env=os.environ | {"CFLAGS": "-O0", "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    done = run(sys.executable, "-B", "-c", "import pushback; print(pushback.Step('x'))", cwd="/", env={"PYTHONPATH": str(tmp_path)})
    assert done.stdout == "<pushback.Step 'x'>\n", done.stderr


def test_cargo_takes_the_crate(prefix, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "Cargo.toml").write_text(
        '[package]\nname = "one"\nversion = "0.0.0"\nedition = "2021"\n'
        f'[dependencies]\npushback = {{ path = "{prefix}/share/pushback/rust" }}\n'
    )
    (tmp_path / "src/main.rs").write_text("fn main() { let _ = pushback::Outcome::Accepted; }\n")
    cargo("check", where=tmp_path, CARGO_TARGET_DIR=str(tmp_path / "target"))


# ---- Staging ----


def test_staged_without_root():
    """By another user than who built it, and what says where it lies says where it will."""
    with tempfile.TemporaryDirectory(prefix="pb-stage-", dir="/tmp") as directory:
        stage = pathlib.Path(directory)
        os.chown(stage, NOBODY, NOBODY)
        settings, unit = (f"DESTDIR={stage}", "PREFIX=/usr"), "usr/lib/systemd/system/pushback.service"
        make("install", *settings, before=AS_NOBODY)
        assert all(name.startswith("usr/") or name == "etc/default/pushback" for name in files(stage))
        assert str(stage) not in (stage / "usr/share/pkgconfig/pushback.pc").read_text()
        assert (stage / unit).read_text() == (ROOT / "tools/systemd/pushback.service").read_text()
        make("uninstall", *settings, before=AS_NOBODY)
        assert files(stage) == set()


def test_settings_of_an_administrator_stay(tmp_path):
    setting = tmp_path / "etc/default/pushback"
    make("install", f"PREFIX={tmp_path}")
    setting.write_text("PUSHBACK_OPTIONS=\n")
    make("install", f"PREFIX={tmp_path}")
    make("uninstall", f"PREFIX={tmp_path}")
    assert files(tmp_path) == {"etc/default/pushback"}
    assert setting.read_text() == "PUSHBACK_OPTIONS=\n"
