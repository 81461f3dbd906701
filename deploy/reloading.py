"""Changed settings reach the programs while calls go on; the part of the supervisor for it.

The programs read a copy of the settings file that was checked, in memory of the supervisor. A file
that is being edited harms nobody, then, and one that is broken leaves the copy as it is.

A program that has to read its settings again is started again: that ends no call. Hosts leave their
children to their followers, who replace the idle ones; signaling learns from the children what it
has to know; of the two mixers first the one that waits, and when it waits again, the other one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.states import ProcessStates

from mixer_core.runtime.lock_file import holder_of, moves, path_of
from mixer_core.runtime.process import HAND_OVER_SIGNAL
from mixer_core.runtime.settings import CONFIG_VARIABLE

from .plan import COPY_VARIABLE, FILE_VARIABLE
from .secret_variables import Shares, separate

MIXERS = ("mixer_core", "mixer_core_standby")
STOPPING = "the gateway is about to stop; the next start reads the settings"
STOPPABLE = (ProcessStates.STARTING, ProcessStates.RUNNING, ProcessStates.BACKOFF)
MAX_BYTES = 16_000_000
CHECK_S = 60.0


StartCheck = Callable[[Mapping[str, str], Callable[[bytes], None]], object]


class Gateway(Protocol):
    """What reloading needs of the supervisor."""

    runtime_dir: Path
    expected: set[str]

    @property
    def is_stopping(self) -> bool: ...

    def say(self, words: str) -> None: ...
    def program(self, name: str) -> Any: ...
    def forgive(self, name: str, is_wanted: bool) -> None: ...
    def adopt(self, variables: Mapping[str, str]) -> None: ...


class Reloading:
    """One reload at a time."""

    def __init__(
        self, gateway: Gateway, shares: Shares, start_check: StartCheck | None = None
    ) -> None:
        """``shares``: the programs' secrets, as they were at the start. ``start_check``: begins the
        check of the file with all secrets, and has its finding told (JSON); None: in a process."""
        self._gateway = gateway
        self._start_check = start_check or _Check
        self._secrets = {name: value for share in shares.values() for name, value in share.items()}
        self._check: object = None
        """The one that is under way."""
        self._rolling: tuple[str, int, str] | None = None
        """The mixer that was started again, its old number, and the one that follows."""
        self._awaited: set[str] = set()
        """Programs that are wanted again while they still stop."""
        self._begun = self._ended = 0
        """Numbers of the last reload that was begun, and of the last that is over."""
        self._is_asked_again = False
        """Somebody asked while a check was under way."""
        self._result: dict[str, Any] = {}

    def begin(self) -> int:
        """Check the file; what follows is done when that is known. The number for ``result_of``.

        A check that is under way may have read the file before it was changed: another one follows
        it, and that is the one whose number is returned.
        """
        if self._check is not None:
            self._is_asked_again = True
            return self._begun + 1
        self._begun += 1
        self._start()
        return self._begun

    def result_of(self, number: int) -> dict[str, Any] | None:
        """``refused`` in words, or ``changes``; None: it is under way.

        Of a reload that others have followed, what came of the last one.
        """
        return self._result if self._ended >= number else None

    def _start(self) -> None:
        if self._gateway.is_stopping:
            self._end({"refused": STOPPING})
            return
        if FILE_VARIABLE not in os.environ:
            self._forgive({})
            self._end({"refused": "no settings file was named in MIXMINUS_CONFIG at the start"})
            return
        try:
            self._check = self._start_check(self._secrets, self._checked)
        except OSError as error:
            self._end({"refused": f"the settings cannot be checked now ({error.strerror})"})

    def look(self) -> None:
        """Once a second: the second mixer follows when the first one waits again, and what was
        wanted again while it stopped is started."""
        if self._gateway.is_stopping:
            return
        for name in tuple(self._awaited):
            self._want(name, True)
        if self._rolling is None:
            return
        name, old, other = self._rolling
        pid = self._gateway.program(name).pid
        lock = path_of(self._gateway.runtime_dir, name)
        if pid and pid != old and holder_of(lock) == pid and moves(lock):
            self._rolling = None
            self._hand_over(other)

    def _checked(self, output: bytes) -> None:
        self._check = None
        if self._gateway.is_stopping:
            self._end({"refused": STOPPING})
            return
        try:
            found = msgspec.json.decode(output, type=dict[str, Any])
        except msgspec.MsgspecError:
            found = {"refused": "the settings could not be checked: the log says why"}
        if found["refused"]:
            self._end(found)
            return
        try:
            _replace_copy(found["text"])
        except OSError as error:
            self._end({"refused": f"the settings cannot be kept ({error.strerror})"})
            return
        self._gateway.adopt(found["variables"])
        self._share_secrets(found["secrets"])
        for name, wanted in found["wanted"].items():
            self._want(name, wanted)
        for name in found["programs"]:
            if name not in MIXERS:
                self._hand_over(name)
        if MIXERS[0] in found["programs"]:
            self._roll()
        self._forgive(found["wanted"])
        self._end(found)

    def _forgive(self, wanted: Mapping[str, bool]) -> None:
        """What is no longer started, because it always ended, may go now; ``wanted``: of those
        that the settings may leave out."""
        for name in (*MIXERS, "simulator", "openai_link", "media_worker"):
            self._gateway.forgive(name, wanted.get(name, True))

    def _end(self, found: dict[str, Any]) -> None:
        if found.get("refused"):
            self._gateway.say(f"reload refused, all settings stay: {found['refused']}")
        else:
            keys = ", ".join(f"[{s}] {key} ({when})" for s, key, when in found["changes"])
            self._gateway.say(f"reloaded: {keys or 'nothing has changed'}")
        self._result = {"refused": found.get("refused", ""), "changes": found.get("changes", [])}
        self._ended = self._begun
        if self._is_asked_again:
            self._is_asked_again = False
            self.begin()

    def _share_secrets(self, named: Mapping[str, Any]) -> None:
        owners = {name: tuple(programs) for name, programs in named.items()}
        _, shares = separate(self._secrets, owners)
        for name, share in shares.items():
            config = self._gateway.program(name).config
            config.environment = {**(config.environment or {}), **share}

    def _want(self, name: str, wanted: bool) -> None:
        process = self._gateway.program(name)
        self._awaited.discard(name)
        if wanted and process.state == ProcessStates.STOPPED:
            process.spawn()
        elif wanted and process.state == ProcessStates.STOPPING:
            self._awaited.add(name)
        elif not wanted and process.state in STOPPABLE:
            process.stop()

    def _hand_over(self, name: str) -> None:
        process = self._gateway.program(name)
        if process.pid and process.state in (ProcessStates.RUNNING, ProcessStates.STARTING):
            self._gateway.expected.add(name)
            os.kill(process.pid, HAND_OVER_SIGNAL)

    def _roll(self) -> None:
        working = holder_of(path_of(self._gateway.runtime_dir, "mixer_duty"))
        pids = {name: self._gateway.program(name).pid for name in MIXERS}
        waits = [name for name, pid in pids.items() if pid and pid != working]
        works = [name for name, pid in pids.items() if pid and pid == working]
        if waits and works:
            self._rolling = (waits[0], pids[waits[0]], works[0])
        for name in waits or works:
            self._hand_over(name)


def _replace_copy(text: str) -> None:
    """The same descriptor leads to the new text."""
    fresh = os.memfd_create("mixminus-settings", 0)
    try:
        os.write(fresh, text.encode())
        os.dup2(fresh, int(os.environ[COPY_VARIABLE]), inheritable=True)
    finally:
        os.close(fresh)


class _Check:
    """The process that checks; stands in supervisord's table of dispatchers."""

    def __init__(self, secrets: Mapping[str, str], done: Callable[[bytes], None]) -> None:
        self._done = done
        self._output = b""
        copy = os.environ[CONFIG_VARIABLE]
        env = {**os.environ, **secrets, CONFIG_VARIABLE: os.environ[FILE_VARIABLE]}
        command = ["timeout", str(CHECK_S), sys.executable, "-m", "deploy.reload_check", copy]
        process = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        assert process.stdout is not None
        self._process, self._file = process, process.stdout
        os.set_blocking(self._file.fileno(), False)
        asyncore.socket_map[self.fileno()] = self

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._file.fileno()

    def readable(self) -> bool:
        """Always listening, until its end."""
        return not self._file.closed

    def writable(self) -> bool:
        """Never writing."""
        return False

    def handle_read_event(self) -> None:
        """More of the finding, or its end."""
        piece = os.read(self.fileno(), 65_536)
        self._output += piece
        if piece and len(self._output) < MAX_BYTES:
            return
        del asyncore.socket_map[self.fileno()]
        self._file.close()
        self._process.poll()  # supervisord has reaped it, or does.
        self._done(self._output)

    def handle_error(self) -> None:
        """Called in an except clause: do not swallow the error."""
        raise
