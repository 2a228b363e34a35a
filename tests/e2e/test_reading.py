# SPDX-License-Identifier: MIT
"""What consumers do while they are being read: between the agent's look at the entries and that at their memory."""

import contextlib
import time

from agent import Agent
from driver import ACCEPTED, Driver
from instrumented import ANY, except_by
from program import Program
from scene import expect, nothing_lost, one, refuse, refused

SILENT_S = 1.2  # of a step that has been silent for a second no more durations are waited for


@contextlib.contextmanager
def before_memory(agent, d, place):
    """It has just read all entries, as there is a step more, and no memory yet."""
    commands = ("break drain_look if !again", "continue", "shell head -n 1", "detach")
    words = [word for command in commands for word in ("-ex", command)]
    with Program(["gdb", "-q", "-nx", "-batch", "-p", agent.pid, *words], output="stdout") as gdb:
        gdb.wait_line("^Breakpoint 1 at")
        d.init(place, "other")
        d.submit(place, ACCEPTED)
        gdb.wait_line("Breakpoint 1, drain_look")
        yield
        gdb.say("")
        assert gdb.wait() == 0 and not any("Error in" in line for line in gdb.lines), gdb.lines


@except_by(*ANY, reason="gdb would see what watches it")
def test_episodes_before_the_memory_is_read(tmp_path):
    """None of them gets the mean of all: their own durations are on their way."""
    with Driver(tmp_path) as d:
        d.init(0, "step")
        with Agent("--tag-from", "pid=pid", "--path", d.file, interval="1s") as agent:
            episodes = [refuse(d)]
            time.sleep(SILENT_S)
            with before_memory(agent, d, 1):
                episodes += [refuse(d, seconds=seconds) for seconds in (0.005, 0.05)]
            time.sleep(SILENT_S)
            episodes.append(refuse(d, seconds=0.2))
            agent.end()
    expect(one(agent), *[refused(*e) for e in episodes], submit_accepted=len(episodes))
    nothing_lost(agent)
