# SPDX-License-Identifier: MIT
"""How often an agent's BPF program was run, as the kernel itself counts it."""

import contextlib
import ctypes
import os
import pathlib
import platform
import re

from bench import done

SYS_BPF = {"x86_64": 321, "aarch64": 280}
BPF_ENABLE_STATS = 32
BPF_STATS_RUN_TIME = 0
BPF_PROG_TYPE_KPROBE = 2  # uprobes too


@contextlib.contextmanager
def counted():
    """The kernel counts as long as somebody holds this; the sysctl would be everybody's."""
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = ctypes.create_string_buffer(BPF_STATS_RUN_TIME.to_bytes(4, "little"), 128)
    fd = libc.syscall(SYS_BPF[platform.machine()], BPF_ENABLE_STATS, attributes, len(attributes))
    if fd < 0:
        done(f"the kernel does not count runs of BPF programs: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        os.close(fd)


def events(pid):
    """Runs of the probes' program that this process holds: (runs, ns in all of them)."""
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        fields = dict(re.findall(r"^(\w+):\s*(\w+)$", info.read_text(), re.M))
        if int(fields.get("prog_type", -1)) == BPF_PROG_TYPE_KPROBE:
            return int(fields["run_cnt"]), int(fields["run_time_ns"])
    done(f"process {pid} holds no program of probes")
