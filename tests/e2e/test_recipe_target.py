# SPDX-License-Identifier: MIT
"""Which file a recipe is for: its path leads to it or names it, whatever the file is called where it is given."""

import json
import os
import re
import shutil

import pytest

from program import PUSHBACK, Program, run
from test_recipe_wrong import build_id, recipe, wrong_program

SEND = ["--socket", "none", "--statsd", "udp://127.0.0.1:9", "--once", "--interval", "100ms"]


@pytest.fixture
def place(tmp_path):
    """real/wrong-1, bin/wrong -> ../real/wrong-1, and beside it a copy."""
    for name in ("real", "bin", "copy"):
        (tmp_path / name).mkdir()
    wrong_program(tmp_path / "real", name="wrong-1")
    (tmp_path / "bin" / "wrong").symlink_to("../real/wrong-1")
    shutil.copy(tmp_path / "real" / "wrong-1", tmp_path / "copy" / "wrong-1")
    return tmp_path


def start(program, *before):
    process = Program([*before, program], output="stdout")
    process.wait_line("ready")
    return process


RECIPES = {
    "itself": "{}/real/wrong-1",
    "a link": "{}/bin/wrong",
    "dots": "{}/bin/../real/./wrong-1",
    "slashes": "{}//real///wrong-1",
    "a glob": "{}/real/*",
}
GIVEN = {
    "absolute": "{}/real/wrong-1",
    "relative": "real/wrong-1",
    "a name": "wrong-1",
    "dots": "./bin/../real//wrong-1",
    "a link": "bin/wrong",
    "through a link": "/proc/self/cwd/real/wrong-1",
}


WAYS = [(path, "relative") for path in RECIPES] + [("a link", given) for given in GIVEN if given != "relative"]


@pytest.mark.parametrize("path, given", WAYS)
def test_a_file_is_the_file_that_it_is(place, path, given):
    file = recipe(place, "symbol good_submit", path=RECIPES[path].format(place))
    here = place / "real" if given == "a name" else place
    done = run(PUSHBACK, "run", *SEND, "--recipe", file, "--path", GIVEN[given].format(place), cwd=here)
    assert done.returncode == 0 and "watching 1 file, 3 sites" in done.stderr, done.stderr


def test_a_check_takes_it_likewise(place):
    file = recipe(place, "symbol good_submit", path=RECIPES["a link"].format(place))
    done = run(PUSHBACK, "recipe", "check", "--json", file, "--path", "real/wrong-1", cwd=place)
    assert done.returncode == 0 and len(json.loads(done.stdout)["sites"]) == 3, done.stderr


@pytest.mark.parametrize("path", RECIPES)
def test_what_only_has_the_same_bytes_is_another_one(place, path):
    file = recipe(place, "symbol good_submit", path=RECIPES[path].format(place))
    done = run(PUSHBACK, "run", *SEND, "--recipe", file, "--path", "copy/wrong-1", cwd=place)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize("path", RECIPES)
def test_a_process_maps_it_whatever_it_was_started_by(place, path):
    file = recipe(place, "symbol good_submit", path=RECIPES[path].format(place))
    with start(place / "bin" / "wrong") as process, start(place / "copy" / "wrong-1") as other:
        done = run(PUSHBACK, "run", *SEND, "--recipe", file, "--pid", process.pid)
        assert done.returncode == 0 and "watching 1 file, 3 sites" in done.stderr, done.stderr
        assert run(PUSHBACK, "run", *SEND, "--recipe", file, "--pid", other.pid).returncode == 1
        # Also by what the kernel keeps of one that is gone.
        os.unlink(place / "real" / "wrong-1")
        if path in ("itself", "a glob"):
            done = run(PUSHBACK, "run", *SEND, "--recipe", file, "--path", f"/proc/{process.pid}/exe")
            assert done.returncode == 0, done.stderr


def test_a_link_leads_where_its_process_sees_it(place):
    """In another mount namespace, where the same path is a link to another file."""
    inside, outside = place / "real", place / "copy"
    shutil.copy(wrong_program(place, "-DNEW", "-O1", name="wrong-2"), outside / "wrong-1")
    (place / "root").mkdir()
    file = recipe(place, "symbol good_submit", path=f"{place}/root/wrong")
    (place / "root" / "wrong").symlink_to(outside / "wrong-1")
    script = f'mount -t tmpfs none {place}/root && ln -s {inside}/wrong-1 {place}/root/wrong && exec "$@"'
    before = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh"]
    with start(place / "root" / "wrong") as ours, start(place / "root" / "wrong", *before) as theirs:
        done = run(PUSHBACK, "recipe", "check", "--json", file, "--duration", "200ms")
        found = {tuple(o["pids"]): o["build_id"] for o in map(json.loads, done.stdout.splitlines())}
        assert found == {
            (ours.pid,): build_id(outside / "wrong-1"),
            (theirs.pid,): build_id(inside / "wrong-1"),
        }
        for process in (ours, theirs):
            assert run(PUSHBACK, "run", *SEND, "--recipe", file, "--pid", process.pid).returncode == 0


@pytest.mark.parametrize(
    "path, why",
    [
        ("bin/wrong", "bin/wrong: a path is as processes map it, from the root on: begin it with a / or"),
        ("./wrong", "begin it with a /"),
        ("/opt/", "/opt/ is a directory: a path is of a file"),
        ("*/../wrong", "what maps calls a file has no . and .. in it"),
        ("/opt/*/.", "what maps calls a file has no . and .. in it"),
    ],
)
def test_paths_that_are_none(place, path, why):
    done = run(PUSHBACK, "recipe", "check", recipe(place, "symbol good_submit", path=path))
    assert done.returncode == 2 and re.search(f"wrong.ini:2: .*{re.escape(why)}", done.stderr), done.stderr
    assert len(done.stderr.splitlines()) == 1
