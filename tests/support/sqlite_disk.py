"""A disk below SQLite: fails on demand, and notes every write, so that a power cut can be played.

It is a VFS (https://sqlite.org/vfs.html) of the very library that Python's ``sqlite3`` uses: the
system's, whose file methods are replaced by ones that count, fail or note and then call the
original. It becomes the default one, so the code under test opens its files as ever.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sqlite3
from collections.abc import Iterator
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from dataclasses import dataclass, field
from pathlib import Path

OK, IOERR_READ, IOERR_WRITE, IOERR_FSYNC = 0, 266, 778, 1034
_NAMES = (
    *("xClose", "xRead", "xWrite", "xTruncate", "xSync", "xFileSize", "xLock", "xUnlock"),
    *("xCheckReservedLock", "xFileControl", "xSectorSize", "xDeviceCharacteristics"),
    *("xShmMap", "xShmLock", "xShmBarrier", "xShmUnmap", "xFetch", "xUnfetch"),
)
_MOVE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)
_CLOSE = CFUNCTYPE(c_int, c_void_p)
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)


class _Methods(Structure):
    _fields_ = [("iVersion", c_int), *((name, c_void_p) for name in _NAMES)]


class _Vfs(Structure):
    _fields_ = [
        ("iVersion", c_int),
        ("szOsFile", c_int),
        ("mxPathname", c_int),
        ("pNext", c_void_p),
        ("zName", c_char_p),
        ("pAppData", c_void_p),
        ("xOpen", c_void_p),
        ("xDelete", c_void_p),
        *((f"rest{number}", c_void_p) for number in range(16)),
    ]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that was done to a file."""

    kind: str
    """write | truncate | sync | delete."""
    path: str
    offset: int = 0
    """Of a write; of a truncation: the new size."""
    content: bytes = b""


@dataclass
class Disk:
    """What happened, and what is to fail."""

    steps: list[Step] = field(default_factory=list)
    notes: bool = False
    """Whether steps are noted."""
    code: int = OK
    """What writes and flushes return instead of doing anything; ``OK``: they work."""
    reads_fail: bool = False
    paths: dict[int, str] = field(default_factory=dict)
    """Open files by the address of SQLite's object."""

    @contextlib.contextmanager
    def failing(self, code: int, reads: bool = False) -> Iterator[None]:
        """Writes and flushes, and with ``reads`` these too, fail meanwhile."""
        self.code, self.reads_fail = code, reads
        try:
            yield
        finally:
            self.code, self.reads_fail = OK, False

    def note(self, kind: str, file: int, offset: int = 0, content: bytes = b"") -> None:
        """Something was done."""
        if self.notes:
            self.steps.append(Step(kind, self.paths.get(file, ""), offset, content))


def library() -> ctypes.CDLL | None:
    """SQLite, where it is a library that Python shares with us; None: it is built in."""
    try:
        found = ctypes.CDLL("libsqlite3.so.0")
    except OSError:
        return None
    found.sqlite3_libversion.restype = c_char_p
    mine = sqlite3.sqlite_version.encode()
    return found if found.sqlite3_libversion() == mine and _is_shared() else None


@contextlib.contextmanager
def disk() -> Iterator[Disk]:
    """A disk for every database that is opened meanwhile."""
    sqlite = library()
    assert sqlite is not None
    made = Disk()
    sqlite.sqlite3_vfs_find.restype = POINTER(_Vfs)
    sqlite.sqlite3_vfs_find.argtypes = [c_char_p]
    sqlite.sqlite3_vfs_register.argtypes = [c_void_p, c_int]
    sqlite.sqlite3_vfs_unregister.argtypes = [c_void_p]
    system = sqlite.sqlite3_vfs_find(None).contents
    vfs = _Vfs.from_buffer_copy(system)
    vfs.zName = b"tested"
    kept = _Hooks(made, system)
    vfs.xOpen, vfs.xDelete = kept.address(kept.open), kept.address(kept.delete)
    _FOREVER.extend((vfs, kept))
    sqlite.sqlite3_vfs_register(ctypes.byref(vfs), 1)
    try:
        yield made
    finally:
        sqlite.sqlite3_vfs_register(ctypes.byref(system), 1)
        sqlite.sqlite3_vfs_unregister(ctypes.byref(vfs))


