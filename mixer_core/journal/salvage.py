"""Reads what can be read of a damaged journal, past the pages that cannot.

A table is a tree by row number. Rows are read in order until a page is damaged, then from ever
larger numbers until something can be read again, then back down to the damage.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import fields

from .records import HistoryItem

ITEM_NAMES = tuple(field.name for field in fields(HistoryItem))
LAST_ROW = 1 << 53
BUDGET_S = 60.0
"""Longest time for one file: others wait to write."""
_LOST = "what was known of it is damaged"


def rows(
    connection: sqlite3.Connection, table: str, columns: str, deadline_s: float
) -> Iterator[tuple[object, ...]]:
    """The rows of a table that can be read, by row number, which comes first.

    ``deadline_s``: of ``time.monotonic``; what has not been read by then is left out.
    """
    last = -1
    while time.monotonic() < deadline_s:
        try:
            for row in _select(connection, table, columns, last, "ASC"):
                last = int(row[0])
                yield tuple(row)
            return
        except sqlite3.DatabaseError:
            found = _beyond(connection, table, last)
        before: list[tuple[object, ...]] = []
        try:
            for row in _select(connection, table, columns, last, "DESC", found):
                before.append(tuple(row))
        except sqlite3.DatabaseError:
            pass
        yield from reversed(before)
        if found == LAST_ROW:
            return
        last = found


def copy(damaged: sqlite3.Connection, fresh: sqlite3.Connection) -> int:
    """Copy what can be read into a new journal with its tables; returns the number of items."""
    deadline_s = time.monotonic() + BUDGET_S
    for table in ("conversation", "session", "item", "usage"):
        info = fresh.execute(f"PRAGMA table_info({table})").fetchall()
        names = [str(column[1]) for column in info]
        is_sound = _check([(str(column[2]), bool(column[3] or column[5])) for column in info])
        insert = _insert(table, names)
        for row in _rows_of(damaged, table, ", ".join(names), deadline_s):
            values = row if table == "session" else row[1:]
            if is_sound(values):
                fresh.execute(insert, row)
    _adopt(fresh, _rooms(damaged))
    return int(fresh.execute("SELECT count(*) FROM item").fetchone()[0])


def items(connection: sqlite3.Connection, room: str) -> list[tuple[object, ...]]:
    """What can be read of a room: conversation, revision, removed, then ``ITEM_COLUMNS``."""
    deadline_s = time.monotonic() + BUDGET_S
    own = {number for number, name in _rooms(connection).items() if name == room}
    info = {row[1]: row for row in connection.execute("PRAGMA table_info(item)").fetchall()}
    names = ["conversation", "revision", "removed", *ITEM_NAMES]
    is_sound = _check([(str(info[n][2]), bool(info[n][3] or info[n][5])) for n in names])
    found = rows(connection, "item", ", ".join(names), deadline_s)
    return [row[1:] for row in found if row[1] in own and is_sound(row[1:])]


def _rows_of(
    connection: sqlite3.Connection, table: str, columns: str, deadline_s: float
) -> Iterator[tuple[object, ...]]:
    if table != "session":
        yield from rows(connection, table, columns, deadline_s)
        return
    try:
        for row in connection.execute(f"SELECT {columns} FROM session"):
            yield tuple(row)
    except sqlite3.DatabaseError:
        return


def _insert(table: str, names: list[str]) -> str:
    columns = names if table in ("session", "conversation") else ["rowid", *names]
    if table == "conversation":  # Its first column is the row number, which comes twice.
        values = f"?1, {', '.join(f'?{n}' for n in range(3, len(names) + 2))}"
    else:
        values = ", ".join("?" * len(columns))
    return f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({values})"


def _check(columns: list[tuple[str, bool]]) -> Callable[[tuple[object, ...]], bool]:
    """Whether the values of a row are of the types of its columns: type, and not NULL."""
    types: dict[str, type | tuple[type, ...]] = {
        "INTEGER": int,
        "TEXT": str,
        "REAL": (int, float),
    }

    def is_sound(values: tuple[object, ...]) -> bool:
        return all(
            (value is None and not needed) or isinstance(value, types[kind])
            for value, (kind, needed) in zip(values, columns, strict=True)
        )

    return is_sound


def _adopt(fresh: sqlite3.Connection, rooms: dict[int, str]) -> None:
    """Rows whose conversation could not be read get one; its room, if an index has that."""
    for table in ("item", "usage", "session"):
        orphans = fresh.execute(
            f"SELECT DISTINCT conversation FROM {table} "
            "WHERE conversation NOT IN (SELECT id FROM conversation)"
        ).fetchall()
        for (orphan,) in orphans:
            began, touched = fresh.execute(
                "SELECT ifnull(min(wall_ms), 0), ifnull(max(wall_ms), 0) FROM item "
                "WHERE conversation = ?",
                (orphan,),
            ).fetchone()
            fresh.execute(
                "INSERT INTO conversation (id, room, began_ms, touched_ms, ended_ms, reason) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (orphan, rooms.get(orphan, ""), began, touched, touched, _LOST),
            )


def _rooms(connection: sqlite3.Connection) -> dict[int, str]:
    """Rooms of conversations: from the table, and from the index that has them, too."""
    found: dict[int, str] = {}
    for where in ("INDEXED BY conversation_room", "NOT INDEXED"):
        for order in ("ASC", "DESC"):
            select = f"SELECT id, room FROM conversation {where} ORDER BY room {order}, id {order}"
            if where == "NOT INDEXED":
                select = f"SELECT id, room FROM conversation {where} ORDER BY id {order}"
            with contextlib.suppress(sqlite3.DatabaseError):
                for row in connection.execute(select):
                    if isinstance(row[0], int) and isinstance(row[1], str):
                        found[row[0]] = row[1]
    return found


def _beyond(connection: sqlite3.Connection, table: str, last: int) -> int:
    """A row number behind the damage from which reading works; ``LAST_ROW``: behind all rows."""
    step = 1
    while last + step < LAST_ROW:
        try:
            found = next(_select(connection, table, "1", last + step, "ASC"), None)
            return LAST_ROW if found is None else int(found[0])
        except sqlite3.DatabaseError:
            step *= 2
    return LAST_ROW


def _select(
    connection: sqlite3.Connection,
    table: str,
    columns: str,
    above: int,
    order: str,
    until: int = LAST_ROW,
) -> Iterator[tuple[int, ...]]:
    cursor = connection.cursor()
    cursor.row_factory = None
    return cursor.execute(
        f"SELECT rowid, {columns} FROM {table} NOT INDEXED WHERE rowid > ? AND rowid <= ? "
        f"ORDER BY rowid {order}",
        (above, until),
    )
