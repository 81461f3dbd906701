"""Which tools a refusal of the server is about. Sans-I/O.

A server that refuses a session, or an update of one, names the tool by its place
(``session.tools[3].parameters``), by its name, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_PLACE = re.compile(r"\btools(?:\[(\d{1,4})\]|\.(\d{1,4})\b)")
_LIST = re.compile(r"(^|\.)tools(\b|$)")
_CODES = frozenset(
    {
        *("invalid_function_parameters", "invalid_tool", "invalid_tools", "duplicate_tool_name"),
        *("unsupported_tool", "too_many_tools"),
    }
)
_WORDS = re.compile(r"\b(tools?|functions?|function[ _-]?call(s|ing))\b", re.IGNORECASE)
_NOT_A_CALL = re.compile(r"\bcall(_id|s| id)?\b", re.IGNORECASE)
_NAMED = re.compile(
    r"\b(?:function|tool)(?: named)?:? [`'\"‘“]([A-Za-z0-9_-]{1,64})[`'\"’”]", re.IGNORECASE
)
_QUOTED = re.compile(r"[`'\"‘“]([A-Za-z0-9_-]{1,64})[`'\"’”]")


@dataclass(frozen=True, slots=True)
class Blame:
    """A refusal that costs tools and not the session."""

    names: tuple[str, ...]
    """The tools that it names; empty: it is about tools, and names none."""
    offered: tuple[str, ...]
    """The tools that the server was told of."""
    fresh: tuple[str, ...]
    """Those among them that it did not have before, where it had any."""
    words: str
    """The server's own."""
    sent: tuple[Mapping[str, Any], ...] = ()
    """The definitions of ``offered``, as it was told of them."""


def blame(
    code: str, param: str, words: str, offered: Sequence[str], fresh: Sequence[str] = ()
) -> Blame | None:
    """Who is at fault for a refusal; None: no tool that can be left out.

    Args:
        code: the server's error code.
        param: the field that it complains about, or empty.
        words: its message.
        offered: names of the tools that it was told of, in order, without those of
            the settings, which come last.
        fresh: those among them that it did not have before.
    """
    if not offered:
        return None
    places = [int(a or b) for text in (param, words) for a, b in _PLACE.findall(text)]
    if places:
        named = tuple(dict.fromkeys(offered[place] for place in places if place < len(offered)))
        return Blame(named, tuple(offered), tuple(fresh), words) if named else None
    if param and not _LIST.search(param):
        return None
    is_about = bool(param) or code in _CODES
    if not is_about and (_NOT_A_CALL.search(words) or not _WORDS.search(words)):
        return None
    return Blame(_mentioned(words, offered), tuple(offered), tuple(fresh), words)


def _mentioned(words: str, offered: Sequence[str]) -> tuple[str, ...]:
    """The tools in the words: said to be tools, else in quotes, else too peculiar for a word."""
    peculiar = [name for name in offered if "_" in name or "-" in name]
    for found in (
        set(_NAMED.findall(words)),
        set(_QUOTED.findall(words)),
        {n for n in peculiar if re.search(rf"(?<![\w-]){re.escape(n)}(?![\w-])", words)},
    ):
        named = tuple(name for name in offered if name in found)
        if named:
            return named
    return ()
