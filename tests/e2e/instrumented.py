# SPDX-License-Identifier: MIT
"""Which sanitizer watches our programs, or whether valgrind does; what it finds fails the test that ran then.

Many tests kill an agent, or do not look at its status: so that nothing is passed over, each program writes
what is found in it to a file of its own in PUSHBACK_FINDINGS (tests/instrumented/run.py sets it).
"""

import os
import pathlib

import pytest

import findings
from program import PUSHBACK

FINDINGS = os.environ.get("PUSHBACK_FINDINGS")


def _by_what():
    image = PUSHBACK.read_bytes() if PUSHBACK.exists() else b""
    if image.startswith(b"#!"):
        return "valgrind"
    return next((name for name in ("address", "thread") if f"__{name[0]}san_init".encode() in image), "")


# "address" (and undefined behaviour), "thread", "valgrind", or "" as usual.
BY = _by_what()
ANY = ("address", "thread", "valgrind")


def except_by(*names, reason):
    """Leaves a test out where these watch, in sight and with the reason."""
    return pytest.mark.skipif(BY in names, reason=f"by {BY}: {reason}")


def needs_librdkafka(test):
    return except_by("thread", reason="librdkafka's threads are C11's: it does not see them begin, and they crash")(test)


def leave_the_rest_out_by(*names, reason):
    """The same within a test: what came before has held, and what was found fails it all the same."""
    if BY in names:
        pytest.skip(f"by {BY}, the rest of the test: {reason}")


def ask_of_no_memory():
    """Ends a test whose rest asks how much an agent takes, or has of a CPU."""
    leave_the_rest_out_by(*ANY, reason="how much memory or time it takes: most is what watches it")


def assert_none():
    found = findings.take(pathlib.Path(FINDINGS)) if FINDINGS else []
    assert not found, "\n".join(found)
