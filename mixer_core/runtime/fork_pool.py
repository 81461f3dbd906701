"""A pool of warm child processes, forked from a server that has imported everything once.

A host (media_worker, openai_link) keeps a few idle children. A child that is given work says so
on its pipe, and the host starts the next one; when a child ends, the host tells signaling.
A child watches that pipe and ends when the host is gone (the fork server does not end by itself
while a child lives); should the fork server be killed, the kernel ends its children.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any, Generic, TypeVar

from . import logs
from .process import die_with_parent
from .settings import CommonSettings

CRASH_WINDOW_S = 1.0
"""A child that dies idle and younger than this is replaced only after a pause."""
CRASH_PAUSE_S = 1.0
TAKEN = b"t"

S = TypeVar("S", bound=CommonSettings)
ChildMain = Callable[[str, S, "Parent"], None]
"""``main(identity, settings, parent)`` of a child."""


class Parent:
    """A child's line to its host."""

    def __init__(self, pipe: Connection) -> None:
        """Starts a thread that sleeps until the host is gone, then ends this process."""
        self._pipe = pipe
        threading.Thread(target=self._end_with_host, name="host-watch", daemon=True).start()

    def _end_with_host(self) -> None:
        try:
            self._pipe.recv_bytes()
        except (EOFError, OSError):
            os.kill(os.getpid(), signal.SIGTERM)

    def taken(self) -> None:
        """This child has work: the host may start another idle one."""
        try:
            self._pipe.send_bytes(TAKEN)
        except OSError:
            os.kill(os.getpid(), signal.SIGTERM)


class _Child:
    """What the host knows of one child."""

    def __init__(self, process: ForkServerProcess, pipe: Connection) -> None:
        self.process = process
        self.pipe = pipe
        self.idle = True
        self.started_s = time.monotonic()


class ForkPool(Generic[S]):
    """Keeps ``idle`` children waiting, and at most ``most`` alive."""

    def __init__(
        self,
        program: str,
        settings: S,
        preload: str,
        child_main: ChildMain[S],
        idle: int,
        most: int,
        on_exit: Callable[[str, int], None],
    ) -> None:
        """``preload``: the module that imports and freezes. ``on_exit(child, exit_code)``."""
        self._program = program
        self._settings = settings
        self._preload = preload
        self._child_main = child_main
        self._idle = idle
        self._most = most
        self._on_exit = on_exit
        self._log = logs.get(program)
        self._loop = asyncio.get_running_loop()
        self._children: dict[str, _Child] = {}
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload([preload])
        self._pause: asyncio.TimerHandle | None = None
        self._closed = False
        self.started = 0
        """Children started so far."""

    @property
    def idle_children(self) -> int:
        """Children that wait for work."""
        return sum(child.idle for child in self._children.values())

    @property
    def children(self) -> int:
        """Children alive."""
        return len(self._children)

    def fill(self) -> None:
        """Start children until enough are idle or the most are alive."""
        self._pause = None
        while (
            not self._closed
            and self.idle_children < self._idle
            and len(self._children) < self._most
        ):
            self._start()

    def close(self) -> None:
        """End all children: SIGTERM now, the kernel's parent-death signal for the rest."""
        self._closed = True
        if self._pause is not None:
            self._pause.cancel()
        for child in self._children.values():
            self._loop.remove_reader(child.pipe.fileno())
            child.process.terminate()

    def _start(self) -> None:
        identity = f"{self._program}-{secrets.token_hex(4)}"
        ours, theirs = self._context.Pipe(duplex=True)
        process = self._context.Process(
            target=_child_entry,
            args=(self._child_main, self._preload, identity, self._settings, theirs),
            name=identity,
            daemon=True,
        )
        process.start()
        theirs.close()
        self.started += 1
        self._children[identity] = _Child(process, ours)
        self._loop.add_reader(ours.fileno(), self._readable, identity)

    def _readable(self, identity: str) -> None:
        child = self._children[identity]
        try:
            child.pipe.recv_bytes()
            child.idle = False
        except (EOFError, OSError):
            self._bury(identity)
        self._refill(child)

    def _refill(self, child: _Child) -> None:
        age_s = time.monotonic() - child.started_s
        if child.idle and age_s < CRASH_WINDOW_S:
            if self._pause is None and not self._closed:
                self._pause = self._loop.call_later(CRASH_PAUSE_S, self.fill)
        elif self._pause is None:
            self.fill()

    def _bury(self, identity: str) -> None:
        child = self._children.pop(identity)
        self._loop.remove_reader(child.pipe.fileno())
        child.pipe.close()
        child.process.join(0.5)
        code = child.process.exitcode
        exit_code = code if code is not None else -signal.SIGKILL
        if exit_code:
            self._log.warning("! child %s ended with %s", identity, exit_code)
        self._on_exit(identity, exit_code)


def _child_entry(
    child_main: ChildMain[S], preload: str, identity: str, settings: S, pipe: Any
) -> None:
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    logs.setup(settings.runtime.log_level)
    module = sys.modules.get(preload)
    if getattr(module, "PRELOADED_PID", os.getpid()) == os.getpid():
        log: logging.LoggerAdapter[logging.Logger] = logs.get(identity.split("-")[0])
        log.warning("! %s is not preloaded: every child imports it by itself", preload)
    child_main(identity, settings, Parent(pipe))
