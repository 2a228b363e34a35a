#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Holds one perf event open, for as long as it lives.

With the first event of a task, and after the last one, a kernel rewrites instructions of its scheduler. One in an
emulated machine (qemu's TCG with a thread per processor) then meets now and then, on another processor, the int3 that
had been there in between, and panics. Each agent with perf uprobes has such events.
"""

import ctypes
import platform
import signal
import struct

PERF_EVENT_OPEN = {"x86_64": 298}
PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY = 1, 9
SIZE = 64  # PERF_ATTR_SIZE_VER0

number = PERF_EVENT_OPEN.get(platform.machine())
if number:
    attributes = struct.pack("IIQ", PERF_TYPE_SOFTWARE, SIZE, PERF_COUNT_SW_DUMMY).ljust(SIZE, b"\0")
    if ctypes.CDLL(None, use_errno=True).syscall(number, attributes, 0, -1, -1, 0) < 0:
        raise OSError(ctypes.get_errno(), "perf_event_open")
    signal.pause()
