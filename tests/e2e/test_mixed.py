# SPDX-License-Identifier: MIT
"""One process, two languages, each with probes of its own: watched whole.

tests/progs/mixed_consumer.py drives strategies in Python before and after some in a Rust library, and
keeps its own truth.
"""

import json
import os
import shutil
import sys

import rust
from agent import Agent
from driver import copy_new
from program import PUSHBACK, ROOT, Program, run
from python_package import EXTENSION, PACKAGE, assert_counted, needs_headers
from scene import nothing_lost

pytestmark = needs_headers


CONSUMER = ROOT / "tests/progs/mixed_consumer.py"
PYTHON_STEPS = ["decode", "native", "batch", "sink"]
RUST_STEPS = ["gate", "carry", "border"]


def the_consumer(directory):
    """Started, and waiting. In files of its own: nobody else is watched, nor watches."""
    shutil.copytree(PACKAGE / "pushback", directory / "pushback")
    library = directory / "libnative.so"
    copy_new(rust.build() / "examples/libnative.so", library)
    environment = os.environ | {"PYTHONPATH": str(directory)}
    command = [sys.executable, "-B", CONSUMER, library]
    return Program(command, output="stdout", env=environment)


def listed(pid):
    """{file name: (watched, how many probes)} of the process."""
    done = run(PUSHBACK, "list", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    own = [line for line in lines if line["pid"] == pid]
    return {os.path.basename(o["file"]): (o["watched"], len(o["probes"])) for o in own}


def edges(pid):
    """Whom the steps of the process hand on to."""
    done = run(PUSHBACK, "graph", "--json", "--pid", pid, "--for", "2.5s")
    assert done.returncode == 0, done.stderr
    graphs = [json.loads(line) for line in done.stdout.splitlines()]
    return {(edge["from"], edge["to"]) for graph in graphs for edge in graph["edges"]}


def test_a_process_in_two_languages_is_watched_whole(tmp_path):
    with the_consumer(tmp_path) as consumer:
        consumer.wait_line("^ready")
        with Agent("--pid", consumer.pid, interval="300ms") as agent:
            assert listed(consumer.pid) == {EXTENSION.name: (True, 4), "libnative.so": (True, 4)}
            consumer.say("go")
            seen_edges = edges(consumer.pid)
            consumer.say("rebalance")
            consumer.say("end")
            truth = json.loads(consumer.wait_line("^{.*}$")[0])
            agent.end()
            consumer.say("done")
            assert consumer.wait() == 0
    assert list(truth) == ["decode", "native", *RUST_STEPS, "batch", "sink"]
    assert_counted(agent, truth)
    nothing_lost(agent)
    # What goes in and out at the border is the same on both sides of it.
    assert truth["native"]["accepted"] == truth["gate"]["accepted"]
    assert truth["native"]["forwarded"] == truth["border"]["forwarded"] == truth["batch"]["accepted"]
    # It was what it is meant to be.
    for name in ("decode", "native", "gate", "carry", "sink"):
        assert truth[name]["send_rejections"] > 20 and truth[name]["send_episodes"] > 5, name
    for name in ("gate", "border", "batch"):
        assert truth[name]["propagated"] > 20, name
    assert {step["instances"] for step in truth.values()} == {2}
    # An object knows its own steps: the border is where a chain ends and another one begins.
    chains = (PYTHON_STEPS, RUST_STEPS)
    assert seen_edges == {pair for chain in chains for pair in zip(chain, chain[1:])}
