# SPDX-License-Identifier: MIT
"""How fast this machine's time stamp counter runs, for kernels in emulated machines, which have the same one.

They would measure it against an emulated timer as they start. On a machine that is busy that goes wrong, by a
factor, and their clocks with it.
"""

import ctypes
import mmap
import platform
import time

READ = b"\x0f\x31\x48\xc1\xe2\x20\x48\x09\xd0\xc3"  # rdtsc; shl $32,%rdx; or %rdx,%rax; ret
SECONDS = 0.5


def khz():
    """0 where there is none."""
    if platform.machine() != "x86_64":
        return 0
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(READ)
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    ticks, began = read(), time.monotonic_ns()
    time.sleep(SECONDS)
    return round((read() - ticks) * 1e6 / (time.monotonic_ns() - began))
