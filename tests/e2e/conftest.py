# SPDX-License-Identifier: MIT
"""Fixtures that several end-to-end tests use."""

import pytest

from scene import Scene


@pytest.fixture(params=["uprobe_multi", "perf"])
def scene(request, tmp_path):
    """Once with either kind of attachment."""
    options = ["--no-multi"] if request.param == "perf" else []
    with Scene(tmp_path, *options) as s:
        yield s
