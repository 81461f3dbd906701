"""The lock of a journal counts for the files beside it, and for no others."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from mixer_core.journal import file, place
from mixer_core.journal.file import open_writer
from mixer_core.journal.parting import part
from mixer_core.runtime.errors import JournalError


def lock_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def while_waiting(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None], times: int) -> None:
    """``happens`` each of the first ``times`` that somebody waits for the lock."""
    take, left = fcntl.flock, [times]

    def waited(lock: int, operation: int) -> None:
        if left[0] > 0:
            left[0] -= 1
            happens()
        take(lock, operation)

    monkeypatch.setattr(fcntl, "flock", waited)


def test_a_lock_file_removed_while_it_is_waited_for_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.sqlite3"
    while_waiting(monkeypatch, lock_file(path).unlink, 2)
    with place.locked(path) as lock:
        assert os.path.samestat(os.fstat(lock), lock_file(path).stat())


def test_a_directory_put_back_meanwhile_has_its_own_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, kept = tmp_path / "state", tmp_path / "kept"
    path = state / "journal.sqlite3"
    kept.mkdir()
    open_writer(kept / path.name).close()
    state.mkdir()

    def put_back() -> None:
        state.rename(tmp_path / "bad")
        kept.rename(state)

    while_waiting(monkeypatch, put_back, 1)
    with place.locked(path) as lock:
        assert os.path.samestat(os.fstat(lock), lock_file(path).stat())


def test_a_lock_that_is_removed_without_end_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.sqlite3"
    while_waiting(monkeypatch, lock_file(path).unlink, place.MOST_TRIES)
    with pytest.raises(OSError) as told, place.locked(path):
        raise AssertionError("it was taken")
    assert told.value.errno == errno.ESTALE


def test_files_are_not_exchanged_under_the_lock_of_others(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    path = state / "journal.sqlite3"
    with place.locked(path) as lock:
        state.rename(tmp_path / "bad")
        state.mkdir()
        writer = open_writer(path)
        before = place.marks(path)
        with pytest.raises(JournalError) as told:
            os.pwrite(lock, b"1 1".ljust(48), 0)  # What the other log's memory was.
            part(path, lock)
        assert told.value.is_moved
        assert place.marks(path) == before
        writer.close()


@pytest.mark.parametrize("suffixes", [("-wal",), ("-shm",), ("-wal", "-shm")])
def test_a_log_that_is_removed_while_the_journal_is_opened_is_noticed(
    suffixes: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files would be those of their names as long as nobody makes others."""
    path, connect = tmp_path / "journal.sqlite3", file._connected

    def connected(found: Path, synchronous: str) -> sqlite3.Connection:
        connection = connect(found, synchronous)
        for suffix in suffixes:
            place.companion(found, suffix).unlink()
        return connection

    with monkeypatch.context() as patched:
        patched.setattr(file, "_connected", connected)
        with pytest.raises(JournalError) as caught:
            open_writer(path)
    assert caught.value.is_moved
    writer = open_writer(path)
    assert writer.is_in_place()
    writer.close()


def test_a_schema_that_somebody_else_makes_meanwhile_is_seen_whole_or_not_at_all(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.sqlite3"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA journal_mode = WAL")

    class Slow(sqlite3.Connection):
        def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:
            cursor = super().execute(sql, *arguments)  # type: ignore[arg-type]
            if sql == "PRAGMA user_version":
                row = cursor.fetchone()
                file.make_schema(other, path)
                return super().execute(f"SELECT {row[0]}")
            return cursor

    slow = sqlite3.connect(path, isolation_level=None, factory=Slow)
    assert not file._is_ours(slow, path)
    assert file._is_ours(other, path)
    slow.close()
    other.close()
