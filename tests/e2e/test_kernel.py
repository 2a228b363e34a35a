# SPDX-License-Identifier: MIT
"""What this kernel cannot do is said, by each verb alike, and nothing of it is left.

What is right comes from the kernel's own types. On the machine that this is written on nothing is missing;
`make test-kernels` runs it where something is.
"""

import json
import shutil

import pytest

from kernel import has
from program import DEMO, PUSHBACK, run

# {what it is called: (whether this kernel has it, the first Linux that does)}
USED = {
    "bpf_get_current_task_btf": (has("BPF_FUNC_get_current_task_btf"), "5.11"),
    # Where its verifier has a function for the only atomic instruction that there was.
    "compare-and-swap in BPF": (not has("check_xadd"), "5.12"),
    "bpf_get_attach_cookie": (has("BPF_FUNC_get_attach_cookie"), "5.15"),
}
OF_RECIPES = {"bpf_loop": (has("BPF_FUNC_loop"), "5.17")}
RECIPE = "[target]\npath = {}\n[step]\nsubmit = symbol main\ninstance = none\nresult = s32 return\naccepted = 0\nrejected = 1\n"


def missing(features):
    return {name: since for name, (there, since) in features.items() if not there}


LACKS, LACKS_FOR_RECIPES = missing(USED), missing(USED | OF_RECIPES)


@pytest.fixture
def consumer(tmp_path):
    return shutil.copy(DEMO, tmp_path / "demo")


def doctor(*options):
    """(status, {check: finding})"""
    done = run(PUSHBACK, "doctor", "--json", *options)
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {f["check"]: f for f in findings}


def check_said(text, lacks):
    for name, since in lacks.items():
        assert f"{name} (Linux {since})" in text, text
    for name in set(USED | OF_RECIPES) - set(lacks):
        assert name not in text, text


def test_doctor_tells_what_is_missing():
    status, found = doctor()
    level = "failure" if LACKS else "warning" if LACKS_FOR_RECIPES else "ok"
    assert found["bpf"]["level"] == level, found["bpf"]
    check_said(found["bpf"]["fact"], LACKS or LACKS_FOR_RECIPES)
    assert found["self_test"]["level"] == ("failure" if LACKS else "ok"), found["self_test"]
    check_said(found["self_test"]["fact"], LACKS)
    assert status == (3 if LACKS else 0)


VERBS = [
    ("run", "--once", "--interval", "100ms", "--statsd", "udp://127.0.0.1:9", "--socket", "none"),
    ("top", "--once", "--interval", "2500ms"),
    ("trace", "--duration", "100ms"),
    ("graph", "--for", "2500ms"),
    ("check", "--for", "2500ms", "--max-full", "99%"),
]


@pytest.mark.parametrize("verb", VERBS, ids=[verb[0] for verb in VERBS])
def test_each_verb_says_the_same(consumer, verb):
    done = run(PUSHBACK, *verb, "--path", consumer)
    if not LACKS:
        # Nobody runs the file: a limit that nothing can break or hold has failed.
        assert done.returncode == (verb[0] == "check"), done.stderr
        return
    assert done.returncode == 3 and done.stderr.count("\n") == 1, done.stderr
    check_said(done.stderr, LACKS)


def test_recipes(tmp_path, consumer):
    recipe = tmp_path / "recipe.ini"
    recipe.write_text(RECIPE.format(consumer))
    done = run(PUSHBACK, "trace", "--recipe", recipe, "--path", consumer, "--duration", "100ms")
    if not LACKS_FOR_RECIPES:
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 3 and done.stderr.count("\n") == 1, done.stderr
    check_said(done.stderr, LACKS_FOR_RECIPES)


def test_what_needs_no_bpf(consumer):
    """The file's probes are read wherever it is."""
    done = run(PUSHBACK, "list", "--json", consumer)
    assert done.returncode == 0 and sum(json.loads(done.stdout)["probes"].values()) == 4, done
