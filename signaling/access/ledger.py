"""The key and the book of invitations, as files of the state directory (mode 0600).

The gateway and ``mixminus invite`` share them: whoever changes the book holds its lock and puts a
new file in place of the old one; readers look whether the file is another one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec

from mixer_core.runtime.errors import RuntimeDirError
from mixer_core.runtime.files import (
    create_file,
    make_private_directory,
    read_file,
    replace_file,
)

from .book import Book

KEY_BYTES = 32
MOST_BYTES = 8 << 20
"""Of the book: 2,000 invitations to many rooms, and 1,000 bans."""
LOCK_S, LOCK_POLL_S = 3.0, 0.02
"""How long another process may hold the lock. It needs it for a few ms."""
KEY_FILE, BOOK_FILE, LOCK_FILE = "access.key", "invitations.json", "invitations.lock"


class Ledger:
    """The access files of one state directory."""

    def __init__(self, state_dir: Path, stands_in: bool = False) -> None:
        """Make the key if there is none. ``stands_in``: for a ledger that cannot be used.

        Raises RuntimeDirError.
        """
        self._dir = state_dir
        self.stands_in = stands_in
        """Invitations that are not in it may be in the one for which it stands in."""
        try:
            make_private_directory(state_dir)
            self.key = _key(state_dir / KEY_FILE)
        except OSError as error:
            raise _unusable(state_dir / KEY_FILE, error.strerror or str(error)) from error
        self._mark: tuple[int, int] | None = None
        self._book = Book()
        self.claim: Callable[[str], Awaitable[None]] | None = None
        """In a cluster: has one node only let a browser in by an invitation for one."""

    def take_key(self, key: bytes) -> None:
        """Another key counts from now on: that of a cluster. Raises RuntimeDirError."""
        try:
            replace_file(self._dir / KEY_FILE, key)
        except OSError as error:
            raise _unusable(self._dir / KEY_FILE, error.strerror or str(error)) from error
        self.key = key

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
        with self._locked():
            before = self.book()
            book = pruned = before.pruned(now_s)
            try:
                book = make(pruned).pruned(now_s)
            finally:  # Also where it is refused because the book is full.
                if book != before:
                    self._write(book)
            return self.book()

    def _write(self, book: Book) -> None:
        path = self._dir / BOOK_FILE
        try:
            replace_file(path, msgspec.json.format(msgspec.json.encode(book)))
        except OSError as error:
            raise _unusable(path, error.strerror or str(error)) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        path = self._dir / LOCK_FILE
        with contextlib.ExitStack() as stack:
            try:
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
                lock = os.open(path, flags, 0o600)
                stack.callback(os.close, lock)
                _take(lock)
            except OSError as error:
                raise _unusable(path, error.strerror or str(error)) from error
            yield


def _take(lock: int) -> None:
    """Raises TimeoutError where another process does not let go, such as one that is stopped."""
    end_s = time.monotonic() + LOCK_S
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end_s:
                words = f"another process has held it for {LOCK_S:.0f} s"
                raise TimeoutError(errno.ETIMEDOUT, words) from None
        time.sleep(LOCK_POLL_S)


def _key(path: Path) -> bytes:
    """The key in ``path``; a new one where there is none."""
    if not path.exists():
        create_file(path, secrets.token_bytes(KEY_BYTES))
    if path.stat().st_mode & 0o077:
        raise _unusable(path, "others may read it: chmod 600 it, or delete it")
    key = read_file(path, MOST_BYTES)
    if len(key) != KEY_BYTES:
        raise _unusable(path, "it is damaged: delete it; all invitations end with it")
    return key


def _read(path: Path) -> Book:
    try:
        return msgspec.json.decode(read_file(path, MOST_BYTES), type=Book)
    except (OSError, msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        why = f"it cannot be read ({error}): repair it, or delete it; all invitations end with it"
        raise _unusable(path, why) from error


def _unusable(path: Path, why: str) -> RuntimeDirError:
    return RuntimeDirError(f"the file {path} cannot be used: {why}")
