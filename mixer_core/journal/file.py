"""The journal's database: where it is, its schema, and how it is opened.

One SQLite file for all rooms, written by every link child and read by signaling and the command
line. In WAL mode readers never wait; writers take turns, each for the few milliseconds of a short
transaction, and wait for one another for up to ``BUSY_TIMEOUT_S``.

``item.revision`` counts all changes of all rooms. It is taken inside the write transaction, so
that the order of revisions is the order of commits: a reader that continues after the highest
revision it has seen misses nothing, late transcripts included.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from ..runtime.errors import JournalError
from .records import SIMULATED

FILE_NAME = "journal.sqlite3"
VERSION = 1
"""``user_version`` of the schema below."""
BUSY_TIMEOUT_S = 5.0
CLEAN_AFTER_BYTES = 4 << 20
"""The write-ahead log is cut back to this after a checkpoint."""

_SCHEMA = (
    """CREATE TABLE conversation (
        id INTEGER PRIMARY KEY,
        room TEXT NOT NULL,
        began_ms INTEGER NOT NULL,
        touched_ms INTEGER NOT NULL,  -- last write
        ended_ms INTEGER,             -- NULL: goes on, or its process died
        reason TEXT NOT NULL DEFAULT ''
    )""",
    "CREATE INDEX conversation_room ON conversation (room, id)",
    """CREATE TABLE session (
        conversation INTEGER NOT NULL REFERENCES conversation ON DELETE CASCADE,
        session TEXT NOT NULL,
        started_ms INTEGER,
        ended_ms INTEGER,
        reason TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (conversation, session)
    ) WITHOUT ROWID""",
    """CREATE TABLE item (
        conversation INTEGER NOT NULL REFERENCES conversation ON DELETE CASCADE,
        item TEXT NOT NULL,
        revision INTEGER NOT NULL,    -- of the latest change, over all rooms
        position INTEGER NOT NULL,    -- order within the conversation
        kind TEXT NOT NULL,           -- message | tool
        role TEXT NOT NULL,           -- user | assistant | system
        participant TEXT NOT NULL,
        name TEXT NOT NULL,
        text TEXT NOT NULL,
        wall_ms INTEGER NOT NULL,
        final INTEGER NOT NULL,
        heard_ms INTEGER,
        failure TEXT NOT NULL,
        call TEXT NOT NULL,
        tool TEXT NOT NULL,
        arguments TEXT NOT NULL,
        output TEXT NOT NULL,
        ok INTEGER,                   -- NULL: has not answered
        session TEXT NOT NULL,
        removed INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (conversation, item)
    )""",
    "CREATE INDEX item_order ON item (conversation, position)",
    "CREATE UNIQUE INDEX item_revision ON item (revision)",
    """CREATE TABLE usage (
        conversation INTEGER NOT NULL REFERENCES conversation ON DELETE CASCADE,
        kind TEXT NOT NULL,           -- response | transcription
        key TEXT NOT NULL,
        model TEXT NOT NULL,
        wall_ms INTEGER NOT NULL,
        day TEXT NOT NULL,            -- local; ~sim behind it: simulated dollars
        text_in INTEGER NOT NULL,
        text_cached INTEGER NOT NULL,
        audio_in INTEGER NOT NULL,
        audio_cached INTEGER NOT NULL,
        image_in INTEGER NOT NULL,
        image_cached INTEGER NOT NULL,
        text_out INTEGER NOT NULL,
        audio_out INTEGER NOT NULL,
        seconds REAL NOT NULL,
        cost_usd REAL,                -- NULL: not known
        shares TEXT NOT NULL,         -- JSON [[participant, name, share], ...]
        status TEXT NOT NULL,
        PRIMARY KEY (conversation, kind, key)
    )""",
    "CREATE INDEX usage_day ON usage (day, cost_usd)",
)


def journal_path(state_dir: Path) -> Path:
    """Where the database of ``state_dir`` is."""
    return state_dir / FILE_NAME


def local_day(wall_ms: int, simulated: bool = False) -> str:
    """The local day of a Unix time, as 2026-11-22; ``simulated``: the day of that account."""
    day = time.strftime("%Y-%m-%d", time.localtime(wall_ms / 1000))
    return day + SIMULATED if simulated else day


@contextlib.contextmanager
def journal_errors(path: Path, what: str) -> Iterator[None]:
    """Turn system errors, SQLite errors and values that SQLite refuses into a JournalError.

    Its message names the file; ``what`` is what could not be done to it, as a participle.
    """
    try:
        yield
    except (OSError, sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        cause = error.strerror if isinstance(error, OSError) else str(error)
        if isinstance(error, sqlite3.DatabaseError) and _is_broken(error):
            cause = f"{cause}: move the file away, and a new one is created"
        raise JournalError(f"the journal {path} cannot be {what} ({cause})") from error


def open_writer(path: Path, synchronous: str = "FULL") -> sqlite3.Connection:
    """A connection that writes; creates the directory (0700), the file (0600) and the schema.

    Args:
        path: of the database. synchronous: ``FULL`` survives a power cut, ``NORMAL`` only the
            death of the process.

    Raises:
        JournalError: the directory or the file cannot be used.
    """
    with journal_errors(path, "opened"):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.parent.stat().st_mode & 0o077:
            path.parent.chmod(0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            _enter_wal(connection)
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = FAST")
            connection.execute(f"PRAGMA journal_size_limit = {CLEAN_AFTER_BYTES}")
            connection.execute("PRAGMA cache_size = -256")
            _make_schema(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads, with ``sqlite3.Row`` rows; close it soon.

    Raises:
        JournalError: there is no journal, or it cannot be read.
    """
    with journal_errors(path, "read"):
        if not path.exists():
            raise JournalError(f"there is no journal at {path}")
        uri = f"{path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            _check_version(_version(connection), path)
        except BaseException:
            connection.close()
            raise
        return connection


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Several processes may try at once, and SQLite does not wait for this lock by itself."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)


def _make_schema(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        if version == 0:
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        else:
            _check_version(version, path)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _check_version(version: int, path: Path) -> None:
    if version != VERSION:
        raise JournalError(
            f"the journal {path} has version {version}, this program knows {VERSION}: "
            "update mixminus, or move the file away"
        )


def _is_broken(error: sqlite3.DatabaseError) -> bool:
    return any(words in str(error) for words in ("not a database", "malformed"))
