# SPDX-License-Identifier: MIT
"""What this kernel can do, by the names in its own types: tests that take more are skipped with the reason."""

import pathlib

import pytest

TYPES = pathlib.Path("/sys/kernel/btf/vmlinux")
NAMES = set(TYPES.read_bytes().split(b"\0")) if TYPES.exists() else set()


def has(name):
    return name.encode() in NAMES


def needs(name, what):
    return pytest.mark.skipif(not has(name), reason=f"takes {what}")


HAS_MULTI = has("BPF_TRACE_UPROBE_MULTI")
MULTI = needs("BPF_TRACE_UPROBE_MULTI", "uprobe_multi links (Linux 6.6)")
