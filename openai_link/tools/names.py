"""Names for tools of others, within the service's rule ``[A-Za-z0-9_-]{1,64}``. Sans-I/O.

A tool is called ``server__tool``. Where that would lose something (a character that the service
does not take, what is beyond 64 characters, upper and lower case alone) a hash of what it stands
for is added. So two tools never share a name, and a name never comes to mean another tool:
whatever comes, goes or reconnects.

====================  ==========================================================================
a name without hash   never ends like one that has a hash; its server ends at the first ``__``
a name with a hash    is made of nothing but the server's own name and the tool's own name
====================  ==========================================================================
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable

MAX_NAME = 64
MAX_LABEL = 24
"""Longest part of a name that stands for the server."""
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_-]")
_HASHED = re.compile(r"_[0-9a-f]{8}", re.IGNORECASE)
_HASH_CHARS = 9
"""Of a hash and the ``_`` before it."""


def labels(servers: Iterable[str]) -> dict[str, str]:
    """A label for each of the servers that the settings name; none contains ``__``."""
    known = list(servers)
    cleaned = {server: _FORBIDDEN.sub("_", server) for server in known}
    counts = Counter(label.casefold() for label in cleaned.values())
    return {
        server: label
        if counts[label.casefold()] == 1 and _is_label(label)
        else _hashed_label(server, label)
        for server, label in cleaned.items()
    }


def names(label: str, server: str, tools: Iterable[str]) -> dict[str, str]:
    """A name for each of the tools of a server, by its own name.

    ``tools``: all that the server has, whether they are offered or not.
    """
    known = list(dict.fromkeys(tools))
    counts = Counter(tool.casefold() for tool in known)
    return {
        tool: f"{label}__{tool}"
        if counts[tool.casefold()] == 1 and _is_plain(label, tool)
        else with_hash(f"{label}__{_FORBIDDEN.sub('_', tool)}", server, tool)
        for tool in known
    }


def with_hash(name: str, *origin: str) -> str:
    """``name``, cut if it must be, with a hash of what it stands for."""
    return f"{name[: MAX_NAME - _HASH_CHARS]}_{_hash(*origin)}"


def _is_label(label: str) -> bool:
    is_clear = "__" not in label and label == label.strip("_")
    return is_clear and 0 < len(label) <= MAX_LABEL and not _HASHED.fullmatch(label[-_HASH_CHARS:])


def _hashed_label(server: str, label: str) -> str:
    short = re.sub("_+", "_", label).strip("_")[: MAX_LABEL - _HASH_CHARS].strip("_")
    return f"{short or 'mcp'}_{_hash(server)}"


def _is_plain(label: str, tool: str) -> bool:
    if not tool or _FORBIDDEN.search(tool) or len(f"{label}__{tool}") > MAX_NAME:
        return False
    return not _HASHED.fullmatch(tool[-_HASH_CHARS:])


def _hash(*origin: str) -> str:
    data = json.dumps(origin).encode()  # ASCII, whatever the names are made of.
    return hashlib.sha256(data).hexdigest()[: _HASH_CHARS - 1]
