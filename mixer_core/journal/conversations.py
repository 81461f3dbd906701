"""The conversations of a room, one by one: what there is, one of them, and where words were said.

Functions open a connection, read one consistent state and close it. They block for milliseconds,
``search`` for up to ``SEARCH_S``: do not call them on an event loop.

Search reads the words themselves, newest first, without an index: nothing is written twice, an
older or smaller SQLite reads the same file, and what is deleted is gone.
"""

from __future__ import annotations

import re
import sqlite3
import time
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .reading import ITEM_COLUMNS, bounded, item_of, open_reading
from .record_writer import LOST
from .records import HistoryItem

MAX_ITEMS = 10_000
"""Most entries of one conversation that are returned, the newest."""
MAX_LISTED = 200
"""Most conversations in one list."""
MAX_HITS = 200
"""Most entries that a search returns."""
MAX_WORDS, MAX_QUERY_CHARS = 8, 200
"""Of a search."""
SEARCH_S = 2.0
"""Longest time for a search; what was found by then is returned."""
SNIPPET_CHARS = 160
"""Of an entry that was found."""
PROGRESS_STEPS = 20_000
"""Steps of SQLite's machine between two looks at the clock: a millisecond or two."""
FIRST_WORDS_CHARS = 120
_NAMES = 12
"""Most names in the list for one conversation."""
_ASCII = re.compile(r"[\x01-\x7f]+(?![^\x01-\x7f])")
_FIELDS = ("text", "name", "tool", "arguments", "output")
"""What a search looks at."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One conversation in a list."""

    id: int
    began_ms: int
    """Unix time, like the next."""
    ended_ms: int | None
    """None: it goes on, or its process died."""
    entries: int
    people: tuple[str, ...]
    """Who spoke or wrote, by name."""
    begins_with: str
    """The first words that somebody said."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation with what was said in it."""

    id: int
    began_ms: int
    ended_ms: int | None
    items: list[HistoryItem]
    """In order; the newest, if there are more than are returned."""
    is_whole: bool
    """Nothing was left out."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry with the words of a search."""

    conversation: int
    item: HistoryItem
    snippet: str
    """The words with some of what stands around them, in one line."""


@dataclass(frozen=True, slots=True)
class Hits:
    """What a search has found, the newest first."""

    hits: list[Hit]
    is_complete: bool
    """All was looked at; else time or room ran out at the oldest one."""


def listed(path: Path, room: str, limit: int, before: int | None = None) -> list[Listed]:
    """The conversations of a room in which something was said, newest first.

    Args:
        path: of the database. room: its name. limit: how many, at most ``MAX_LISTED``.
        before: id of a conversation: only older ones.

    Raises:
        JournalError: the journal cannot be read.
    """
    with open_reading(path) as connection:
        rows = connection.execute(
            "SELECT c.id, c.began_ms, c.ended_ms, count(*) AS entries "
            "FROM conversation AS c JOIN item AS i ON i.conversation = c.id AND NOT i.removed "
            "WHERE c.room = ? AND c.id < ? GROUP BY c.id ORDER BY c.id DESC LIMIT ?",
            (room, (1 << 62) if before is None else before, max(1, min(limit, MAX_LISTED))),
        ).fetchall()
        return [
            Listed(
                row["id"],
                row["began_ms"],
                row["ended_ms"],
                row["entries"],
                _people(connection, row["id"]),
                _first(connection, row["id"]),
            )
            for row in rows
        ]


def newest(path: Path, room: str) -> int | None:
    """Id of the room's newest conversation in which something was said. Raises JournalError."""
    found = listed(path, room, 1)
    return found[0].id if found else None


def running(path: Path, room: str) -> int | None:
    """Id of the conversation that goes on in a room with people. Raises JournalError."""
    with open_reading(path) as connection:
        row = connection.execute(
            "SELECT id, ended_ms FROM conversation WHERE room = ? AND reason != ? "
            "ORDER BY id DESC LIMIT 1",
            (room, LOST),
        ).fetchone()
        return None if row is None or row["ended_ms"] is not None else int(row["id"])


