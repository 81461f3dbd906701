"""Text of others for the model, the log and people: bounded, in one line, visible. Sans-I/O."""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE = frozenset({"Cf", "Cs", "Co", "Cn"})
"""Marks of direction, hidden tags, halves of characters, what has no meaning."""
MAX_WORDS = 500
"""Longest words of a server that are shown or written to the log, in characters."""
_PATH = re.compile(
    r"(?<![\w:./-])/(?:home|root|tmp|var|usr|opt|srv|etc|run|mnt|media|data|dev|proc|nix|app|work"
    r"|Users|Volumes|private)(?:/[^\s/'\"`,;:()<>]+)*/([^\s/'\"`,;:()<>]+)"
)
"""A file of this machine, and its name: the usual first folders (hier(7)), so that paths of
addresses stay."""
_ASCII_CONTROLS = dict.fromkeys([*range(32), 127], " ")
_JOINERS = "\u200c\u200d"
"""Some scripts and pictures need them."""


def one_line(text: object, limit: int = MAX_WORDS) -> str:
    """``text`` in at most ``limit`` characters; empty where it is no text."""
    if not isinstance(text, str):
        return ""
    looked_at = text[: 8 * limit]
    if looked_at.isascii():
        kept = looked_at.translate(_ASCII_CONTROLS)
    else:
        kept = "".join(_spaced(letter) for letter in looked_at if _is_visible(letter))
    shown = " ".join(kept.split())
    return shown if len(shown) <= limit else f"{shown[: limit - 1].rstrip()}…"


def without_paths(text: str) -> str:
    """``text`` with the names of this machine's files, without where they are."""
    return _PATH.sub(r"\1", text)


def _is_visible(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character) not in _INVISIBLE


def _spaced(character: str) -> str:
    """A control character stands between words, as a line end does."""
    return " " if unicodedata.category(character) == "Cc" else character
