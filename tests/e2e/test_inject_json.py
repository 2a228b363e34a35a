# SPDX-License-Identifier: MIT
"""usdt-inject --json: one object, whose keys stay, of each run; it says what the lines say."""

import json
import os

import pytest

from injecting import DONE, PROVIDER, SITE, SOURCES, build, inject

COMMON = {"schema", "file", "action", "machine", "remarks", "written", "size", "error"}


@pytest.fixture(name="original")
def an_original(tmp_path):
    return build("gcc -O2", SOURCES / "work.c", SOURCES / "user.c", "-o", tmp_path / "program")


def told(*options, status=0):
    """The object; nothing else is printed where all is well."""
    done = inject(*options, "--json")
    assert done.returncode == status, done.stderr
    assert done.stderr == "" or status
    assert done.stdout.isascii() and done.stdout.count("\n") == 1
    one = json.loads(done.stdout)
    assert one["schema"] == 1
    more = {"inject": {"sites"}, "list": {"probes"}, "remove": set()}[one["action"]]
    assert set(one) == COMMON | more
    return one


def test_a_dry_run_is_what_is_done(original, tmp_path):
    lines = inject(original, "-p", SITE, "--dry-run").stdout.splitlines()[1:]
    dry = told(original, "-p", SITE, "--dry-run")
    assert (dry["file"], dry["action"], dry["machine"]) == (str(original), "inject", os.uname().machine.replace("_", "-"))
    assert (dry["written"], dry["error"], dry["remarks"]) == (None, None, [])
    for line, site in zip(lines, dry["sites"], strict=True):
        assert line.split() == [
            f"{site['provider']}:{site['name']}",
            *(hex(site[key]) for key in ("address", "offset")),
            *(site[key] for key in ("where", "cost", "instruction", "arguments")),
        ]
        assert site["cost"] in ("emulated", "stepped")
    out = tmp_path / "out"
    done = told(original, "-p", SITE, "-o", out)
    assert done == dry | {"written": str(out)}
    assert done["size"] == out.stat().st_size
    probes = told(out, "--list")["probes"]
    keys = {"provider", "name", "address", "arguments"}
    assert [{k: p[k] for k in keys} for p in probes] == [{k: s[k] for k in keys} for s in done["sites"]]
    assert {p["semaphore"] for p in probes} == {0} and probes[0]["provider"] == PROVIDER


def test_a_removal(original, tmp_path):
    told(original, "-p", SITE, "-o", tmp_path / "out")
    done = told(tmp_path / "out", "--remove", "-o", tmp_path / "back")
    assert (done["action"], done["written"]) == ("remove", str(tmp_path / "back"))
    assert done["size"] == original.stat().st_size
    assert told(original, "--list") == {
        "schema": 1, "file": str(original), "action": "list", "machine": done["machine"],
        "remarks": [], "written": None, "size": None, "error": None, "probes": [],
    }


def test_remarks(original):
    os.link(original, original.with_name("other"))
    done = told(original, "-p", f"{DONE}=passed_on@return", "--replace")
    assert done["remarks"] == [
        "passed_on: 1 return; not covered: 1 tail call (to work)",
        "hard links, 1 in number, keep the old file",
    ]
    assert done["written"] == str(original)


def test_errors(original, tmp_path):
    lines = inject(original, "-p", "a:b=wrok@return", "--dry-run").stderr
    failed = told(original, "-p", "a:b=wrok@return", "--dry-run", status=1)
    assert lines == f"usdt-inject: {original}: {failed['error']}\n"
    assert (failed["sites"], failed["written"], failed["size"]) == ([], None, None)
    assert told(tmp_path / "none", "--list", status=1)["machine"] is None
    assert told(original, "--remove", "--dry-run", status=1)["error"] == "has nothing injected"
    told(original, "-p", "a:b=work@return 8@%eax", "--dry-run", status=2)
    assert inject(original, "--json").stdout == ""


def test_a_name_that_is_no_text(original, tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff\n"
    os.rename(original, name)
    assert told(os.fsdecode(name), "--list")["file"] == str(tmp_path) + "/\ufffd\n"


def test_the_keys_are_in_the_help(original):
    words = inject("--help").stdout.split()
    done = told(original, "-p", SITE, "--dry-run")
    assert set(words) >= COMMON | {"sites", "probes", "semaphore"} | set(done["sites"][0])
