"""What an object holds: the sizes of all collections that can be reached from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

OURS = ("signaling", "media_worker", "mixer_core", "openai_link")
SAMPLE = 64
"""Members of a collection that are looked into."""


def sizes(root: object) -> dict[str, int]:
    """The largest size of the collections at each place, such as ``Registry._line._places``."""
    found: dict[str, int] = {}
    seen: set[int] = set()
    waiting: list[tuple[str, object]] = [(type(root).__name__, root)]
    while waiting:
        path, value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict | list | set | deque | bytearray | frozenset | tuple):
            found[path] = max(found.get(path, 0), len(value))
            if not isinstance(value, bytearray):
                members = value.values() if isinstance(value, Mapping) else value
                waiting += ((f"{path}[]", member) for member in list(members)[-SAMPLE:])
        elif type(value).__module__.partition(".")[0] in OURS:
            waiting += ((f"{path}.{name}", member) for name, member in _fields(value))
    return found


def grown(
    before: Mapping[str, int], after: Mapping[str, int], bounds: Mapping[str, int]
) -> list[str]:
    """Collections that have grown, and that are larger than ``bounds`` says for their last name."""
    result = []
    for path, size in sorted(after.items()):
        name = path.replace("[]", "").rpartition(".")[2]
        if size > before.get(path, 0) and size > bounds.get(name, 0):
            result.append(f"{path}: {before.get(path, 0)} -> {size}")
    return result


def _fields(value: object) -> Iterator[tuple[str, Any]]:
    yield from vars(value).items() if hasattr(value, "__dict__") else ()
    for kind in type(value).__mro__:
        slots = getattr(kind, "__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                yield name, getattr(value, name)
