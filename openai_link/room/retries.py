"""How long after a failure a room calls again, and when it has failed so often that it says so.

Sans-I/O. A call that was up and is lost is made again at once, and if that fails a few times within
a second (``QUICK_RETRIES_NS``): its server may be starting anew, for some seconds more where nobody
listens at its address (``UNREACHED_RETRIES_NS``). Other retryable causes are tried ``max_retries``
times with exponential back-off, then every 30 s. Fatal ones (key, quota, region, model, permission)
are not tried by themselves. No attempt is made before the server allows it (``Retry-After``),
whatever happens.
"""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.runtime.units import MS_NS

from ..realtime.problems import Problem
from .durations import in_seconds

QUICK_RETRIES_NS = tuple(ms * MS_NS for ms in (50, 150, 200, 200, 250))
"""Waits before the first attempts after the loss of a call that was up; they are not counted."""
UNREACHED_RETRIES_NS = (500 * MS_NS,) * 8
"""And those that follow while nobody listens at the server's address, which costs nobody much."""
FAILED_AT_ONCE_NS = 1_000 * MS_NS
"""A server that refuses an attempt so soon may be starting anew."""
SLOW_RETRY_NS = 30_000 * MS_NS
"""Between attempts once the room was told that it failed."""
JITTER_SHARE = 0.25
"""The wait is lengthened by up to this share."""
_QUICK_NS = QUICK_RETRIES_NS + UNREACHED_RETRIES_NS


@dataclass(frozen=True, slots=True)
class Retry:
    """What follows from a failure."""

    delay_ns: int | None
    """Time until the next attempt; None: none is made by itself."""
    words: str = ""
    """What happens next, for people; empty: nothing that they need to know."""
    gives_up: bool = False
    """People are told that the connection has failed."""


class Retries:
    """The attempts of one room."""

    def __init__(self, max_retries: int, retry_delay_ns: int, allowed_ns: int = 0) -> None:
        """Prepare.

        Args:
            max_retries: attempts in a row before people are told that the connection has failed.
            retry_delay_ns: wait before the first of them; doubled each time.
            allowed_ns: the server has told another room that it wants no attempt before.
        """
        self._max_retries = max_retries
        self._retry_delay_ns = retry_delay_ns
        self.allowed_ns = allowed_ns
        """The server wants no attempt before; 0: it has not said so."""
        self._failures = 0
        self._quick = 0
        """Quick attempts since a call was stable."""
        self._attempt_ns = 0

    @property
    def rested_ns(self) -> int:
        """When somebody who joins a room that has failed may have it tried again."""
        return max(self._attempt_ns + SLOW_RETRY_NS, self.allowed_ns)

    def wait_ns(self, now_ns: int) -> int:
        """How long the server still wants no attempt."""
        return max(0, self.allowed_ns - now_ns)

    def attempted(self, now_ns: int) -> None:
        """An attempt is made."""
        self._attempt_ns = now_ns

    def connected(self) -> None:
        """The attempt succeeded: of quick ones, none follows before the call is stable."""
        self._quick = len(_QUICK_NS) if self._quick else 0

    def stable(self) -> None:
        """A call has lasted for a while: what failed before it counts no more."""
        self._failures = 0
        self._quick = 0

    def refused(self, problem: Problem, now_ns: int) -> None:
        """An attempt failed or a call was lost: the server may have said how long to wait."""
        self.allowed_ns = max(self.allowed_ns, now_ns + problem.retry_after_ns)

    def after(self, problem: Problem, was_ready: bool, now_ns: int, jitter: float) -> Retry:
        """What follows from ``problem``; call ``refused`` before.

        ``was_ready``: it ended a call that was up. ``jitter`` is random, 0 to 1.
        """
        if self._may_be_quick(was_ready, problem, now_ns):
            delay_ns = int(_QUICK_NS[self._quick] * (1 + JITTER_SHARE * jitter))
            self._quick += 1
            return Retry(delay_ns, "Calling again.")
        self._failures += 1
        if not problem.retryable:
            return Retry(None, gives_up=True)
        wait_ns = self.wait_ns(now_ns)
        if wait_ns > SLOW_RETRY_NS:
            return Retry(wait_ns, f"Trying again in {in_seconds(wait_ns)}.", gives_up=True)
        if self._failures > self._max_retries:
            return Retry(SLOW_RETRY_NS, gives_up=True)
        delay_ns = max(self._backed_off_ns(jitter), wait_ns)
        progress = f"{self._failures} of {self._max_retries}"
        return Retry(delay_ns, f"Trying again in {in_seconds(delay_ns)} ({progress}).")

    def _may_be_quick(self, was_ready: bool, problem: Problem, now_ns: int) -> bool:
        """Whether the next attempt follows at once: the first of a loss, if no other came before,
        and those after one that failed at once."""
        is_first = was_ready and self._quick == 0
        most = len(_QUICK_NS if problem.code == "unreachable" else QUICK_RETRIES_NS)
        is_next = not was_ready and 0 < self._quick < most
        is_next = is_next and now_ns - self._attempt_ns < FAILED_AT_ONCE_NS
        may_help = problem.retryable and not self.wait_ns(now_ns)
        return (is_first or is_next) and may_help

    def _backed_off_ns(self, jitter: float) -> int:
        doubled = self._retry_delay_ns << (self._failures - 1)
        return int(doubled * (1 + JITTER_SHARE * jitter))
