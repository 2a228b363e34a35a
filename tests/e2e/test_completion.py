# SPDX-License-Identifier: MIT
"""Each shell completes what the verbs' tables have, and nothing else."""

import os

import pytest

import documented
from documented import VERBS
from shells import SHELLS, start

FILES = ("one.ini", "folder")
VALUES = [(verb, option) for verb in VERBS for option in VERBS[verb][1] if option.completes != "flag"]
TOP = {verb for verb in VERBS if " " not in verb}


@pytest.fixture(name="shell", scope="module", params=SHELLS)
def a_shell(request, tmp_path_factory):
    one = SHELLS[request.param](tmp_path_factory.mktemp(request.param))
    yield one
    one.close()


@pytest.fixture(name="folder", scope="module")
def a_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / FILES[0]).touch()
    (folder / FILES[1]).mkdir()
    return folder


def test_verbs(shell):
    offered = shell.candidates("pushback ")
    assert offered - {"--help", "--version"} == TOP | {"help"}
    assert shell.candidates("pushback --") == {"--help", "--version"}
    assert shell.candidates("pushback help ") == TOP
    assert shell.candidates("pushback nonsense ") == set()


@pytest.mark.parametrize("verb", VERBS)
def test_options(shell, verb):
    within = {inner.split()[1] for inner in VERBS if inner.startswith(verb + " ")}
    assert shell.candidates(f"pushback {verb} -") == set(documented.options(verb))
    if within:
        assert shell.candidates(f"pushback {verb} ") - {"--help"} == within


def is_offered(shell, before, completes, folder):
    """What is known to fit behind `before`."""
    if completes in ("file", "directory"):
        names = {os.path.basename(one.rstrip("/")) for one in shell.candidates(f"{before}{folder}/")}
        assert names == {FILES[1]} | ({FILES[0]} if completes == "file" else set())
    elif completes == "pid":
        pids = shell.candidates(before)
        assert str(os.getpid()) in pids and all(pid.isdigit() for pid in pids)
    elif completes == "duration":
        assert shell.candidates(f"{before}1.5") == {"1.5us", "1.5ms", "1.5s", "1.5m", "1.5h"}
    elif completes.startswith("one:"):
        assert shell.candidates(before) == set(completes.removeprefix("one:").split(","))
    else:
        assert completes in ("text", "percent")
        assert shell.candidates(before) == set()


@pytest.mark.parametrize("verb,option", VALUES, ids=lambda x: x if isinstance(x, str) else x.word)
def test_values(shell, verb, option, folder):
    word = f"{option.word} " if option.word != "-" else ""
    is_offered(shell, f"pushback {verb} {word}", option.completes, folder)


@pytest.mark.parametrize("option", [o for o in VERBS["run"][1] if o.completes != "flag"], ids=lambda o: o.word)
def test_values_behind_an_equals_sign(shell, option, folder):
    is_offered(shell, f"pushback run {option.word}=", option.completes, folder)


def test_given_before(shell):
    """Once is enough, but for what may be given again; behind -- there are only operands."""
    every = set(documented.options("run"))
    assert shell.candidates("pushback run --once --pid 1 --format=statsd -") >= {"--pid", "--tag"}
    assert shell.candidates("pushback run --once --format statsd -") == every - {"--once", "--format"}
    assert shell.candidates("pushback list -- -") == set()


def test_usdt_inject(shell, folder):
    every = set(documented.inject_options()) | {"--version"}
    assert shell.candidates("usdt-inject --") == every
    is_offered(shell, "usdt-inject ", "file", folder)
    is_offered(shell, "usdt-inject -o ", "file", folder)
    is_offered(shell, "usdt-inject -p ", "text", folder)


def test_at_a_terminal(shell, folder):
    """Keys to a line: what is only one is put in, of more than one a list is shown."""
    (shell.home / "my recipe.ini").touch()
    with start(shell) as terminal:
        for typed, completed in [
            ("pushback ru\t--hist\td", "> pushback run --histogram-type d"),
            ("pushback run --format=summ\t", "> pushback run --format=summary"),
            (f"pushback recipe ch\t{folder}/o\t", f"> pushback recipe check {folder}/one.ini"),
            ("pushback recipe check ~/my\t", r"> pushback recipe check ~/my\\ recipe\.ini"),
            ("pushback top --path=~/my\\ r\t", r"> pushback top --path=~/my\\ recipe\.ini"),
            ("usdt-inject --dr\t", "> usdt-inject --dry-run"),
            ("usdt-inject ~/my\t", r"> usdt-inject ~/my\\ recipe\.ini"),
        ]:
            terminal.type(typed)
            terminal.wait_for(f"^{completed}")
            terminal.keys("C-u")
            terminal.keys("C-l")
        terminal.type("pushback run --p\t\t")
        terminal.wait_for(r"--pid\b[\s\S]*--prefix\b")