def conversation(path: Path, room: str, number: int, limit: int = MAX_ITEMS) -> Conversation | None:
    """One conversation of a room; None: the room has none with that id. Raises JournalError."""
    with open_reading(path) as connection:
        row = connection.execute(
            "SELECT began_ms, ended_ms FROM conversation WHERE id = ? AND room = ?", (number, room)
        ).fetchone()
        if row is None:
            return None
        rows = connection.execute(
            f"SELECT {ITEM_COLUMNS} FROM item WHERE conversation = ? AND NOT removed "
            "ORDER BY position DESC, item DESC LIMIT ?",
            (number, max(1, min(limit, MAX_ITEMS)) + 1),
        )
        newest, is_whole = bounded(rows, limit)
        items = [item_of(row) for row in reversed(newest)]
        return Conversation(number, int(row["began_ms"]), row["ended_ms"], items, is_whole)


def search(path: Path, room: str, query: str, limit: int) -> Hits:
    """Where in a room all words of ``query`` were said, whatever their case.

    Args:
        path: of the database. room: its name.
        query: of it ``MAX_WORDS`` words count, in ``MAX_QUERY_CHARS`` characters.
        limit: how many entries, at most ``MAX_HITS``.

    Raises:
        JournalError: the journal cannot be read.
    """
    words = words_of(query)
    limit = max(1, min(limit, MAX_HITS))
    if not words:
        return Hits([], True)
    deadline_s = time.monotonic() + SEARCH_S
    hits: list[Hit] = []
    with open_reading(path) as connection:
        connection.set_progress_handler(lambda: int(time.monotonic() >= deadline_s), PROGRESS_STEPS)
        try:
            for hit in _matches(connection, room, words):
                if len(hits) == limit:
                    return Hits(hits, False)
                hits.append(hit)
        except sqlite3.OperationalError:
            if time.monotonic() < deadline_s:
                raise
            return Hits(hits, False)
    return Hits(hits, True)


def words_of(query: str) -> list[str]:
    """The words that a search looks for, in lower case."""
    return _folded(query[:MAX_QUERY_CHARS]).split()[:MAX_WORDS]


def _matches(connection: sqlite3.Connection, room: str, words: Sequence[str]) -> Iterator[Hit]:
    haystack = " || ' ' || ".join(_FIELDS)
    conditions = " AND ".join(f"{haystack} LIKE ? ESCAPE '\\'" for _ in words)
    ids = connection.execute("SELECT id FROM conversation WHERE room = ? ORDER BY id DESC", (room,))
    for (number,) in ids.fetchall():
        rows = connection.execute(
            f"SELECT {ITEM_COLUMNS} FROM item WHERE conversation = ? AND NOT removed "
            f"AND {conditions} ORDER BY position DESC",
            (number, *map(_pattern, words)),
        )
        for row in rows:
            item = item_of(row)
            text = " ".join(filter(None, (getattr(item, name) for name in _FIELDS)))
            if all(word in _folded(text) for word in words):
                yield Hit(int(number), item, _snippet(item, words))


def _pattern(word: str) -> str:
    """For LIKE, which knows upper and lower case of ASCII only: the longest part of that.

    A letter before another one may be stored together with it, as an accent is.
    """
    longest = max(_ASCII.findall(word), key=len, default="")
    return "%" + "".join(f"\\{c}" if c in "\\%_" else c for c in longest) + "%"


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()


def _snippet(item: HistoryItem, words: Sequence[str]) -> str:
    """About ``SNIPPET_CHARS`` around the first word that the text has."""
    text = " ".join((item.text or item.output or item.arguments).split())
    at = min((at for word in words if (at := _folded(text).find(word)) >= 0), default=0)
    start = max(0, min(at - SNIPPET_CHARS // 3, len(text) - SNIPPET_CHARS))
    cut = text[start : start + SNIPPET_CHARS]
    return f"{'… ' if start else ''}{cut}{' …' if start + SNIPPET_CHARS < len(text) else ''}"


def _people(connection: sqlite3.Connection, number: int) -> tuple[str, ...]:
    """Who spoke, in order; those who spoke at once have one line with all their names."""
    rows = connection.execute(
        "SELECT name FROM item WHERE conversation = ? AND NOT removed AND name != '' "
        "GROUP BY name ORDER BY min(position) LIMIT ?",
        (number, _NAMES),
    )
    each = dict.fromkeys(name for row in rows for name in str(row[0]).split(", "))
    return tuple(each)[:_NAMES]


def _first(connection: sqlite3.Connection, number: int) -> str:
    """What somebody said first, or else the assistant."""
    row = connection.execute(
        "SELECT substr(text, 1, ?) FROM item WHERE conversation = ? AND NOT removed "
        "AND kind = 'message' AND text != '' ORDER BY role != 'user', position LIMIT 1",
        (FIRST_WORDS_CHARS, number),
    ).fetchone()
    return "" if row is None else " ".join(str(row[0]).split())
