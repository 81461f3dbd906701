"""Reads lines of the log again, in either form, and picks those about a room. Sans-I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mixer_core.runtime import logs
from mixer_core.runtime.log_level import LEVELS

_CONSOLE = re.compile(
    r"\d\d:\d\d:\d\d\.\d{3} (?P<level>[A-Z]+) +mixminus\.(?P<program>\S+): "
    r"(?:\[(?P<about>[^\]]*)\] )?"
)
_SEVERITY = {level: rank for rank, level in enumerate(LEVELS)} | {"critical": len(LEVELS)}


@dataclass(frozen=True, slots=True)
class Line:
    """What a line says of itself."""

    level: str
    program: str
    about: tuple[str, ...]
    """Room, participant, or the id of something else."""


def parse(text: str) -> Line | None:
    """The head of a line; None: it goes on from the one before, or is of another program.

    Whatever stands before the line (a date that journald adds) does not matter.
    """
    match, start = _CONSOLE.search(text), text.find("{")
    is_console = match is not None and (start < 0 or match.start() < start)
    if start >= 0 and not is_console and text.rstrip().endswith("}"):
        try:
            content = json.loads(text[start:])
        except ValueError:
            content = None
        if isinstance(content, dict) and isinstance(content.get("message"), str):
            about = (content.get(name) for name in ("room", "participant", "ident"))
            words = tuple(word for word in about if isinstance(word, str))
            return Line(str(content.get("level")), str(content.get("program")), words)
    if match is None:
        return None
    return Line(match["level"].lower(), match["program"], tuple((match["about"] or "").split()))


def concealed(lines: bytes) -> bytes:
    """Whole lines, without secrets where no logger of ours has written them and looked for them.

    So a traceback of the interpreter, or what a library prints.
    """
    return b"".join(map(_concealed, lines.splitlines(keepends=True)))


def _concealed(line: bytes) -> bytes:
    text = line.decode(errors="surrogateescape")
    if parse(text) is not None:
        return line
    return logs.redact(text).encode(errors="surrogateescape")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines; an empty field leaves all."""

    about: tuple[str, ...] = ()
    """Words that a line must be about: a room, a participant."""
    program: str = ""
    level: str = "debug"
    """The lowest."""

    def admits(self, line: Line) -> bool:
        """Whether a line is wanted."""
        return (
            all(word in line.about for word in self.about)
            and self.program in ("", line.program)
            and _SEVERITY.get(line.level, 0) >= _SEVERITY.get(self.level, 0)
        )


def pick(lines: Iterable[str], wanted: Wanted) -> Iterator[str]:
    """The wanted lines, each with what goes on from it, such as a traceback."""
    goes_on = False
    for text in lines:
        if not text:  # No line, but a mark of whoever reads them.
            yield text
            continue
        line = parse(text)
        if line is not None:
            goes_on = wanted.admits(line)
        if goes_on:
            yield text
