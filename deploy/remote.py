"""What ``mixminus reload`` asks of the running supervisor, over supervisord's socket (XML-RPC)."""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import socket
import sys
import xmlrpc.client
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from supervisor.http import NOT_DONE_YET

from mixer_core.runtime.errors import EXIT_CONFIG, EXIT_FAILURE, StartupError
from mixer_core.runtime.settings import load_all

from .plan import CONTROL_SOCKET, GROUP
from .reloading import CHECK_S
from .settings import AllSettings

_COUNTS = {
    "now": "at once",
    "session": "with the next session of each room",
    "call": "from the next call on",
    "start": "with the next start",
}


ANSWER_S = 2 * CHECK_S + 15.0
"""Longest wait for the supervisor: a check that is under way, one of our own, and some more."""


class NoAnswerError(Exception):
    """The supervisor cannot be asked; the text is for the person."""


class _Connection(http.client.HTTPConnection):
    """HTTP to a socket of the file system, with a limit for every wait."""

    def __init__(self, path: Path, limit_s: float) -> None:
        super().__init__("localhost", timeout=limit_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path, limit_s: float) -> None:
        # supervisord insists on a password; the directory protects the socket.
        password = base64.b64encode(f"{GROUP}:{GROUP}".encode()).decode()
        super().__init__(headers=[("Authorization", f"Basic {password}")])
        self._path, self._limit_s = path, limit_s

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _Connection(self._path, self._limit_s)


def ask_reload(path: Path, limit_s: float = ANSWER_S) -> dict[str, Any]:
    """Have the supervisor behind ``path`` read its settings again: its answer.

    Raises:
        NoAnswerError: nobody is there, it does not move, or it is something else.
    """
    try:
        proxy = xmlrpc.client.ServerProxy("http://localhost", _Transport(path, limit_s))
        answer = json.loads(str(proxy.mixminus.reload()))
        refused, changes = str(answer["refused"]), [tuple(map(str, c)) for c in answer["changes"]]
        return {"refused": refused, "changes": [(s, k, _COUNTS[w]) for s, k, w in changes]}
    except TimeoutError as error:
        raise NoAnswerError(
            f"the gateway at {path} does not answer within {limit_s:.0f} s: it is stopped or hangs "
            "(ps, mixminus doctor)"
        ) from error
    except OSError as error:
        words = error.strerror or error
        raise NoAnswerError(f"no gateway answers at {path} ({words}): does it run?") from error
    except (xmlrpc.client.Error, http.client.HTTPException, ExpatError) as error:
        raise NoAnswerError(
            f"the gateway at {path} cannot be asked: {' '.join(str(error).split())}"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise NoAnswerError(
            f"the answer of the gateway at {path} cannot be read: is it of another release?"
        ) from error


class Remote:
    """supervisord offers its public methods as ``mixminus.<name>``."""

    def __init__(self, supervisor: Any) -> None:
        self._supervisor = supervisor

    def reload(self) -> Callable[[], Any]:
        """Read the settings again; JSON with ``refused`` and ``changes``."""
        reloading = self._supervisor.reloading
        number = reloading.begin()

        def answer() -> Any:
            result = reloading.result_of(number)
            return NOT_DONE_YET if result is None else json.dumps(result)

        answer.delay = 0.1  # type: ignore[attr-defined]
        answer.rpcinterface = self  # type: ignore[attr-defined]
        return answer


def make_remote(supervisor: Any, **_: str) -> Remote:
    """As the configuration names it."""
    return Remote(supervisor)


def main(arguments: Sequence[str]) -> int:
    """``mixminus reload``; returns the exit code: 78 where the settings were refused."""
    argparse.ArgumentParser(
        prog="mixminus reload",
        description="Have the running gateway read its settings file again; calls go on.",
    ).parse_args(arguments)
    try:
        path = load_all(AllSettings).runtime_dir / CONTROL_SOCKET
    except StartupError as error:
        # The gateway's own file is what counts; this one only says where the gateway is.
        print(f"mixminus: {error}", file=sys.stderr)
        return EXIT_CONFIG
    try:
        result = ask_reload(path)
    except NoAnswerError as error:
        print(f"mixminus: {error}", file=sys.stderr)
        return EXIT_FAILURE
    except KeyboardInterrupt:
        print("mixminus: not waited for; the gateway's log says what came of it", file=sys.stderr)
        return EXIT_FAILURE
    if result["refused"]:
        print(f"mixminus: refused, all settings stay: {result['refused']}", file=sys.stderr)
        return EXIT_CONFIG
    for section, key, when in result["changes"]:
        print(f"[{section}] {key}: {when}")
    if not result["changes"]:
        print("nothing has changed")
    return 0
