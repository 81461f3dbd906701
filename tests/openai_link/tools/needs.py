"""What tests of tool servers need."""

from __future__ import annotations

import importlib.util

import pytest

NEEDS_MCP = pytest.mark.skipif(
    importlib.util.find_spec("mcp") is None, reason="the package mcp is not installed"
)
"""Looks for the package without importing it, which takes a second in each test process."""
