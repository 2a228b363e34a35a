# SPDX-License-Identifier: MIT
"""Exactness under load: edges as fast as all cores make them, against what storm.c itself knows.

A matter of right or wrong, not of time: the benchmark fails if one figure differs.
"""

import ctypes
import dataclasses
import os
import platform
import re
import statistics
import subprocess

from bench import Table, done
from kernel_events import counted, events
from received import watching

RECORDS = 8192
PATIENCE = 120  # s, on a machine that has others to serve
THREADS = 32  # of one process at most
LINUX_THAT_READS_AT_EXIT = (6, 16)


class Direction(ctypes.Structure):
    """struct storm_direction"""

    _fields_ = [
        (name, ctypes.c_uint64)
        for name in ("closed", "partial", "abandoned", "low_ns", "high_ns", "open_low", "open_high")
    ]


class Record(ctypes.Structure):
    """struct storm_record"""

    _fields_ = (
        [("pid", ctypes.c_uint64), ("step", ctypes.c_char * 24)]
        + [
            (name, ctypes.c_uint64)
            for name in ("accepted", "rejected", "forwarded", "refused", "returns", "edges", "instances")
        ]
        + [("direction", Direction * 2)]
        + [(name, ctypes.c_uint64) for name in ("self_low_ns", "self_high_ns", "gone_low", "gone_high")]
    )


class Truth(ctypes.Structure):
    """struct storm_truth"""

    _fields_ = [(name, ctypes.c_uint64) for name in ("begin_ns", "end_ns", "processes", "used")] + [
        ("records", Record * RECORDS)
    ]

    def live(self):
        return self.records[: self.used]


@dataclasses.dataclass
class Held:
    """Figures held against the truth."""

    equal: int = 0
    within: int = 0
    wrong: list = dataclasses.field(default_factory=list)
    wrong_times: list = dataclasses.field(default_factory=list)

    def same(self, what, seen, wanted):
        if seen == wanted:
            self.equal += 1
        else:
            self.wrong.append(f"{what}: {seen}, in truth {wanted}")

    def between(self, what, ms, low_ns, high_ns):
        """Times are sent in whole ms, cut."""
        if low_ns // 1_000_000 <= ms <= high_ns // 1_000_000:
            self.within += 1
        else:
            self.wrong_times.append(f"{what}: {ms} ms, in truth {low_ns} to {high_ns} ns")


def compare(records, series):
    """Every figure of every step of every process."""
    held = Held()
    for key in sorted(set(records) | set(series)):
        record, seen = records.get(key, Record()), series[key]
        what = f"{key[0]} of {key[1]}"
        held.same(f"{what} accepted", seen.counters["submit_accepted"], record.accepted)
        held.same(f"{what} forwarded", seen.counters["submit_forwarded"], record.forwarded)
        attempts = (record.rejected, record.refused)
        for name, direction, tried in zip(("send", "receive"), record.direction, attempts):
            compare_direction(held, what, seen, name, direction, tried, record)
        self_time = seen.counters["send_backpressure_self_time"]
        held.between(f"{what} self time", self_time, record.self_low_ns, record.self_high_ns)
    return held


def compare_direction(held, what, seen, name, direction, tried, record):
    """What was open when the process ended is abandoned, and its time counts until then."""
    metric = f"{name}_backpressure"
    is_open = direction.open_low > 0
    low, high = direction.low_ns, direction.high_ns
    if is_open:
        low += max(0, record.gone_low - direction.open_high)
        high += record.gone_high - direction.open_low
    if is_open and name == "send":
        record.self_high_ns += record.gone_high - direction.open_low
    held.same(f"{what} {metric}", seen.counters[metric], tried)
    held.same(f"{what} {name} closed", seen.counters[f"{metric}_episodes"], direction.closed)
    held.same(f"{what} {name} partial", seen.counters[f"{metric}_partial"], direction.partial)
    held.same(f"{what} {name} abandoned", seen.counters[f"{metric}_abandoned"], direction.abandoned + is_open)
    held.same(f"{what} {name} samples, fired and folded", seen.sampled(name), direction.closed)
    held.between(f"{what} {name} time", seen.counters[f"{metric}_time"], low, high)
    if seen.counters[f"{metric}_folded"] > direction.closed:
        held.wrong.append(f"{what} {name}: more folded than closed")


