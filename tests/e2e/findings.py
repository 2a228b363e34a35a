# SPDX-License-Identifier: MIT
"""What sanitizers or valgrind have found, from the file that each program writes."""

import re

# tests/instrumented/bpf_calls.c does what valgrind does not.
KNOWN = re.compile(r"^--\d+-- WARNING: unhandled eBPF command \d+\n", re.M)

_read = {}


def take(directory):
    """The texts since the last time. A program may go on, and find more."""
    found = []
    for path in sorted(directory.iterdir()):
        with path.open(errors="replace") as file:
            file.seek(_read.get(path, 0))
            text = KNOWN.sub("", file.read())
            _read[path] = file.tell()
        if text:
            found.append(text)
    return found
