# SPDX-License-Identifier: MIT
"""Overlay mounts, as of containers of one image, with a consumer in them."""

import contextlib
import subprocess

import pytest

from driver import copy_new
from program import PROGS


@contextlib.contextmanager
def overlays(directory, count, name="driver"):
    """So many mounts over one lower directory."""
    lower = directory / "lower"
    lower.mkdir()
    mounts = []
    try:
        for number in range(count):
            parts = {part: directory / f"{part}{number}" for part in ("upper", "work", "merged")}
            for path in parts.values():
                path.mkdir()
            options = f"lowerdir={lower},upperdir={parts['upper']},workdir={parts['work']}"
            mount = ["mount", "-t", "overlay", "overlay", "-o", options, parts["merged"]]
            subprocess.run(mount, check=True)
            mounts.append(parts["merged"])
        copy_new(PROGS / "driver", lower / name)
        copy_new(PROGS / "driver_library.so", lower / "driver_library.so")
        yield mounts
    finally:
        for path in mounts:
            subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture
def disk(tmp_path):
    """Uppers must lie on a file system that can be one."""
    subprocess.run(["mount", "-t", "tmpfs", "none", tmp_path], check=True)
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)
