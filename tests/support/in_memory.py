"""Holds tests without a marker to their promise: no process, no socket, no sleep.

They are ``make quick``. What Python itself audits is seen wherever it happens, in code under test
too; sockets of libzmq and sleeping are not audited, so they are refused by name.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NoReturn

import pytest
import zmq

MARKERS = ("sockets", "processes", "browser")
"""A test with one of these may leave memory."""

_NEEDS = {
    "subprocess.Popen": "processes",
    "os.fork": "processes",
    "os.posix_spawn": "processes",
    "socket.bind": "sockets",
    "socket.connect": "sockets",
    "socket.sendto": "sockets",
    "time.sleep": "sockets",
}
"""Event → the marker that allows it."""

_refusing = False


class LeftMemory(BaseException):
    """Derived from BaseException: code under test must not swallow it."""


def _refuse(event: str) -> NoReturn:
    raise LeftMemory(f"{event} in a test without a marker: add pytest.mark.{_NEEDS[event]}")


def _audit(event: str, _: tuple[Any, ...]) -> None:
    if _refusing and event in _NEEDS:
        _refuse(event)


def _watched(event: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, refused while a promise holds.

    It stays in place: what a test puts there instead and takes away again leaves it as it was.
    """

    @wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Any:
        if _refusing:
            _refuse(event)
        return function(*args, **kwargs)

    return watched


@contextmanager
def promised(item: pytest.Item) -> Iterator[None]:
    """Refuse everything else inside, unless the test has one of the markers."""
    global _refusing
    if any(item.get_closest_marker(marker) for marker in MARKERS):
        yield
        return
    _refusing = True
    try:
        yield
    finally:
        _refusing = False


def install() -> None:
    """Once per test process: it stays for its life."""
    sys.addaudithook(_audit)
    time.sleep = _watched("time.sleep", time.sleep)
    zmq.Context.socket = _watched("socket.bind", zmq.Context.socket)
