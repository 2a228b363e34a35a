# SPDX-License-Identifier: MIT
"""Backpressure probes for stream consumers.

A consumer is a chain of steps (strategies). A step that cannot take a message now refuses it;
its caller keeps the message and tries again: that is backpressure. Wrap each strategy, and
`pushback` (or bpftrace, perf, gdb: the probes are ordinary USDT) can attach to the running
consumer and say which step pushes back, how often and for how long:

    from pushback import observe

    sink = observe(Sink(), "sink", ready=lambda sink: not sink.is_full())
    task = observe(RunTask(function, sink), "task")

observe(strategy, name) takes any object with submit, poll, close, terminate and join whose
submit refuses with an exception of a class named MessageRejected, and returns one that behaves
as the strategy does. Each submit is told as accepted, rejected, or propagated: a refusal that
leaves a submit in which the next observed step had refused. An InvalidMessage, and any other
exception, says nothing. Whom a step hands on to is seen by itself: it is the observed step that
is called, on the same thread, from within this one's submit, poll, close, terminate or join. A
step ends once it was closed and joined, or when the object goes.

ready is asked after each poll, while somebody watches: could the strategy accept a message now?
Without it a step's refusing lasts until the next message that it accepts.

Everything else, attributes and isinstance() included, goes through to the strategy
(`__wrapped__`). Special methods do not, other than those of any object. `__pushback__` is where
the step's struct lies: the probes' arg0.

A strategy that leads into a library which has the probes as well, in Rust or C++, is observed like
any other: the step that it is, seen from outside. The library's own steps are another chain of the
same process, since no object knows of another's; where it calls back into Python, the observed
strategy that it calls counts as the next one of that step.

Step is for what is no strategy: it is told call by call, as with pushback.h in C.

Nobody watching or somebody, it adds some tens of nanoseconds to a call; it neither locks nor
raises. Threads: one at a time drives a step. Importing this in a free-threaded interpreter turns
its lock on again. Interpreters that share the lock may each import it; those with a lock of
their own cannot. After a fork the child's steps start clean.
"""

from enum import IntEnum

from ._pushback import Step, observe

__all__ = ["ACCEPTED", "INVALID", "PROPAGATED", "REJECTED", "Outcome", "Step", "observe"]


class Outcome(IntEnum):
    """How a submit ended."""

    ACCEPTED = 0
    REJECTED = 1  # this step itself refuses
    PROPAGATED = 2  # a later step's refusal, handed through
    INVALID = 3  # the message is bad


ACCEPTED = Outcome.ACCEPTED
REJECTED = Outcome.REJECTED
PROPAGATED = Outcome.PROPAGATED
INVALID = Outcome.INVALID
