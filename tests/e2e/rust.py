# SPDX-License-Identifier: MIT
"""The Rust programs of tests/rust, built once; a visible skip where there is no toolchain."""

import functools
import os
import shutil
import subprocess

import pytest

from driver import copy_new
from program import BUILD, ROOT

SOURCES = ROOT / "tests/rust"
CRATE = ROOT / "include/rust"
TARGET = BUILD / "rust"


def cargo(*words, where=SOURCES, **more):
    """Runs cargo to its end, without the network: all that it says."""
    if not shutil.which("cargo"):
        pytest.skip("no cargo: apt-get install cargo rustc")
    environment = os.environ | {"CARGO_TARGET_DIR": str(TARGET), "CARGO_TERM_COLOR": "never"}
    done = subprocess.run(
        ["cargo", *map(str, words), "--offline"],
        cwd=where,
        env=environment | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@functools.lru_cache
def build():
    """The folder of tests/rust's programs."""
    cargo("build", "--release", "--lib", "--bins", "--examples")
    return TARGET / "release"


def take_driver(directory):
    """Makes the Driver of this directory the Rust one."""
    made = build()
    copy_new(made / "driver", directory / "driver")
    copy_new(made / "libdriver_library.so", directory / "driver_library.so")
