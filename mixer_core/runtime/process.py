"""The skeleton of every program: settings, log, runtime directory, lock, signals, exit code.

An error that a person can fix ends the process with one line and exit code 78 or 1, never with a
traceback.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from . import logs
from .bound_path import prepare_runtime_dir
from .errors import EXIT_FAILURE, EXIT_PASSING, StartupError
from .lock_file import LockFile, path_of
from .log_level import LevelFile
from .secrets import secret_values
from .settings import CommonSettings, load
from .start_checks import Needs, raise_descriptor_limit
from .upkeep import Upkeep

if TYPE_CHECKING:
    import asyncio

SUPERVISED_VARIABLE = "MIXMINUS_SUPERVISED"
"""Set for the programs of supervisord: its process id."""
DRAIN_SIGNAL = signal.SIGUSR1
"""To signaling: let nobody new in, and end when all have left."""
HAND_OVER_SIGNAL = signal.SIGHUP
"""To any program: end, and let calls go on; it is started again with settings that have changed."""
ALIVE_S = 1.0
"""Between two signs of life."""
_PR_SET_PDEATHSIG = 1
"""Linux ``prctl(2)``."""

S = TypeVar("S", bound=CommonSettings)
Check = Callable[[S, Mapping[str, str]], Needs]
"""``check_start`` of a program: settings and environment in, what it needs out."""


@dataclass
class Context(Generic[S]):
    """What a program is given by its skeleton."""

    program: str
    settings: S
    log: logging.LoggerAdapter[logging.Logger]
    upkeep: Upkeep
    """Of its lock; to be checked every ``ALIVE_S`` by the loop that does the program's work: that
    is its sign of life. ``run_async`` does it."""
    stop_fd: int = -1
    """Readable once SIGTERM or SIGINT came; for programs without asyncio."""
    stop: asyncio.Event = field(init=False)
    """Set once SIGTERM or SIGINT came; for programs with asyncio."""
    hands_over: bool = False
    """Another process of this program follows, with other settings: calls go on."""

    @property
    def runtime_dir(self) -> Path:
        """Where the sockets are."""
        return self.settings.runtime_dir

    @property
    def supervised(self) -> bool:
        """Whether supervisord started this program."""
        return SUPERVISED_VARIABLE in os.environ


def run(
    program: str,
    declared: type[S],
    body: Callable[[Context[S]], None],
    check: Check[S] | None = None,
) -> int:
    """Run a program without asyncio; ``body`` returns when ``stop_fd`` is readable.

    ``declared``: the class of the program's settings. ``check``: its ``check_start``. Returns the
    exit code.
    """

    def guarded(context: Context[S]) -> None:
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno())
        for number in (signal.SIGTERM, signal.SIGINT, HAND_OVER_SIGNAL):
            signal.signal(number, lambda *_: None)
        context.stop_fd = reader.fileno()
        body(context)
        signal.set_wakeup_fd(-1)
        reader.close()
        writer.close()

    return _guard(program, declared, guarded, check)


def run_async(
    program: str,
    declared: type[S],
    body: Callable[[Context[S]], Awaitable[None]],
    check: Check[S] | None = None,
) -> int:
    """Run a program on uvloop; ``body`` returns when ``context.stop`` is set.

    ``declared``: the class of the program's settings. ``check``: its ``check_start``. Returns the
    exit code.
    """

    import asyncio

    async def main(context: Context[S]) -> None:
        context.stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, context.stop.set)

        def hand_over() -> None:
            context.hands_over = True
            context.stop.set()

        loop.add_signal_handler(HAND_OVER_SIGNAL, hand_over)

        def alive() -> None:
            context.upkeep.check()
            loop.call_later(ALIVE_S, alive)

        alive()
        await body(context)

    return _guard(program, declared, lambda context: run_on_uvloop(main(context)), check)


def run_on_uvloop(main: Awaitable[None]) -> None:
    """Run a coroutine to its end on a fresh uvloop loop."""
    import asyncio

    import uvloop

    async def entry() -> None:
        await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(entry())


def die_with_parent(number: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send ``number`` to this process when its parent ends (Linux only)."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def check_supervisor(value: str) -> None:
    """Whether supervisord is our parent; it may have ended before it could be watched.

    ``value``: of ``SUPERVISED_VARIABLE``, its process id.

    Raises:
        StartupError: it has ended.
    """
    if value.isdigit() and int(value) > 1 and os.getppid() != int(value):
        raise StartupError(f"supervisord (process {value}) has ended")


def end_within(limit_s: float) -> None:
    """End this process after ``limit_s`` at the latest, whatever task or thread holds it."""

    def end() -> None:
        time.sleep(limit_s)
        os._exit(EXIT_FAILURE)

    threading.Thread(target=end, name="end", daemon=True).start()


def _guard(
    program: str,
    declared: type[S],
    body: Callable[[Context[S]], None],
    check: Check[S] | None,
) -> int:
    """Set up, run ``body``, and turn what goes wrong into one line and an exit code."""
    try:
        settings = load(declared)
        if check is not None:
            raise_descriptor_limit(check(settings, os.environ).descriptors)
        logs.setup(settings.runtime.log_level, settings.runtime.log_format)
        logs.conceal(secret_values(os.environ))
        prepare_runtime_dir(settings.runtime_dir)
        if SUPERVISED_VARIABLE in os.environ:
            die_with_parent()
            check_supervisor(os.environ[SUPERVISED_VARIABLE])
        with LockFile(path_of(settings.runtime_dir, program)) as own:
            own.take()
            log = logs.get(program)
            level = LevelFile(settings.runtime_dir, settings.runtime.log_level)
            body(Context(program, settings, log, Upkeep(log, own.renew, level.renew)))
    except StartupError as error:
        print(f"{program}: {error}", file=sys.stderr, flush=True)
        is_passing = error.may_pass and SUPERVISED_VARIABLE in os.environ
        return EXIT_PASSING if is_passing else error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0