def after(steps: list[Step], folder: Path, torn: bool = False) -> None:
    """Put the files into ``folder`` that a power cut after these steps leaves.

    ``torn``: of the last write only the first half is on the disk.
    """
    files: dict[str, bytearray] = {}
    for number, step in enumerate(steps, start=1):
        content = files.setdefault(os.path.basename(step.path), bytearray())
        if step.kind == "write":
            written = step.content
            if torn and number == len(steps):
                written = written[: len(written) // 2]
            content.extend(bytes(max(0, step.offset - len(content))))
            content[step.offset : step.offset + len(written)] = written
        elif step.kind == "truncate":
            del content[step.offset :]
        elif step.kind == "delete":
            del files[os.path.basename(step.path)]
    for name, content in files.items():
        (folder / name).write_bytes(content)


def flushed(steps: list[Step]) -> list[Step]:
    """The same where nothing has reached the disk that was not flushed."""
    done: list[Step] = []
    waiting: dict[str, list[Step]] = {}
    for step in steps:
        if step.kind == "sync":
            done += waiting.pop(step.path, [])
        elif step.kind == "delete":
            waiting.pop(step.path, None)
            done.append(step)
        else:
            waiting.setdefault(step.path, []).append(step)
    return done


_FOREVER: list[object] = []
"""SQLite may call a method of a file that is still open when its test is over."""


class _Hooks:
    """The methods, which must live as long as a file is open."""

    def __init__(self, made: Disk, system: _Vfs) -> None:
        self._disk = made
        self._kept: list[object] = []
        self._open = _OPEN(system.xOpen)
        self._delete = _DELETE(system.xDelete)
        self._methods: dict[int, _Methods] = {}
        self.open = _OPEN(self._on_open)
        self.delete = _DELETE(self._on_delete)

    def address(self, function: object) -> int | None:
        """Of a function, for a field of a structure."""
        self._kept.append(function)
        return ctypes.cast(function, c_void_p).value  # type: ignore[arg-type]

    def _on_open(self, vfs: int, name: int, file: int, flags: int, out: int) -> int:
        result = int(self._open(vfs, name, file, flags, out))
        if result == OK and name:
            slot = ctypes.cast(file, POINTER(c_void_p))
            slot[0] = ctypes.addressof(self._replaced(int(slot[0] or 0)))
            self._disk.paths[file] = ctypes.string_at(name).decode()
        return result

    def _on_delete(self, vfs: int, name: bytes, flush: int) -> int:
        result = int(self._delete(vfs, name, flush))
        if result == OK and self._disk.notes:
            self._disk.steps.append(Step("delete", name.decode()))
        return result

    def _replaced(self, address: int) -> _Methods:
        """The system's methods of a file, with ours in front."""
        if address in self._methods:
            return self._methods[address]
        found = _Methods.from_address(address)
        mine = _Methods.from_buffer_copy(found)
        made, read, write = self._disk, _MOVE(found.xRead), _MOVE(found.xWrite)
        truncate, flush, close = (
            _TRUNCATE(found.xTruncate),
            _SYNC(found.xSync),
            _CLOSE(found.xClose),
        )

        def on_read(file: int, buffer: int, amount: int, offset: int) -> int:
            return IOERR_READ if made.reads_fail else int(read(file, buffer, amount, offset))

        def on_write(file: int, buffer: int, amount: int, offset: int) -> int:
            if made.code:
                return made.code
            made.note("write", file, offset, ctypes.string_at(buffer, amount))
            return int(write(file, buffer, amount, offset))

        def on_truncate(file: int, size: int) -> int:
            if made.code:
                return made.code
            made.note("truncate", file, size)
            return int(truncate(file, size))

        def on_sync(file: int, flags: int) -> int:
            if made.code:
                return made.code
            made.note("sync", file)
            return int(flush(file, flags))

        def on_close(file: int) -> int:
            made.paths.pop(file, None)
            return int(close(file))

        mine.xRead, mine.xWrite = self.address(_MOVE(on_read)), self.address(_MOVE(on_write))
        mine.xTruncate, mine.xSync = (
            self.address(_TRUNCATE(on_truncate)),
            self.address(_SYNC(on_sync)),
        )
        mine.xClose = self.address(_CLOSE(on_close))
        self._methods[address] = mine
        return mine


def _is_shared() -> bool:
    """Whether Python's module has not a SQLite of its own."""
    connection = sqlite3.connect(":memory:")
    connection.close()
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    return "libsqlite3.so" in maps
