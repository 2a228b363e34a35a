# SPDX-License-Identifier: MIT
"""Fixtures that several end-to-end tests use."""

import pytest

import instrumented
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
