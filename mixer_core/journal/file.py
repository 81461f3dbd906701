"""The journal's database: where it is, its schema, and how it is opened.

One SQLite file for all rooms, written by every link child and read by signaling and the command
line. In WAL mode readers never wait; writers take turns, each for the few milliseconds of a short
transaction, and wait for one another for up to ``BUSY_TIMEOUT_S``.

``item.revision`` counts all changes of all rooms. It is taken inside the write transaction, so
that the order of revisions is the order of commits: a reader that continues after the highest
revision it has seen misses nothing, late transcripts included.

A file that another program made, or a later version of this one, is left alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from ..runtime.errors import JournalError, NoJournalError
from ..runtime.files import make_private_directory
from . import place
from .causes import journal_errors, moved, unusable
from .parting import part
from .records import SIMULATED

FILE_NAME = "journal.sqlite3"
VERSION = 1
"""``user_version`` of the schema below."""
BUSY_TIMEOUT_S = 5.0
CLEAN_AFTER_BYTES = 4 << 20
"""The write-ahead log is cut back to this after a checkpoint."""
APPLICATION_ID = 0x6D69786D
"""In the header of new files ("mixm"); those of earlier programs have 0."""
_TABLES = frozenset({"conversation", "session", "item", "usage"})
_MARK_TABLE = "CREATE TABLE IF NOT EXISTS mark (name TEXT PRIMARY KEY, value) WITHOUT ROWID"
"""What all processes know of the file: when its age was looked at. Earlier programs ignore it."""

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


class Writer:
    """A connection that writes, and knows whether its files are still those of that name."""

    def __init__(self, path: Path, db: sqlite3.Connection, was_empty: bool) -> None:
        """``path``: of the main file. The lock is held. ``was_empty``: something emptied it.

        Raises JournalError (``is_moved``) and OSError.
        """
        self.path = path
        self.was_empty = was_empty
        self.db = db
        self.marks = place.marks(path)
        """Its files."""
        if None in self.marks:  # Taken away while it was opened: what is written goes nowhere.
            db.close()
            raise moved(path)

    def is_in_place(self) -> bool:
        """Whether who opens the journal now finds what this connection has written."""
        return place.marks(self.path) == self.marks

    def is_main_in_place(self) -> bool:
        """Whether at least the main file is the same."""
        return place.marks(self.path)[0] == self.marks[0]

    def flush(self) -> None:
        """Bring what is committed into the main file, wherever that is now. Raises JournalError."""
        with journal_errors(self.path, "closed"):
            self.db.execute("PRAGMA wal_checkpoint(FULL)").fetchall()

    def close(self) -> None:
        """Close the connection. Raises JournalError.

        SQLite removes the write-ahead log by its name. Where that is another file's by now, the
        connection stays open until the process ends: nothing else keeps SQLite from it. Of a main
        file that was moved it leaves what is in the log, so that is flushed first.
        """
        with journal_errors(self.path, "closed"):
            with contextlib.suppress(JournalError):
                self.flush()
            try:
                with place.locked(self.path) as lock:
                    was_in_place = self.is_in_place()
                    self._close()
                    if was_in_place:
                        place.note_end(self.path, lock)
            except OSError:  # The directory is gone, or takes no lock.
                self._close()

    def _close(self) -> None:
        log = place.marks(self.path)[1]
        if log is None or log == self.marks[1]:
            self.db.close()
        else:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.db))


def open_writer(path: Path, synchronous: str = "FULL") -> Writer:
    """A connection that writes; creates the directory (0700), the file (0600) and the schema.

    Args:
        path: of the database. synchronous: ``FULL`` survives a power cut, ``NORMAL`` only the
            death of the process.

    Raises:
        JournalError: the directory or the file cannot be used.
    """
    with journal_errors(path, "opened"):
        make_private_directory(path.parent)
        if path.parent.stat().st_mode & 0o077:
            path.parent.chmod(0o700)
        path = place.resolved(path)
        with place.locked(path) as lock:
            was_empty = place.is_there(path) and not path.stat().st_size
            if not place.is_there(path):
                place.make(path, lock)
            part(path, lock)
            try:
                writer = Writer(path, _connected(path, synchronous), was_empty)
            except sqlite3.OperationalError as error:
                if path.exists():
                    raise
                raise moved(path) from error
            try:
                place.note_memory(writer.marks, lock)
            except OSError:
                writer.db.close()
                raise
            return writer


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads, with ``sqlite3.Row`` rows; close it soon.

    Raises:
        NoJournalError: there is none.
        JournalError: it cannot be read.
    """
    with journal_errors(path, "read"):
        if not place.is_there(path):
            raise NoJournalError(f"there is no journal at {path}", "there is no journal")
        path = place.resolved(path)
        try:
            return _reading(path, "mode=ro")
        except sqlite3.OperationalError:
            log = place.companion(path, "-wal")
            if log.exists() and log.stat().st_size:
                raise
            # Where nothing may be written SQLite has no shared memory; without a log there is
            # nobody to share it with.
            return _reading(path, "mode=ro&immutable=1")


def make_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables in an empty database, in one transaction.

    Raises:
        JournalError: it holds something else. sqlite3.Error.
    """
    if _is_ours(connection, path):
        connection.execute(_MARK_TABLE)
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _is_ours(connection, path):
            for statement in (*_SCHEMA, _MARK_TABLE):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def tolerant(connection: sqlite3.Connection) -> None:
    """Damage is noticed where it can be; text that is no UTF-8 is read with replacements."""
    connection.execute("PRAGMA cell_size_check = ON")
    connection.text_factory = lambda content: content.decode("utf-8", "replace")


def _connected(path: Path, synchronous: str) -> sqlite3.Connection:
    # Made by ``place`` only: a file that SQLite makes may get companions of an earlier one.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        _is_ours(connection, path)  # Before anything is written to it.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # Of an empty file only.
        _enter_wal(connection)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute(f"PRAGMA journal_size_limit = {CLEAN_AFTER_BYTES}")
        connection.execute("PRAGMA cache_size = -256")
        tolerant(connection)
        make_schema(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _reading(path: Path, how: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{how}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        tolerant(connection)
        if not _is_ours(connection, path):
            raise NoJournalError(f"the journal {path} is empty", "the journal is empty")
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


@contextlib.contextmanager
def _at_one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """What the block reads is of one moment: somebody else may make the schema meanwhile."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _is_ours(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether it is a journal of this version; False: it is empty. Raises JournalError."""
    tables = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    with _at_one_moment(connection):
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        application = int(connection.execute("PRAGMA application_id").fetchone()[0])
        names = {str(row[0]) for row in connection.execute(tables)}
    is_foreign = application not in (0, APPLICATION_ID) or (names and not names >= _TABLES)
    if is_foreign and not (application == APPLICATION_ID and version > VERSION):
        raise unusable(path, "it is a file of another program: move it away")
    if version not in (0, VERSION) or (names and version == 0):
        raise unusable(
            path,
            f"it has version {version}, this program knows {VERSION}: update mixminus, or move "
            "the file away",
        )
    return bool(names)
