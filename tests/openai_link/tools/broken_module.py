"""A module whose tool cannot be offered."""

from __future__ import annotations

from openai_link.tools import tool


@tool
def guess(x) -> None:  # type: ignore[no-untyped-def]
    """Take anything."""
