"""A tool that asks first, for tests."""

from __future__ import annotations

from openai_link.tools import tool


@tool(confirm=True)
def unlock_door(minutes: int = 5) -> str:
    """Unlock the front door.

    Args:
        minutes: how long.
    """
    return f"open for {minutes} minutes"
