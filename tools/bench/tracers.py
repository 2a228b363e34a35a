# SPDX-License-Identifier: MIT
"""What one would use instead: tracers that are attached to a program's file within a `with` block.

All see every process of that file. Each gives a Tracer; after the block its hits() says how many hits it
counted, so that a row can be sure that it measures what it says.
"""

import contextlib
import os
import re
import subprocess

import elf
from bench import done


class Tracer:
    """Attached; what it said at its end is read by `count`."""

    def __init__(self, process, count):
        self.process = process
        self.count = count
        self.said = None

    def hits(self):
        if self.said is None:
            done(f"hits of {self.process.args[0]} are known only when it has ended")
        try:
            return self.count(self.said)
        except (AttributeError, IndexError, ValueError):
            return done(f"{self.process.args[0]} did not say how many hits: {self.said.strip()[-400:]}")


@contextlib.contextmanager
def attached(bench, command, line, count, end, **options):
    """From the line on, until the end of the block, when `end` makes it say what it has counted."""
    with bench.started(command, line, **options) as process:
        tracer = Tracer(process, count)
        try:
            yield tracer
        finally:
            end(process)
            tracer.said = process.stdout.read()
            process.wait()


def end_of_input(process):
    process.stdin.close()
    process.stdin = None  # or communicate() would use it


def last_number(said):
    return int(said.split()[-1])


# ---- The minimal program, tools/bench/hit.c ----


def minimal(bench, program, places, *options):
    places = [f"{offset}:{semaphore}" if semaphore else str(offset) for offset, semaphore in places]
    command = [bench.programs / "hit", *options, program, *places]
    return attached(bench, command, "hit: watching", last_number, end_of_input, stdin=subprocess.PIPE)


def places_of(program, functions):
    """Of names of functions, or of offsets in the file."""
    offsets = elf.functions(program, [name for name in functions if isinstance(name, str)])
    return [(offsets.get(function, function), 0) for function in functions]


def minimal_usdt(bench, program, provider, probe):
    return minimal(bench, program, elf.usdt(program, provider, probe))


def minimal_uprobe(bench, program, functions):
    return minimal(bench, program, places_of(program, functions))


def minimal_uretprobe(bench, program, functions):
    return minimal(bench, program, places_of(program, functions), "--return")


# ---- bpftrace ----

ATTACHED = "__BPFTRACE_NOTIFY_PROBES_ATTACHED"


def counts_of_maps(said):
    """All that @hits[...] and the buckets of @ns[...] have counted."""
    return sum(int(n) for n in re.findall(r"^(?:@hits\[.*\]:|[\[(].*[\])]) +(\d+)\b", said, re.M))


def bpftrace(bench, script):
    environment = {**os.environ, ATTACHED: "1", "BPFTRACE_MAP_KEYS_MAX": "65536"}
    command = ["bpftrace", "-e", script]
    return attached(bench, command, ATTACHED, counts_of_maps, subprocess.Popen.terminate, env=environment)


def bpftrace_count(bench, program, probe_spec, key="str(arg0), arg1"):
    """How often, by step and outcome. `probe_spec` as bpftrace has it; {} in it is the program."""
    return bpftrace(bench, f"{probe_spec.format(program)} {{ @hits[{key}] = count(); }}")


def bpftrace_hist(
    bench, program, probe_spec, key="str(arg0)", step="arg0", refused="arg1 == 1", accepted="arg1 == 0"
):
    """How long episodes are, by step, as somebody who has only returns to look at finds it out.

    hits() are the episodes that closed, not the returns.
    """
    script = f"""{probe_spec.format(program)} {{
        if ({refused}) {{ if (!@since[{step}]) {{ @since[{step}] = nsecs; }} }}
        else {{ if ({accepted} && @since[{step}]) {{
            @ns[{key}] = hist(nsecs - @since[{step}]); delete(@since[{step}]);
        }} }}
    }}"""
    return bpftrace(bench, script)


# ---- perf ----

# Events are of the whole kernel, tracefs is of this mount namespace alone. perf ends with its command, that
# with its input, and then the event goes: also when we are killed.
PERF = """
mount -t tracefs tracefs /sys/kernel/tracing && cd /sys/kernel/tracing || exit 1
for place in $PLACES; do echo "p:$GROUP/hit $PROGRAM:$place" >>uprobe_events || exit 1; done
perf "$@" -a -e "$GROUP:hit" -- sh -c 'echo perf: watching; exec cat'
echo "-:$GROUP/hit" >>uprobe_events
"""


def perf(bench, program, provider, probe, record=False):
    """perf stat, or with `record` perf record, at all sites of a USDT probe."""
    sites = elf.usdt(program, provider, probe)
    places = [f"{at:#x}({semaphore:#x})" if semaphore else f"{at:#x}" for at, semaphore in sites]
    how = ["record", "-m8M", "-o", bench.directory / "perf.data"] if record else ["stat", "-x,"]
    group = f"pushback_bench_{os.getpid()}"
    environment = {**os.environ, "GROUP": group, "PROGRAM": str(program), "PLACES": " ".join(places)}
    pattern = r"\((\d+) samples\)" if record else rf"^(\d+),,{group}:hit,"
    return attached(
        bench,
        ["unshare", "-m", "sh", "-c", PERF, "perf", *how],
        "perf: watching",
        lambda said: int(re.search(pattern, said, re.M)[1]),
        end_of_input,
        stdin=subprocess.PIPE,
        env=environment,
    )
