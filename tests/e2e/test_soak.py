# SPDX-License-Identifier: MIT
"""PUSHBACK_TEST_LONG=1: the soak, tests/soak.py, for half a minute; `make test-soak` has the rest."""

import os
import sys

import pytest

from load import LONG
from program import BUILD, ROOT, run


@pytest.mark.skipif(not LONG, reason="half a minute; PUSHBACK_TEST_LONG=1")
def test_soak_for_half_a_minute():
    argv = [sys.executable, "-B", ROOT / "tests/soak.py", "--seconds", "30", "--period", "6"]
    done = run(*argv, env=os.environ | {"PUSHBACK_BUILD": str(BUILD)}, timeout=300)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
