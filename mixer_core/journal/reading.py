"""Queries on the journal: the transcript, a conversation as it was, tokens and money.

Functions that take a path open a connection, read one consistent state and close it. They block
for milliseconds: do not call them on an event loop.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import repair, salvage
from .causes import journal_errors
from .file import open_reader
from .records import SIMULATED, TOKEN_NAMES, HistoryItem, Tokens
from .salvage import ITEM_NAMES

MAX_LIMIT = 1_000
"""Most entries that one query returns."""
MAX_CHARS = 8_000_000
"""Most of their words, arguments and outputs."""
ITEM_COLUMNS = ", ".join(ITEM_NAMES)


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """One conversation of a room: from the first participant to the last."""

    id: int
    room: str
    began_ms: int
    ended_ms: int | None
    """None: it goes on, or its process died."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Transcript:
    """A part of what was said in a room."""

    items: list[HistoryItem]
    """In the order of the conversation, oldest conversation first."""
    removed: list[str]
    """Ids of items that were deleted since the cursor."""
    cursor: int
    """Pass it as ``after`` to get what has been added or changed since."""
    is_damaged: bool = False
    """The journal is damaged: this is what could be read."""


@dataclass(slots=True)
class Spent:
    """Tokens and money of a room or a day."""

    tokens: Tokens = field(default_factory=Tokens)
    cost_usd: float = 0.0
    """Of everything whose price is known."""
    unpriced: int = 0
    """Responses and transcriptions whose price is not known."""
    people: dict[str, float] = field(default_factory=dict)
    """Dollars by name; what nobody asked for (greetings) is under the empty name."""


def conversations(path: Path, room: str) -> list[StoredConversation]:
    """The conversations of a room, newest first. Raises JournalError."""
    with open_reading(path) as connection:
        rows = connection.execute(
            "SELECT id, room, began_ms, ended_ms, reason FROM conversation "
            "WHERE room = ? ORDER BY id DESC",
            (room,),
        )
        return [StoredConversation(*row) for row in rows]


def items_of(path: Path, conversation: int) -> list[HistoryItem]:
    """All items of one conversation, in order. Raises JournalError."""
    with open_reading(path) as connection:
        return read_items(connection, conversation)


def read_items(connection: sqlite3.Connection, conversation: int) -> list[HistoryItem]:
    """``items_of`` on an open connection."""
    rows = connection.execute(
        f"SELECT {ITEM_COLUMNS} FROM item "
        "WHERE conversation = ? AND NOT removed ORDER BY position, item",
        (conversation,),
    )
    return [item_of(row) for row in rows]


def transcript(path: Path, room: str, limit: int, after: int | None) -> Transcript | None:
    """What was said in a room; None where the journal does not know it.

    Args:
        path: of the database. room: its name.
        limit: most entries, the newest ones; with ``after``: most changes, the first ones.
        after: cursor of an earlier answer: only what was added or changed since. One of another
            file, which has been put aside since, is taken as None.

    Raises:
        JournalError: the journal cannot be read; ``is_damage``: see ``salvaged``.
    """
    limit = max(1, min(limit, MAX_LIMIT))
    with open_reading(path) as connection:
        known = connection.execute("SELECT 1 FROM conversation WHERE room = ? LIMIT 1", (room,))
        if known.fetchone() is None:
            return None
        if after is None or after > _last_revision(connection):
            return _newest(connection, room, limit)
        return _changed(connection, room, limit, after)


def salvaged(path: Path, room: str, limit: int) -> Transcript:
    """The newest entries that can be read in a damaged journal. Raises JournalError."""
    with journal_errors(path, "read"), contextlib.closing(open_reader(path)) as connection:
        connection.row_factory = None
        found = salvage.items(connection, room)
    found = [row for row in found if not row[2]]
    items = [(row[0], item_of(row[3:])) for row in found]
    items.sort(key=lambda entry: (entry[0], entry[1].position, entry[1].item))
    return Transcript([item for _, item in items[-limit:]], [], 0, is_damaged=True)


def check(path: Path) -> None:
    """Raise JournalError (``is_damage``) where the journal is damaged; it reads all of it."""
    with contextlib.closing(open_reader(path)) as connection:
        repair.check(connection, path)


def spent(path: Path, room: str, day: str) -> tuple[Spent, Spent]:
    """What the room's newest conversation and the day over all rooms used.

    Args:
        path: of the database. room: its name.
        day: local, as 2026-11-22. Money and simulated money have days of their own: it is the
            one that the room's newest usage was counted in, or else anybody's.

    Raises:
        JournalError: the journal cannot be read.
    """
    with open_reading(path) as connection:
        newest = "conversation = (SELECT max(id) FROM conversation WHERE room = ?)"
        if _is_simulated(connection, newest, room):
            day += SIMULATED
        return _sum(connection, newest, room), _sum(connection, "day = ?", day)


