# SPDX-License-Identifier: MIT
"""The consumers of row_pipeline.py, in C and in Rust, and the ways in which they are watched."""

import collections
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import typing
from functools import partial

import received
import tracers
from bench import done

WATCHED = "pushback, watched"


@dataclasses.dataclass(frozen=True)
class Turn:
    messages: float  # a second
    loops: float  # a second of CPU time: of others on its CPU it is not to be blamed
    taken: int  # messages


class Consumer:
    """A process of tools/bench/pipeline or tests/rust/src/bin/pipeline, which stands still between turns."""

    def __init__(self, command, shape, rate):
        pipe = subprocess.PIPE
        command = [*command, shape, str(10**9 // rate)]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1)
        # Each stays where it began, and a virtual machine's CPUs are not equally fast.
        os.sched_setaffinity(self.process.pid, {max(os.sched_getaffinity(0))})
        self.expect("ready")

    def expect(self, line):
        said = self.process.stdout.readline().strip()
        if said != line:
            done(f"{self.process.args[0]} said {said!r} where {line!r} is due")

    def turn(self, warm_ms, ms):
        self.process.stdin.write(f"{warm_ms} {ms}\n")
        said = self.process.stdout.readline().split()
        if len(said) != 4:
            done(f"{self.process.args[0]} broke off")
        taken, loops, ns, cpu_ns = map(int, said)
        return Turn(taken * 1e9 / ns, loops * 1e9 / max(cpu_ns, 1), taken)

    def counts(self):
        """{step: (accepted, rejected, propagated, forwarded, refused)}, when it has been told to end."""
        lines = [line.split() for line in self.process.stdout]
        if self.process.wait() or not lines or lines[-1] != ["done"]:
            done(f"{self.process.args[0]} lost messages, or their order")
        return {name: tuple(map(int, counts)) for name, *counts in lines[:-1]}

    def kill(self):
        self.process.kill()
        self.process.communicate()


@dataclasses.dataclass
class Way:
    """How one may learn of backpressure, or not."""

    name: str
    program: pathlib.Path
    arguments: tuple = ()
    # Of (bench, program): a context manager, whose hits are one for each submit.
    tracer: typing.Callable = None
    watched: bool = False  # by pushback run
    probed: bool = False  # with pushback.h inside
    light: bool = False  # costs so little that it takes more turns to see

    def consumer(self, shape, rate):
        return Consumer([self.program, *self.arguments], shape, rate)


def pushback_ways(program, *arguments):
    """Without an observer and with one; `program` copies one under a name."""
    unwatched = Way("pushback, unwatched", program("unwatched"), arguments, probed=True, light=True)
    return [unwatched, dataclasses.replace(unwatched, name=WATCHED, program=program("watched"), watched=True)]


def uprobe_ways(program, submits, *arguments):
    at = {"functions": submits}
    return [
        Way("uprobe, libbpf", program("uprobe"), arguments, partial(tracers.minimal_uprobe, **at)),
        Way("uretprobe, libbpf", program("uretprobe"), arguments, partial(tracers.minimal_uretprobe, **at)),
    ]


def c_ways(bench):
    def of(kind):
        return lambda name: bench.copy(bench.programs / f"pipeline-{kind}", f"c-{kind}-{name}")

    site = {"provider": "bench", "probe": "submit_return"}
    spec = {"probe_spec": "usdt:{}:bench:submit_return"}
    submits = [f"{kind}_submit" for kind in ("through", "task", "broadcast", "sink")]
    return [
        Way("nothing", of("nothing")("alone"), light=True),
        *pushback_ways(of("pushback")),
        Way("the same without enter marks", of("unmarked")("watched"), probed=True, light=True, watched=True),
        Way("in-process metrics", of("metrics")("alone")),
        Way("USDT, libbpf", of("sdt")("libbpf"), (), partial(tracers.minimal_usdt, **site)),
        Way("USDT, bpftrace", of("sdt")("bpftrace"), (), partial(tracers.bpftrace_count, **spec)),
        Way("USDT, perf", of("sdt")("perf"), (), partial(tracers.perf, **site)),
        *uprobe_ways(of("nothing"), submits),
    ]


def rust_submits(program):
    """The symbols of the strategies' own submits."""

    def names(*options):
        said = subprocess.run(["nm", *options, program], capture_output=True, text=True, check=True).stdout
        return dict(re.findall(r"^(\w+) [tT] (.*)", said, re.M))

    raw = names()
    wanted = re.compile(r"<pipeline::strategies::\w+ as .*>::submit")
    found = sorted(raw[address] for address, name in names("-C").items() if wanted.fullmatch(name))
    if len(found) != 4:
        done(f"{program} has these submits of strategies: {' '.join(found)}")
    return found


def rust_ways(bench):
    """None where there is no cargo."""
    built = bench.build / "rust/release/pipeline"
    if not (shutil.which("cargo") and built.exists()):
        return []

    def program(name):
        return bench.copy(built, f"rust-{name}")

    submits = rust_submits(built)
    spec = {"probe_spec": ",".join(f'uprobe:{{0}}:"{name}"' for name in submits), "key": "func"}
    return [
        Way("nothing", program("nothing"), ("plain",), light=True),
        *pushback_ways(program, "wrapped"),
        Way("in-process metrics", program("metrics"), ("metered",)),
        Way("uprobe, bpftrace", program("bpftrace"), ("plain",), partial(tracers.bpftrace_count, **spec)),
        *uprobe_ways(program, submits, "plain"),
    ]


# ---- pushback run ----

COUNTERS = ("submit_accepted", "send_backpressure", "submit_forwarded", "receive_backpressure")


def watching(bench, ways):
    """pushback run on the files of those ways that it watches, until the end of the block."""
    paths = [word for way in ways if way.watched for word in ("--path", way.program)]
    return received.watching(bench, *paths, "--tag-from", "pid=pid")


def counted(server):
    """{pid: {step: (accepted, rejected, forwarded, refused)}} as the agent has said, when it has ended."""
    if server.lost():
        done(f"the agent lost {server.lost()}")
    result = collections.defaultdict(dict)
    for (step, pid), series in server.series().items():
        result[int(pid)][step] = tuple(series.counters[name] for name in COUNTERS)
    return result


def is_watched(bench, consumer):
    """Whether anybody is attached to its file."""
    command = [bench.build / "pushback", "list", "--json", "--pid", str(consumer.process.pid)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(said)["watched"]
