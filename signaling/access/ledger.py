"""The key and the book of invitations, as files of the state directory (mode 0600).

The gateway and ``mixminus invite`` share them: whoever changes the book holds its lock and puts a
new file in place of the old one; readers look whether the file is another one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from mixer_core.runtime.errors import RuntimeDirError

from .book import Book

KEY_BYTES = 32
KEY_FILE, BOOK_FILE, LOCK_FILE = "access.key", "invitations.json", "invitations.lock"


class Ledger:
    """The access files of one state directory."""

    def __init__(self, state_dir: Path) -> None:
        """Make the key if there is none. Raises RuntimeDirError."""
        self._dir = state_dir
        try:
            state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.key = _key(state_dir / KEY_FILE)
        except OSError as error:
            raise _unusable(state_dir / KEY_FILE, error.strerror or str(error)) from error
        self._mark: tuple[int, int] | None = None
        self._book = Book()

    def book(self) -> Book:
        """The book as it is now. Raises RuntimeDirError if it cannot be read."""
        path = self._dir / BOOK_FILE
        try:
            status = path.stat()
        except FileNotFoundError:
            self._mark, self._book = None, Book()
            return self._book
        except OSError as error:
            raise _unusable(path, error.strerror or str(error)) from error
        mark = status.st_ino, status.st_mtime_ns
        if mark != self._mark:
            self._book, self._mark = _read(path), mark
        return self._book

    def change(self, make: Callable[[Book], Book], now_s: int) -> Book:
        """Replace the book by ``make(book)``. Raises what ``make`` raises, and RuntimeDirError."""
        path = self._dir / BOOK_FILE
        with self._locked():
            book = make(self.book()).pruned(now_s)
            fresh = path.with_suffix(".new")
            try:
                fresh.touch(0o600)
                fresh.write_bytes(msgspec.json.format(msgspec.json.encode(book)))
                fresh.replace(path)
            except OSError as error:
                raise _unusable(path, error.strerror or str(error)) from error
            return self.book()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        path = self._dir / LOCK_FILE
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(open(path, "w", opener=_private))
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                raise _unusable(path, error.strerror or str(error)) from error
            yield


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _key(path: Path) -> bytes:
    """The key in ``path``; a new one where there is none."""
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
    if path.stat().st_mode & 0o077:
        raise _unusable(path, "others may read it: chmod 600 it, or delete it")
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise _unusable(path, "it is damaged: delete it; all invitations end with it")
    return key


def _read(path: Path) -> Book:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Book)
    except (OSError, msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        why = f"it cannot be read ({error}): repair it, or delete it; all invitations end with it"
        raise _unusable(path, why) from error


def _unusable(path: Path, why: str) -> RuntimeDirError:
    return RuntimeDirError(f"the file {path} cannot be used: {why}")
