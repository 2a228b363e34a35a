# SPDX-License-Identifier: MIT
"""What observe() adds to a call, in ns: wrapped minus unwrapped, of CPU time; medians of
interleaved rounds, short ones: others use the machine, too.

    PYTHONPATH=build/python python3 tests/progs/bench_python.py [--rounds N] [--calls N]
        [--wait-watched]

By itself nobody watches; --wait-watched waits for an observer of this process first. Asserts
nothing.
"""

import argparse
import ctypes
import statistics
import time

import pushback


class MessageRejected(Exception):
    pass


class Strategy:
    """Does nothing, as fast as Python does it."""

    def __init__(self, next_step=None):
        self.next_step = next_step

    def submit(self, message):
        if self.next_step is not None:
            self.next_step.submit(message)

    def poll(self):
        pass

    def close(self):
        pass

    def terminate(self):
        pass

    def join(self, timeout=None):
        pass


class Refusing(Strategy):
    def submit(self, message):
        raise MessageRejected


def submits(strategy, calls):
    began = time.thread_time_ns()
    for _ in range(calls):
        strategy.submit(None)
    return time.thread_time_ns() - began


def refusals(strategy, calls):
    began = time.thread_time_ns()
    for _ in range(calls):
        try:
            strategy.submit(None)
        except MessageRejected:
            pass
    return time.thread_time_ns() - began


def polls(strategy, calls):
    began = time.thread_time_ns()
    for _ in range(calls):
        strategy.poll()
    return time.thread_time_ns() - began


def a_chain(wrap):
    """The second one's submit is told to the first one, too: two wrapped calls a message."""
    return wrap(Strategy(wrap(Strategy(), "second")), "first")


CASES = {
    "submit, accepted": (submits, lambda wrap: wrap(Strategy(), "accepting"), 1),
    "submit, refused": (refusals, lambda wrap: wrap(Refusing(), "refusing"), 1),
    "poll": (polls, lambda wrap: wrap(Strategy(), "polled"), 1),
    "submit through two": (submits, a_chain, 2),
}


def plain(strategy, _):
    return strategy


def is_watched():
    """An acceptance counts only then."""
    probe = pushback.Step("probe")
    probe.submit_return(0)
    return ctypes.c_uint64.from_address(probe.address + 16).value > 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=201)
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--wait-watched", action="store_true")
    options = parser.parse_args()
    while options.wait_watched and not is_watched():
        time.sleep(0.05)
    print("watched" if is_watched() else "nobody watches")
    print(f"{'':20} {'plain':>8} {'wrapped':>8} {'added to a call':>16}  ns")
    for name, (loop, make, wrapped) in CASES.items():
        both = make(plain), make(pushback.observe)
        rounds = [
            [loop(one, options.calls) / options.calls for one in both]
            for _ in range(options.rounds)
        ]
        bare, full = (statistics.median(column) for column in zip(*rounds))
        added = statistics.median((b - a) / wrapped for a, b in rounds)
        print(f"{name:20} {bare:8.1f} {full:8.1f} {added:16.1f}", flush=True)
    print("watched" if is_watched() else "nobody watches")


if __name__ == "__main__":
    main()
