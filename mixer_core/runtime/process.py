"""The skeleton of every program: settings, log, runtime directory, lock, signals, exit code.

An error that a person can fix ends the process with one line and exit code 78 or 1, never with a
traceback.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Generic, TypeVar

from . import logs
from .errors import AlreadyRunningError, RuntimeDirError, StartupError
from .settings import CommonSettings, load

SUPERVISED_VARIABLE = "MIXMINUS_SUPERVISED"
_PR_SET_PDEATHSIG = 1
"""Linux ``prctl(2)``."""

S = TypeVar("S", bound=CommonSettings)


@dataclass
class Context(Generic[S]):
    """What a program is given by its skeleton."""

    program: str
    settings: S
    log: logging.LoggerAdapter[logging.Logger]
    stop_fd: int = -1
    """Readable once SIGTERM or SIGINT came; for programs without asyncio."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once SIGTERM or SIGINT came; for programs with asyncio."""

    @property
    def runtime_dir(self) -> Path:
        """Where the sockets are."""
        return self.settings.runtime_dir

    @property
    def supervised(self) -> bool:
        """Whether supervisord started this program."""
        return SUPERVISED_VARIABLE in os.environ


def run(program: str, declared: type[S], body: Callable[[Context[S]], None]) -> int:
    """Run a program without asyncio; ``body`` returns when ``stop_fd`` is readable.

    ``declared``: the class of the program's settings. Returns the exit code.
    """

    def guarded(context: Context[S]) -> None:
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        context.stop_fd = reader.fileno()
        body(context)
        signal.set_wakeup_fd(-1)
        reader.close()
        writer.close()

    return _guard(program, declared, guarded)


def run_async(
    program: str, declared: type[S], body: Callable[[Context[S]], Awaitable[None]]
) -> int:
    """Run a program on uvloop; ``body`` returns when ``context.stop`` is set.

    ``declared``: the class of the program's settings. Returns the exit code.
    """

    async def main(context: Context[S]) -> None:
        context.stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, context.stop.set)
        await body(context)

    return _guard(program, declared, lambda context: run_on_uvloop(main(context)))


def run_on_uvloop(main: Awaitable[None]) -> None:
    """Run a coroutine to its end on a fresh uvloop loop."""
    import uvloop

    async def entry() -> None:
        await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(entry())


def die_with_parent(number: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send ``number`` to this process when its parent ends (Linux only)."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def prepare_runtime_dir(path: Path) -> None:
    """Create the runtime directory with mode 0700, or check that it is ours and private.

    Raises:
        RuntimeDirError: it cannot be created, belongs to somebody else, or is not writable.
    """
    cure = "set MIXMINUS_RUNTIME__DIR to a directory that you own"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError as error:
        raise RuntimeDirError(
            f"the runtime directory {path} cannot be created ({error.strerror}): {cure}"
        ) from error
    if status.st_uid != os.getuid():
        raise RuntimeDirError(f"the runtime directory {path} belongs to another user: {cure}")
    if status.st_mode & 0o077:
        os.chmod(path, 0o700)
    if not os.access(path, os.W_OK | os.X_OK):
        raise RuntimeDirError(f"the runtime directory {path} is not writable: {cure}")
    probe = path / f".probe-{os.getpid()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RuntimeDirError(
            f"the runtime directory {path} is not writable ({error.strerror}): {cure}"
        ) from error


def lock(runtime_dir: Path, name: str) -> IO[str]:
    """Take ``<runtime_dir>/<name>.lock`` for the life of the returned file.

    Raises:
        AlreadyRunningError: somebody holds it; the message names the process.
    """
    path = runtime_dir / f"{name}.lock"
    try:
        file = path.open("a+", encoding="ascii")
    except OSError as error:
        raise RuntimeDirError(f"the lock {path} cannot be opened ({error.strerror})") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip() or "?"
        file.close()
        raise AlreadyRunningError(
            f"{name} already runs in {runtime_dir} (process {holder}): "
            "stop it, or set MIXMINUS_RUNTIME__DIR to another directory"
        ) from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _guard(program: str, declared: type[S], body: Callable[[Context[S]], None]) -> int:
    """Set up, run ``body``, and turn what goes wrong into one line and an exit code."""
    try:
        settings = load(declared)
        logs.setup(settings.runtime.log_level)
        context = Context(program, settings, logs.get(program))
        prepare_runtime_dir(settings.runtime_dir)
        if context.supervised:
            die_with_parent()
        with lock(settings.runtime_dir, program):
            body(context)
    except StartupError as error:
        print(f"{program}: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0
