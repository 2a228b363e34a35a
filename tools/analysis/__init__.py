# SPDX-License-Identifier: MIT
"""Static analysis of every C and C++ source of the tree; see analyse.py."""
