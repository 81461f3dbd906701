"""Where the lines of all programs go: the output of ``mixminus run``, or a file that rotates.

supervisord has a log file per program; here all lines stand in one, in the order in which they
came, and each line is whole: two programs never write into one another's.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MAX_LINE_BYTES = 64 * 1024
"""A longer line is cut in pieces."""
FILE_MODE = 0o640


class Lines:
    """Puts whole lines together from what comes in any pieces, by program. Sans-I/O."""

    def __init__(self) -> None:
        self._begun: dict[str, bytes] = {}
        self._last: dict[str, str] = {}

    def feed(self, program: str, data: bytes) -> bytes:
        """The lines that are complete now."""
        held = self._begun.pop(program, b"") + data
        end = held.rfind(b"\n") + 1
        whole, rest = held[:end], held[end:]
        if len(rest) >= MAX_LINE_BYTES:
            whole, rest = whole + rest + b"\n", b""
        if rest:
            self._begun[program] = rest
        self._note(program, whole)
        return whole

    def end(self, program: str) -> bytes:
        """The program has ended: its last line, if it is not complete."""
        rest = self._begun.pop(program, b"")
        self._note(program, rest)
        return rest + b"\n" if rest else b""

    def last(self, program: str) -> str:
        """The last line that is not empty."""
        return self._last.get(program, "")

    def _note(self, program: str, lines: bytes) -> None:
        written = lines.decode(errors="replace").strip()
        if written:
            self._last[program] = written.rpartition("\n")[2].strip()


class Output:
    """One open place to write to."""

    def __init__(self, file: str = "", max_bytes: int = 0, keep: int = 0) -> None:
        """``file``: empty for standard output. A file over ``max_bytes`` becomes ``<file>.1``, and
        what was ``.1`` becomes ``.2``, up to ``keep``. Raises OSError where it cannot be opened.
        """
        self._path = Path(file) if file else None
        self._max_bytes = max_bytes
        self._keep = keep
        self._fd = 1
        self._lost = 0
        """Lines that could not be written since the last that was."""
        if self._path is not None:
            self._fd = _open(self._path)

    def write(self, lines: bytes) -> None:
        """Append whole lines. Raises nothing: on a full disk they are lost, and counted."""
        if not lines:
            return
        if self._lost:
            told = f"mixminus: {self._lost} lines of the log could not be written\n".encode()
            lines, lost = told + lines, self._lost
        else:
            lost = 0
        try:
            self._rotate(len(lines))
            _write_all(self._fd, lines)
            self._lost = 0
        except OSError:
            self._lost = lost + lines.count(b"\n") - (lost > 0)

    def reopen(self) -> None:
        """Somebody may have moved the file away (logrotate): go on in a new one."""
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            fresh = _open(self._path)
            os.close(self._fd)
            self._fd = fresh

    def close(self) -> None:
        """Close the file."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                os.close(self._fd)

    def _rotate(self, coming: int) -> None:
        path = self._path
        if path is None or not self._max_bytes:
            return
        size = os.fstat(self._fd).st_size
        if not size or size + coming <= self._max_bytes:
            return
        if not self._keep:
            os.ftruncate(self._fd, 0)
            return
        try:
            if path.exists():  # Else somebody has removed it.
                self._put_aside(path)
            self.reopen()
        except OSError as error:  # It must not grow on, and must go on.
            os.ftruncate(self._fd, 0)
            told = f"mixminus: the log cannot be put aside ({error.strerror}): it begins anew\n"
            _write_all(self._fd, told.encode())

    def _put_aside(self, path: Path) -> None:
        for number in range(self._keep - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{path}.{number}", f"{path}.{number + 1}")
        os.replace(path, f"{path}.1")


def _open(path: Path) -> int:
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    return os.open(path, flags, FILE_MODE)


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
