"""Small files that must be whole after a power cut, and are read although others may damage them.

A file is replaced in one step: the new content is written beside it, flushed to the disk, and
renamed; then the directory is flushed, since the name is in it (``fsync(2)``, ``rename(2)``). A
reader takes regular files only, so that a pipe in their place stops nobody, and no more bytes than
it can use.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

PRIVATE = 0o600
_FRESH = ".new"


def read_file(path: Path, most_bytes: int) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: it is not there, cannot be read, is no regular file, or has over ``most_bytes``.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # ``open`` keeps that of a directory.
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(most_bytes + 1)
    finally:
        os.close(descriptor)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it has over {most_bytes} bytes", str(path))
    return content


def replace_file(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Put ``content`` in place of a file, whole or not at all. Raises OSError."""
    fresh = _written(path, content, mode)
    try:
        os.replace(fresh, path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def create_file(path: Path, content: bytes, mode: int = PRIVATE) -> bool:
    """Make a file, whole or not at all; False: there is one already. Raises OSError."""
    fresh = _written(path, content, mode)
    try:
        os.link(fresh, path)
    except FileExistsError:
        return False
    finally:
        fresh.unlink(missing_ok=True)
    sync_directory(path.parent)
    return True


def make_private_directory(path: Path) -> None:
    """Make a directory (0700) with those above it, and flush their names. Raises OSError."""
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in made:
        sync_directory(folder.parent)


def sync_file(path: Path) -> None:
    """Flush what is in a file. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Flush the names in a directory; where the file system has no such thing, nothing happens."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EROFS):
            raise
    finally:
        os.close(descriptor)


def _written(path: Path, content: bytes, mode: int) -> Path:
    """A new file beside ``path`` that is on the disk."""
    _sweep(path)
    fresh = path.with_name(f".{path.name}.{os.getpid()}{_FRESH}")
    fresh.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(fresh, flags, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    return fresh


def _sweep(path: Path) -> None:
    """Remove what processes have left that died while they wrote."""
    for left in path.parent.glob(f".{path.name}.*{_FRESH}"):
        writer = left.name.removesuffix(_FRESH).rpartition(".")[2]
        if writer.isdigit() and not Path("/proc", writer).exists():
            with contextlib.suppress(OSError):
                left.unlink()
