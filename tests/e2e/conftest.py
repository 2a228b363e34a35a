# SPDX-License-Identifier: MIT
"""Fixtures that several end-to-end tests use."""

import os
import pathlib
import shutil
import tempfile

import pytest

import instrumented
from program import PUSHBACK
from scene import Scene


@pytest.fixture(autouse=True)
def none_is_found():
    """By a sanitizer or valgrind, in any program of ours that the test ran."""
    yield
    instrumented.assert_none()


@pytest.fixture(params=["uprobe_multi", "perf"])
def scene(request, tmp_path):
    """Once with either kind of attachment."""
    options = ["--no-multi"] if request.param == "perf" else []
    with Scene(tmp_path, *options) as s:
        yield s


@pytest.fixture
def open_directory():
    """That anybody may look into, with a copy of pushback. Not pytest's: each session closes those of all."""
    with tempfile.TemporaryDirectory(prefix="pb-open-", dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        shutil.copy(PUSHBACK, directory)
        yield pathlib.Path(directory)