def day_cost_usd(connection: sqlite3.Connection, day: str, room: str = "") -> float:
    """What a day of ``UsageRecord`` has cost so far, as far as prices are known.

    ``room``: in that one, wherever in the cluster it was; empty: over all rooms of this machine.
    """
    query, values = "SELECT total(cost_usd) FROM usage WHERE day = ?", [day]
    if room:
        date, simulated, _ = day.partition(SIMULATED)
        query = (
            "SELECT total(cost_usd) FROM usage WHERE (day = ? OR (day LIKE ? AND day NOT LIKE ?)) "
            "AND conversation IN (SELECT id FROM conversation WHERE room = ?)"
        )
        others = "" if simulated else f"%{SIMULATED}"
        values = [day, f"{date}@%{simulated}", others, room]
    row = connection.execute(query, values).fetchone()
    return float(row[0])


def item_of(row: sqlite3.Row | tuple[object, ...]) -> HistoryItem:
    """An item from a row of ``ITEM_COLUMNS``."""
    content = dict(zip(ITEM_NAMES, row, strict=True))
    content["final"] = bool(content["final"])
    if content["ok"] is not None:
        content["ok"] = bool(content["ok"])
    return HistoryItem(**content)


def _newest(connection: sqlite3.Connection, room: str, limit: int) -> Transcript:
    rows = connection.execute(
        f"SELECT {ITEM_COLUMNS} FROM item WHERE NOT removed "
        "AND conversation IN (SELECT id FROM conversation WHERE room = ?) "
        "ORDER BY conversation DESC, position DESC LIMIT ?",
        (room, limit),
    )
    newest, _ = bounded(rows, limit)
    items = [item_of(row) for row in reversed(newest)]
    return Transcript(items, [], _last_revision(connection))


def bounded(rows: Iterable[sqlite3.Row], limit: int) -> tuple[list[sqlite3.Row], bool]:
    """The first ``limit`` rows of items, of ``MAX_CHARS`` together, and whether those are all.

    There is one at least, whatever its length.
    """
    found: list[sqlite3.Row] = []
    chars = 0
    for row in rows:
        chars += sum(len(row[name]) for name in ("text", "arguments", "output"))
        if len(found) == limit or (found and chars > MAX_CHARS):
            return found, False
        found.append(row)
    return found, True


def _last_revision(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT ifnull(max(revision), 0) FROM item").fetchone()
    return int(row[0])


def _changed(connection: sqlite3.Connection, room: str, limit: int, after: int) -> Transcript:
    found = connection.execute(
        f"SELECT revision, removed, conversation, {ITEM_COLUMNS} FROM item WHERE revision > ? "
        "AND conversation IN (SELECT id FROM conversation WHERE room = ?) "
        "ORDER BY revision LIMIT ?",
        (after, room, limit),
    )
    rows, _ = bounded(found, limit)
    cursor = int(rows[-1]["revision"]) if rows else after
    removed = [str(row["item"]) for row in rows if row["removed"]]
    rows = [row for row in rows if not row["removed"]]
    rows.sort(key=lambda row: (row["conversation"], row["position"], row["item"]))
    return Transcript([item_of(tuple(row)[3:]) for row in rows], removed, cursor)


def _sum(connection: sqlite3.Connection, condition: str, value: str) -> Spent:
    """Sums over the rows of ``usage`` that meet ``condition``."""
    sums = ", ".join(f"ifnull(sum({name}), 0)" for name in TOKEN_NAMES)
    row = connection.execute(
        f"SELECT total(cost_usd), count(*) - count(cost_usd), {sums} FROM usage WHERE {condition}",
        (value,),
    ).fetchone()
    result = Spent(Tokens(*row[2:]), float(row[0]), int(row[1]))
    rows = connection.execute(
        "SELECT cost_usd, shares FROM usage WHERE cost_usd IS NOT NULL AND " + condition, (value,)
    )
    for cost_usd, shares in rows:
        people = json.loads(shares) or [["", "", 1.0]]
        for _, name, share in people:
            result.people[name] = result.people.get(name, 0.0) + cost_usd * share
    return result


def _is_simulated(connection: sqlite3.Connection, condition: str, value: str) -> bool:
    """Whether the newest usage that meets ``condition``, or else of all, was simulated."""
    row = connection.execute(
        f"SELECT day FROM usage WHERE {condition} ORDER BY wall_ms DESC, rowid DESC LIMIT 1",
        (value,),
    ).fetchone()
    row = row or connection.execute("SELECT day FROM usage ORDER BY rowid DESC LIMIT 1").fetchone()
    return row is not None and str(row[0]).endswith(SIMULATED)


@contextlib.contextmanager
def open_reading(path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_reader(path)
    try:
        with journal_errors(path, "read"):
            connection.execute("BEGIN")
            yield connection
    finally:
        connection.close()
