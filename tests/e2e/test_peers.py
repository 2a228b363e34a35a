# SPDX-License-Identifier: MIT
"""The probes are ordinary USDT: other tools list them and get their arguments."""

import re

from program import DEMO, Program, run

PROBES = ["submit_return", "forward_return", "poll_return", "step_end"]


def bpftrace(*options):
    done = run("bpftrace", *options)
    return done.stdout + done.stderr


def test_bpftrace_lists_them():
    shown = bpftrace("-l", f"usdt:{DEMO}:*")
    assert sorted(re.findall(r":pushback:(\w+)", shown)) == sorted(PROBES)


def test_bpftrace_gets_the_arguments():
    """The one-liner of the header's manual: news by step name, the counts so far in the arguments."""
    script = "{ @fires[str(arg1), arg2] = count(); @accepted[str(arg1)] = max(arg3); }"
    text = f"usdt:{DEMO}:pushback:submit_return {script} interval:s:2 {{ exit(); }}"
    with Program([DEMO, "--source", "memory", "--slow", "sink:refuse:1ms"]):
        shown = bpftrace("-e", text)
    fires = {(n, int(o)): int(c) for n, o, c in re.findall(r"@fires\[(\w+), (\d)\]: (\d+)", shown)}
    accepted = {n: int(c) for n, c in re.findall(r"@accepted\[(\w+)\]: (\d+)", shown)}
    assert fires.get(("sink", 1)), shown
    # Bounded, however fast it spins: 500 a second and step, and what is allowed at once.
    assert sum(fires.values()) < 5 * (2 * 3 * 500 + 64), shown
    assert accepted.get("decode", 0) > 100, shown
