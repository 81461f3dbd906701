"""The tools of all sources, each under a name of its own. Sans-I/O.

A source is a module of tools or an MCP server. Its tools are replaced as a whole, and what belongs
to a tool is in one ``ToolSpec``: no name, schema, function or confirmation outlives the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from .names import with_hash
from .spec import ToolSpec


class Catalogue:
    """Tools by name, of the sources in their order."""

    def __init__(self, sources: Iterable[str]) -> None:
        """``sources``: all that there may be; of two tools with one name the first keeps it."""
        self._sources: dict[str, Sequence[ToolSpec]] = dict.fromkeys(sources, ())
        self._specs: dict[str, ToolSpec] = {}

    @property
    def specs(self) -> Mapping[str, ToolSpec]:
        """Always the same mapping; in the order of the sources, and of each one's own list."""
        return self._specs

    def replace(self, source: str, specs: Sequence[ToolSpec]) -> list[str]:
        """A source has these tools and no others; the names that could not be offered."""
        self._sources[source] = specs
        missing: list[str] = []
        found: dict[str, ToolSpec] = {}
        taken: dict[str, ToolSpec] = {}
        for owner, known in self._sources.items():
            for spec in known:
                placed = _placed(owner, spec, taken)
                if placed is not None:
                    taken[placed.name.casefold()] = found[placed.name] = placed
                elif owner == source and spec.function is not taken[_key(spec)].function:
                    missing.append(spec.name)
        self._specs.clear()
        self._specs.update(found)
        return missing


def _placed(owner: str, spec: ToolSpec, taken: Mapping[str, ToolSpec]) -> ToolSpec | None:
    """The tool under a name that is free; None where there is none, or it is there already."""
    known = taken.get(_key(spec))
    if known is None:
        return spec
    if known.function is spec.function:
        return None
    other = replace(
        spec, name=with_hash(spec.name, owner, spec.name), title=spec.title or spec.name
    )
    return other if other.name.casefold() not in taken else None


def _key(spec: ToolSpec) -> str:
    return spec.name.casefold()
