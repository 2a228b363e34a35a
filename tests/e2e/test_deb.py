# SPDX-License-Identifier: MIT
"""The Debian packages, made of what is built already: what lintian says, and what is in them.

That they install, run as a service, upgrade and go takes a machine of their own: `make test-packages`.
"""

import os
import re

import pytest

from instrumented import except_by
from program import BUILD, ROOT, run

PACKAGES = ("pushback", "libpushback-dev")


@pytest.fixture(name="debs", scope="module")
def the_packages(tmp_path_factory):
    """The directory that they lie in."""
    where = tmp_path_factory.mktemp("deb")
    settings = [f"B={where}", f"DEB_BUILT={BUILD}"]
    quick = {"MAKEFLAGS": "", "DEB_BUILD_OPTIONS": "noautodbgsym"}
    done = run("make", "-C", ROOT, "deb", *settings, env=os.environ | quick, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return where / "deb"


def deb(debs, name):
    (found,) = debs.glob(f"{name}_*.deb")
    return found


def field(debs, name, what):
    return run("dpkg-deb", "-f", deb(debs, name), what).stdout.strip()


def contents(debs, name):
    """{path: (mode, owner)} of files."""
    lines = (line.split(maxsplit=5) for line in run("dpkg-deb", "-c", deb(debs, name)).stdout.splitlines())
    return {words[5].lstrip("."): (words[0], words[1]) for words in lines if not words[0].startswith("d")}


def script(debs, name, which):
    return run("dpkg-deb", "-I", deb(debs, name), which).stdout


def test_lintian_has_nothing_to_say(debs):
    """Of how they are built as well in `make test-packages`: this one is without Debian's flags."""
    (changes,) = debs.glob("*.changes")
    done = run("lintian", "--allow-root", "--no-cfg", "--fail-on", "error,warning", changes, timeout=180)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_all_that_is_installed_is_in_one_of_them(debs, tmp_path):
    done = run("make", "-C", ROOT, "install", f"B={BUILD}", f"DESTDIR={tmp_path}", "PREFIX=/usr", env=os.environ | {"MAKEFLAGS": ""})
    assert done.returncode == 0, done.stderr
    installed = {f"/{path.relative_to(tmp_path)}" for path in tmp_path.rglob("*") if path.is_file()}
    packed = [re.sub(r"\.gz$", "", path) for name in PACKAGES for path in contents(debs, name) if "/share/doc/" not in path]
    elsewhere = {"/lib/systemd": "/usr/lib/systemd", "/usr/share/zsh/vendor-completions": "/usr/share/zsh/site-functions"}
    moved = []
    for path in packed:
        beginning = next((old for old in elsewhere if path.startswith(old)), None)
        moved.append(elsewhere[beginning] + path.removeprefix(beginning) if beginning else path)
    overrides = {path for path in moved if path.startswith("/usr/share/lintian/")}
    assert len(moved) == len(set(moved)) and set(moved) - overrides == installed


def test_nothing_in_them_is_more_than_a_file(debs):
    """No bit that gives who runs it more than they have, and nobody but root may write."""
    for name in PACKAGES:
        for path, (mode, owner) in contents(debs, name).items():
            expected = "-rwxr-xr-x" if path.startswith("/usr/bin/") else "-rw-r--r--"
            assert (mode, owner) == (expected, "root/root"), path


def test_what_they_say_of_themselves(debs):
    version = re.search(r"^VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.M)[1]
    for name in PACKAGES:
        assert field(debs, name, "Version") == version
    assert script(debs, "pushback", "conffiles").split() == ["/etc/default/pushback"]
    assert field(debs, "libpushback-dev", "Architecture") == "all"
    assert field(debs, "libpushback-dev", "Depends") == ""


@except_by("valgrind", reason="in the programs' place is what runs them")
def test_it_depends_on_what_it_is_linked_with(debs):
    needed = set()
    for program in ("pushback", "usdt-inject"):
        needed |= set(re.findall(r"\(NEEDED\).*\[(lib\w+)", run("readelf", "-d", BUILD / program).stdout))
    named = field(debs, "pushback", "Depends")
    short = {"libncursesw": "libncursesw6", "libtinfo": "libtinfo6", "libz": "zlib1g", "libc": "libc6", "libm": "libc6"}
    assert needed and all(short.get(one, one) in named for one in needed), named


def test_the_service_and_the_pins_are_looked_after(debs):
    assert "restart" in script(debs, "pushback", "postinst")
    assert "pushback unpin --pin-dir /sys/fs/bpf/pushback" in script(debs, "pushback", "prerm")
    assert "rm -rf /sys/fs/bpf/pushback" in script(debs, "pushback", "postrm")
    unit = (ROOT / "tools/systemd/pushback.service").read_text() + (ROOT / "tools/systemd/pushback.default").read_text()
    assert "--pin-dir /sys/fs/bpf/pushback" in unit
