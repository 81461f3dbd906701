"""Runs one input under a limit of time, and tells what went wrong."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from .border import Border

MOST_CPU_S = 2.0
"""Longest that one input may keep a processor busy."""
REPEAT_S = 0.5
"""The limit strikes again after this, in case that somebody has swallowed it."""


class TooSlow(BaseException):
    """The limit of time was reached; derived so that nothing under test catches it."""


@dataclass(frozen=True)
class Fault:
    """One way in which an oracle does not hold."""

    key: tuple[str, ...]
    """The same for inputs that show the same fault: its type and where it was raised."""
    words: str
    data: bytes


def try_input(border: Border, data: bytes) -> Fault | None:
    """What is wrong with the border for this input; None: nothing.

    One that is slow is tried again: the first attempt may have imported and compiled.
    """
    fault = _tried(border, data)
    return _tried(border, data) if fault is not None and "TooSlow" in fault.key else fault


def _tried(border: Border, data: bytes) -> Fault | None:
    try:
        with _limited():
            border.attempt(data)
    except (Exception, TooSlow) as error:
        frames = traceback.extract_tb(error.__traceback__)
        place = [f"{f.filename.rpartition('/')[2]}:{f.name}" for f in frames][-2:]
        kind = type(error).__name__
        where = place if not isinstance(error, TooSlow) else []
        words = "".join(traceback.format_exception(error)[-8:])
        return Fault((border.name, kind, *where), words, data)
    return None


@contextmanager
def _limited() -> Iterator[None]:
    before = signal.signal(signal.SIGVTALRM, _strike)
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_CPU_S, REPEAT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _strike(_: int, __: FrameType | None) -> NoReturn:
    raise TooSlow(f"an input took more than {MOST_CPU_S} s")


def smaller(border: Border, fault: Fault, tries: int = 400) -> Fault:
    """The same fault by a shorter input, as far as a few tries find one."""
    step = max(1, len(fault.data) // 2)
    while step and tries > 0:
        at = 0
        while at < len(fault.data) and tries > 0:
            tries -= 1
            found = try_input(border, fault.data[:at] + fault.data[at + step :])
            if found is not None and found.key == fault.key:
                fault = found
            else:
                at += step
        step //= 2
    return fault
