# SPDX-License-Identifier: MIT
"""Bytes to the statsd server per step and interval, against sending every sample.

Ours are counted as they arrive; what a client that sends each would have sent is computed from the counts
of the same interval, packed into datagrams of the same size.
"""

import contextlib
import math
import statistics
import subprocess
import time

from bench import Table, done
from received import PREFIX, watching

STATES = ("calm", "stuck", "saturated")
PAYLOAD = 1432
DURATION = "0.100"  # as text; a client that prints all digits sends more


# ---- What other clients would have sent: (bytes, datagrams) ----


def line_size(metric, value, kind, state):
    return len(f"{PREFIX}{metric}:{value}|{kind}|#step:{state},process:{state}\n")


def duration_size(state):
    return line_size("send_backpressure_duration", DURATION, "d", state)


def packed(*lines):
    """Of (size of a line, how many of them)."""
    return sum(size * n for size, n in lines), sum(math.ceil(n / (PAYLOAD // size)) for size, n in lines)


def summed(counters, state):
    """Counters, summed up in the client."""
    names = ("send_backpressure", "submit_accepted")
    return [(line_size(name, counters[name], "c", state), 1) for name in names if counters[name]]


def values_packed(counters, state):
    """As the original's client for Rust does: many durations in one line, as only DogStatsD reads it."""
    more = len(DURATION) + 1
    bare = duration_size(state) - more
    in_one, n = (PAYLOAD - bare) // more, counters["send_backpressure_episodes"]
    lines = [(bare + in_one * more, n // in_one)]
    if n % in_one:
        lines.append((bare + n % in_one * more, 1))
    return packed(*summed(counters, state), *lines)


def each_duration(counters, state):
    """As most clients do."""
    return packed(*summed(counters, state), (duration_size(state), counters["send_backpressure_episodes"]))


def each_attempt(counters, state):
    """As clients without sums do: each call of them a line."""
    names = ("send_backpressure", "submit_accepted")
    return packed(
        *((line_size(name, 1, "c", state), counters[name]) for name in names),
        (duration_size(state), counters["send_backpressure_episodes"]),
    )


CLIENTS = {
    "durations packed": values_packed,
    "a line each duration": each_duration,
    "a line each attempt": each_attempt,
}


# ---- Ours ----


def text(size, datagrams):
    for unit in ("B", "kB", "MB", "GB"):
        if size < 10_000 or unit == "GB":
            return f"{size:,.0f} {unit} in {datagrams:,.0f}"
        size /= 1000


def row(state, interval, flushes):
    ours = statistics.median(flush.bytes - flush.own_bytes for flush in flushes)
    datagrams = statistics.median(flush.datagrams for flush in flushes)
    cells = [state, interval, text(ours, datagrams)]
    for client in CLIENTS.values():
        would = [client(flush.counters, state) for flush in flushes]
        size = statistics.median(size for size, _ in would)
        times = size / ours
        cells += [text(size, statistics.median(n for _, n in would)), f"{times:,.{0 if times > 10 else 1}f}"]
    return cells


def check(state, said, servers):
    """All that a consumer did was told, or the bytes mean nothing."""
    wanted = [int(n) for n in said.split()]
    for server in servers:
        (series,) = server.series().values()
        names = ("submit_accepted", "send_backpressure", "send_backpressure_episodes")
        seen = [series.counters[name] for name in names]
        if seen != wanted or series.sampled("send") != wanted[2] or server.lost():
            done(f"{state}: {seen} were told, in truth {wanted}; lost: {server.lost()}")


def run(programs, servers, patience):
    """Until each server has had a whole interval of it; when it began, what the consumers said."""
    running = {state: subprocess.Popen([p, state], stdout=subprocess.PIPE, text=True) for state, p in programs.items()}
    began = time.monotonic()
    try:
        while not all(server.whole(began) for server in servers):
            if time.monotonic() > began + patience:
                done("an agent did not send")
            time.sleep(0.02)
    finally:
        for process in running.values():
            process.terminate()
    return began, {state: process.communicate()[0] for state, process in running.items()}


def measure(bench):
    intervals = ("200ms",) if bench.smoke else ("1s", "10s")
    programs = {state: bench.copy(bench.programs / "paced", state) for state in STATES}
    with contextlib.ExitStack() as stack:
        servers = {
            (state, interval): stack.enter_context(watching(bench, "--path", program, "--interval", interval))
            for interval in reversed(intervals)
            for state, program in programs.items()
        }
        began, said = run(programs, servers.values(), 60)
        whole = {key: server.whole(began) for key, server in servers.items()}
    for state in STATES:
        check(state, said[state], [servers[state, interval] for interval in intervals])
    own = statistics.median(flush.own_bytes for flushes in whole.values() for flush in flushes)
    yield Table(
        "Bytes to the statsd server a step and interval",
        ["the step", "interval", "pushback", *(cell for name in CLIENTS for cell in (name, "times"))],
        [row(state, interval, whole[state, interval]) for state in STATES for interval in intervals],
        f"The others' datagrams are of up to {PAYLOAD} bytes. pushback's as received, and beside them {own:,.0f} bytes an "
        "interval about itself,\nfor all steps together. It also tells times, self time, spells and instances. The "
        f"others' from the counts of the same\nintervals, with {len(DURATION)} characters for a duration. Calm: 1,000 "
        "messages a second; stuck: its caller spins;\nsaturated: 10,000 episodes a second, its caller spins in between.",
    )
