"""Durations in words, for people and the log."""

from __future__ import annotations


def in_seconds(duration_ns: int) -> str:
    """A duration with a tenth of a second where it has any, such as ``2.5 s`` or ``3 s``."""
    return f"{duration_ns / 1e9:.1f}".removesuffix(".0") + " s"