def storms(bench, program):
    """Runs them to their end; their truths."""
    processors = os.cpu_count() or 1
    processes = max(2, processors // THREADS)
    threads = max(2, processors // processes)
    options = [f"seconds={0.7 if bench.smoke else 10}", f"threads={threads}"]
    release = tuple(int(n) for n in re.findall(r"\d+", platform.release())[:2])
    if release < LINUX_THAT_READS_AT_EXIT:
        options.append("end-all")
    paths = [bench.directory / f"storm-{n}" for n in range(processes)]
    running = [subprocess.Popen([program, path, *options], stdout=subprocess.PIPE, text=True) for path in paths]
    try:
        for storm in running:
            if storm.communicate(timeout=PATIENCE)[0] != "done\n":
                done(f"a storm ended with {storm.returncode}")
    finally:
        for storm in running:
            storm.kill()
    return threads, [Truth.from_buffer_copy(path.read_bytes()) for path in paths]


def table(truths, threads, runs, server, held):
    """The load, and how much of it was told exactly."""
    records = [record for truth in truths for record in truth.live()]
    seconds = (max(t.end_ns for t in truths) - min(t.begin_ns for t in truths)) / 1e9
    closed = sum(d.closed for r in records for d in r.direction)
    folded = sum(
        seen.counters[f"{name}_backpressure_folded"] for seen in server.series().values() for name in ("send", "receive")
    )
    loads = {
        "returns": sum(r.returns for r in records),
        "refused attempts": sum(r.rejected + r.refused for r in records),
        "edges": sum(r.edges for r in records),
        "episodes": closed,
        "events in the kernel": runs,
        "step instances": sum(r.instances for r in records),
        "processes begun by fork and exec": sum(t.processes for t in truths) - len(truths),
        "datagrams": server.packets,
        "bytes of them": server.bytes,
    }
    rows = [[what, f"{n:,}", f"{n / seconds:,.0f}"] for what, n in loads.items()]
    wrong = len(held.wrong) + len(held.wrong_times)
    sends = [r.direction[0] for r in records if r.step.startswith(b"timed")]
    width = statistics.median((d.high_ns - d.low_ns) / d.high_ns for d in sends)
    return Table(
        f"Exactness: {len(truths)} processes of {threads} threads for {seconds:.1f} s, all cores busy",
        ["", "in all", "a second"],
        rows,
        f"Folded: {folded / max(1, closed):.1%} of the episodes. Lost: {server.lost() or 0}.\n"
        f"Equal: {held.equal} of {held.equal + len(held.wrong)} counts (attempts, accepted, forwarded, episodes "
        f"closed, partial, abandoned, samples);\nwithin the truth's bounds: {held.within} of "
        f"{held.within + len(held.wrong_times)} times; where each edge's time was taken these are {width:.1%} wide."
        + (f" **{wrong} differ.**" if wrong else ""),
    )


def measure(bench):
    program = bench.copy(bench.programs / "storm", "storm")
    with counted(), watching(bench, "--path", program, "--interval", "1s", "--tag-from", "pid=pid") as server:
        threads, truths = storms(bench, program)
        runs, _ = events(server.agent)
    records = {(r.step.decode(), str(r.pid)): r for truth in truths for r in truth.live()}
    held = compare(records, server.series())
    yield table(truths, threads, runs, server, held)
    if held.wrong or held.wrong_times or server.lost() or not runs:
        done("\n".join(["not exact:", str(server.lost()), *held.wrong[:20], *held.wrong_times[:20]]))
