"""Text of others for the model, the log and people: bounded, in one line, visible. Sans-I/O."""

from __future__ import annotations

import unicodedata

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Controls, marks of direction, hidden tags, halves of characters, what has no meaning."""
_JOINERS = "\u200c\u200d"
"""Some scripts and pictures need them."""


def one_line(text: object, limit: int) -> str:
    """``text`` in at most ``limit`` characters; empty where it is no text."""
    if not isinstance(text, str):
        return ""
    spaced = " ".join(text[: 8 * limit].split())
    shown = "".join(character for character in spaced if _is_visible(character))
    return shown if len(shown) <= limit else f"{shown[: limit - 1].rstrip()}…"


def _is_visible(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character) not in _INVISIBLE
