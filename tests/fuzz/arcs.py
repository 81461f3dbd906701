"""Which lines follow each other: what leads the search, and chooses the corpus."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from types import FrameType
from typing import Any


class Arcs:
    """Records the arcs of some modules while it is active."""

    def __init__(self, modules: Iterable[str]) -> None:
        self._files = frozenset(filter(None, map(file_of, modules)))
        self.seen: set[tuple[int, int, int]] = set()
        """Code, line before, line."""
        self.new = 0
        """Arcs that came in the last run."""

    def __enter__(self) -> Arcs:
        self._known = len(self.seen)
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        self.new = len(self.seen) - self._known

    def _call(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in self._files:
            return None
        code, seen, last = id(frame.f_code), self.seen, 0

        def line(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal last
            seen.add((code, last, frame.f_lineno))
            last = frame.f_lineno
            return line

        return line


def file_of(module: str) -> str | None:
    """The file of a module."""
    spec = importlib.util.find_spec(module)
    return spec.origin if spec is not None else None
