"""The documents of the repository: their links, headings and fenced blocks."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_RUN = re.compile(r"\*Not run by a test: .{5,}\.\*")
"""The paragraph above a block that no test runs: it says why, to readers, too."""
_LEFT_OUT = {"node_modules", "site", "build", "dist", "tests/data"}
_FENCE = re.compile(r"^( *)(```+)([^`]*)$")
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    path: str
    line: int
    language: str
    text: str
    is_run: bool
    """Whether it does not say that no test runs it."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Document:
    """A Markdown file."""

    path: str
    """From the root."""
    blocks: tuple[Block, ...]
    links: tuple[tuple[int, str], ...]
    """Line and target of each link, code apart."""
    anchors: frozenset[str]
    """What a forge calls its headings."""


@cache
def documents() -> tuple[Document, ...]:
    """All of them."""
    return tuple(sorted(map(read, _paths()), key=lambda document: document.path))


def _paths() -> Iterator[str]:
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [f for f in folders if not f.startswith(".") and f not in _LEFT_OUT]
        for file in files:
            if file.endswith(".md"):
                yield str((Path(folder) / file).relative_to(ROOT))


def read(path: str) -> Document:
    """One file."""
    blocks: list[Block] = []
    prose: list[tuple[int, str]] = []
    inside: list[str] | None = None
    begin, fence, language, paragraph = 0, "", "", ""
    for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
        mark = _FENCE.match(line)
        if inside is None and mark:
            inside, begin, fence, language = [], number, mark[1] + mark[2], mark[3].strip()
        elif inside is not None and line == fence:
            is_run = not NOT_RUN.fullmatch(paragraph.strip())
            blocks.append(Block(path, begin, language, "\n".join(inside) + "\n", is_run))
            inside, paragraph = None, ""
        elif inside is not None:
            inside.append(line.removeprefix(fence[: -len(fence.lstrip())]))
        else:
            prose.append((number, line))
            paragraph = f"{paragraph} {line.strip()}" if line.strip() else paragraph
            if line.strip() and prose[-2:-1] and not prose[-2][1].strip():
                paragraph = line
    assert inside is None, f"{path}:{begin}: this block has no end"
    links = [(n, link[1]) for n, line in prose for link in _LINK.finditer(_without_code(line))]
    return Document(path, tuple(blocks), tuple(links), frozenset(_anchors(prose)))


def _without_code(line: str) -> str:
    return re.sub(r"`[^`]*`", "", line)


def _anchors(prose: list[tuple[int, str]]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for _, line in prose:
        if heading := re.match(r"#{1,6} +(.*?) *#*$", line):
            name = slug(heading[1])
            yield f"{name}-{seen[name]}" if seen[name] else name
            seen[name] += 1


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it: letters, digits, ``-`` and ``_`` stay."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
    kept = (c for c in text.lower() if c in "-_ " or unicodedata.category(c)[0] in "LNM")
    return "".join(kept).replace(" ", "-")
