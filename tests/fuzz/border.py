"""What a fuzzer needs to know of a border: inputs, what may happen, what is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Form = Literal["bytes", "text", "json", "msgpack"]


@dataclass(frozen=True)
class Border:
    """A place where something comes in that somebody else made."""

    name: str
    title: str
    """What comes in."""
    oracle: str
    """What must hold of every input, in words; ``attempt`` checks it."""
    attempt: Callable[[bytes], None]
    """Tries one input; raises where the oracle does not hold."""
    seeds: Callable[[], Iterable[bytes]]
    """Inputs that are as they should be, made by our own code."""
    modules: tuple[str, ...]
    """Modules whose branches are counted, and lead the search."""
    form: Form = "bytes"
    """How inputs are built; their structure is changed, too."""
    tokens: tuple[bytes, ...] = ()
    """What matters to the reader."""
    most_bytes: int = 4_096
    """Longest input."""
    short: int = 200
    """Attempts of the short run."""
    needs_sockets: bool = False
    """Attempts leave memory: they use real sockets."""


def pieces(data: bytes, most: int = 200) -> Iterator[tuple[int, bytes]]:
    """Cut an input into pieces: a kind, a length of two bytes, so many bytes; the last may end."""
    at = 0
    while at + 3 <= len(data) and most > 0:
        kind, length = data[at], int.from_bytes(data[at + 1 : at + 3], "big")
        yield kind, data[at + 3 : at + 3 + length]
        at += 3 + length
        most -= 1


def joined(*parts: tuple[int, bytes]) -> bytes:
    """An input that ``pieces`` cuts into ``parts``."""
    return b"".join(bytes((kind,)) + len(part).to_bytes(2, "big") + part for kind, part in parts)
