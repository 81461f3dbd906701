"""The life of one room's connection: when to call, when to try again, when to give up. Sans-I/O.

=============  ==============================================  =================================
state          means                                           leaves by
=============  ==============================================  =================================
idle           no room yet                                     ``open``
connecting     the first call is being made                    connected, failed
ready          the session is confirmed                        failed (lost)
reconnecting   waiting for, or making, another attempt         connected, failed
failed         people were told; slow retries or none          a retry, a person who joins
closed         the room is empty, or we are being stopped      –
=============  ==============================================  =================================

A call that was up and is lost is made again at once, and if that fails a few times within a second
(``QUICK_RETRIES_NS``): its server may be starting anew, for some seconds more where nobody listens
at its address (``UNREACHED_RETRIES_NS``). Other retryable causes are tried
``max_retries`` times with exponential back-off, then every 30 s while somebody is in the room.
Fatal ones (key, quota, region, model, permission) are tried again only when somebody joins, at
most every 30 s. No attempt is made before the server allows it (``Retry-After``), whatever happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mixer_core.runtime.units import MS_NS

from ..realtime.problems import Problem
from ..settings import OpenaiLinkSettings
from ..transport.interface import TransportKind
from ..transport.selection import TransportSelection

State = Literal["idle", "connecting", "ready", "reconnecting", "failed", "closed"]
Timer = Literal["connect", "retry", "silence", "empty", "stable"]

SILENCE_NS = 3_000 * MS_NS
"""Timeout after which a silent server is lost."""
MAX_SILENCE_NS = 40_000 * MS_NS
"""The above doubles up to here with each such loss: some server may be that quiet between replies,
and its calls must not be cut again and again. The ICE library's own check ends dead ones too."""
QUICK_RETRIES_NS = tuple(ms * MS_NS for ms in (50, 150, 200, 200, 250))
"""Waits before the first attempts after the loss of a call that was up; they are not counted."""
UNREACHED_RETRIES_NS = (500 * MS_NS,) * 8
"""And those that follow while nobody listens at the server's address, which costs nobody much."""
FAILED_AT_ONCE_NS = 1_000 * MS_NS
"""A server that refuses an attempt so soon may be starting anew."""
SLOW_RETRY_NS = 30_000 * MS_NS
"""Between attempts once the room was told that it failed."""
JOIN_GRACE_NS = 15_000 * MS_NS
"""How long a fresh room may be empty: its first browser is still connecting."""
STABLE_NS = 10_000 * MS_NS
"""A session that lives this long ends the count of attempts in a row."""
STOPPED = "stopped"
"""Why a room exits that goes on in another process."""
_QUICK_NS = QUICK_RETRIES_NS + UNREACHED_RETRIES_NS
_TRANSPORTS = {"webrtc": "WebRTC", "websocket": "WebSocket"}
JITTER_SHARE = 0.25
"""The wait is lengthened by up to this share."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Durations and counts, from the settings."""

    connect_timeout_ns: int = 10_000 * MS_NS
    max_retries: int = 3
    retry_delay_ns: int = 2_000 * MS_NS
    empty_linger_ns: int = 2_000 * MS_NS

    @staticmethod
    def of(settings: OpenaiLinkSettings) -> Limits:
        """The limits that the settings ask for."""
        return Limits(
            settings.connect_timeout_ms * MS_NS,
            settings.max_retries,
            settings.retry_delay_ms * MS_NS,
            settings.empty_linger_ms * MS_NS,
        )


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a session now."""

    kind: TransportKind = "webrtc"


@dataclass(frozen=True, slots=True)
class Disconnect:
    """End the sessions and the attempt, with a hang-up."""

    reason: str
    """Code of the problem, or why the room is given up."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """Tell browsers and signaling."""

    state: State
    detail: str
    """What happened and what happens next, in words; empty while all is well."""


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the room about an error, in words."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Exit:
    """Nothing is left to do: end the process with code 0."""

    reason: str


LifecycleAction = Connect | Disconnect | StateChanged | Report | Exit


class Lifecycle:
    """One room's connection; every method returns the actions to carry out, in order."""

    def __init__(
        self,
        limits: Limits,
        selection: TransportSelection | None = None,
        allowed_ns: int = 0,
    ) -> None:
        """``selection``: chooses between WebRTC and WebSocket; without it it is WebRTC.

        ``allowed_ns``: the server has told another room that it wants no attempt before.
        """
        self._limits = limits
        self._selection = selection or TransportSelection()
        self._kind: TransportKind = "webrtc"
        self._answered = False
        self.state: State = "idle"
        self.detail = ""
        self.code = ""
        """Of the problem, while ``state`` is failed."""
        self.missing = ""
        """The event that a connection that is up waits for; empty: for none."""
        self.attempts = 0
        """Calls made, all in all."""
        self._failures = 0
        self._quick = 0
        """Quick attempts since a call was stable."""
        self._silence_ns = SILENCE_NS
        self._people = 0
        self._has_met_people = False
        self._fatal = False
        self._reported = ""
        self._attempt_ns = 0
        self._allowed_ns = allowed_ns
        """The server wants no other attempt before."""
        self._timers: dict[Timer, int] = {}
        self._suspended: set[str] = set()
        """Why no session may be opened now."""

    @property
    def allowed_ns(self) -> int:
        """The server wants no attempt before; 0: it has not said so."""
        return self._allowed_ns

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        return min(self._timers.values(), default=None)

    def open(self, now_ns: int, grace_ns: int = JOIN_GRACE_NS) -> list[LifecycleAction]:
        """The room has its first participant on the way, who comes within ``grace_ns``."""
        if self.state != "idle":
            return []
        self._timers["empty"] = now_ns + grace_ns
        if self._suspended:
            return self._become("reconnecting", "")
        if self._wait_ns(now_ns):
            wait = _seconds(self._retry_in(0, now_ns))
            words = f"The assistant's server wants no call yet. Calling in {wait}."
            return self._become("reconnecting", words)
        return [*self._become("connecting", ""), *self._call(now_ns)]

    def answered(self) -> None:
        """The server has taken the call; what is left is the connection."""
        self._answered = True

    def moved(self, kind: TransportKind, now_ns: int) -> None:
        """The room goes on with another call (a rollover): what was heard is heard from there."""
        self._kind = kind
        if self.state == "ready":
            self._timers["silence"] = now_ns + self._silence_ns
            self._timers["stable"] = now_ns + STABLE_NS

    def connected(self, now_ns: int) -> list[LifecycleAction]:
        """The server has confirmed the session, and knows what was said before."""
        if self.state in ("closed", "ready", "idle") or self._suspended:
            return []
        self._selection.connected(self._kind, now_ns)
        self._quick = len(_QUICK_NS) if self._quick else 0
        self._timers.pop("connect", None)
        self._timers.pop("retry", None)
        self._timers["silence"] = now_ns + self._silence_ns
        self._timers["stable"] = now_ns + STABLE_NS
        self._fatal, self._reported = False, ""
        return self._become("ready", "")

    def prepared(self) -> list[LifecycleAction]:
        """The session is ready, and waits for a room that another machine has.

        Nothing is sent meanwhile, so a server may be silent.
        """
        if self.state in ("closed", "idle") or self._suspended:
            return []
        self._timers.pop("connect", None)
        return self._become("ready", "")

    def heard(self, now_ns: int) -> None:
        """A datagram came at ``now_ns``."""
        if "silence" in self._timers:
            self._timers["silence"] = now_ns + self._silence_ns

    def failed(self, problem: Problem, now_ns: int, jitter: float) -> list[LifecycleAction]:
        """The attempt failed or the call was lost; ``jitter`` is random, 0 to 1."""
        if self.state in ("closed", "idle") or self._suspended:
            return []
        waiting = "retry" in self._timers
        if waiting or (self.state == "failed" and "connect" not in self._timers):
            return []
        for timer in ("connect", "silence", "stable"):
            self._timers.pop(timer, None)
        was_ready, close = self.state == "ready", Disconnect(problem.code)
        self._allowed_ns = max(self._allowed_ns, now_ns + problem.retry_after_ns)
        other = self._selection.failed(self._kind, problem, self._answered, was_ready)
        if other is not None and self._wait_ns(now_ns) <= SLOW_RETRY_NS:
            self._retry_in(0, now_ns)
            words = f"{problem.message} Trying by {_TRANSPORTS[other]}."
            return [close, *self._become("reconnecting", words)]
        problem = self._selection.told(problem)
        if self._may_be_quick(was_ready, problem, now_ns):
            self._retry_in(int(_QUICK_NS[self._quick] * (1 + JITTER_SHARE * jitter)), now_ns)
            self._quick += 1
            return [close, *self._become("reconnecting", f"{problem.message} Calling again.")]
        self._failures += 1
        return [close, *self._after_failure(problem, now_ns, jitter)]

    def _may_be_quick(self, was_ready: bool, problem: Problem, now_ns: int) -> bool:
        """Whether the next attempt follows at once: the first of a loss, if no other came before,
        and those after one that failed at once."""
        is_first = was_ready and self._quick == 0
        most = len(_QUICK_NS if problem.code == "unreachable" else QUICK_RETRIES_NS)
        is_next = not was_ready and 0 < self._quick < most
        is_next = is_next and now_ns - self._attempt_ns < FAILED_AT_ONCE_NS
        may_help = problem.retryable and not problem.retry_after_ns
        return (is_first or is_next) and may_help

    def _after_failure(self, problem: Problem, now_ns: int, jitter: float) -> list[LifecycleAction]:
        """Try again, or give up: for good, or with slow attempts."""
        if not problem.retryable:
            return self._give_up(problem, problem.message)
        wait_ns = self._wait_ns(now_ns)
        if wait_ns > SLOW_RETRY_NS:
            self._retry_in(0, now_ns)
            detail = f"{problem.message} Trying again in {_seconds(wait_ns)}."
            return self._give_up(problem, detail)
        if self._failures > self._limits.max_retries:
            self._retry_in(SLOW_RETRY_NS, now_ns)
            return self._give_up(problem, problem.message)
        delay_ns = self._retry_in(self._delay_ns(jitter), now_ns)
        progress = f"{self._failures} of {self._limits.max_retries}"
        detail = f"{problem.message} Trying again in {_seconds(delay_ns)} ({progress})."
        return self._become("reconnecting", detail)

    def _wait_ns(self, now_ns: int) -> int:
        """How long the server still wants no attempt."""
        return max(0, self._allowed_ns - now_ns)

    def _retry_in(self, delay_ns: int, now_ns: int) -> int:
        """Set the timer for the next attempt; returns the delay that the server allows."""
        delay_ns = max(delay_ns, self._wait_ns(now_ns))
        self._timers["retry"] = now_ns + delay_ns
        return delay_ns

    def roster(self, people: int, joined: bool, now_ns: int) -> list[LifecycleAction]:
        """``people`` are in the room; ``joined``: somebody is there who was not before."""
        if self.state in ("closed", "idle"):
            return []
        self._people = people
        if people == 0:
            self._timers.setdefault("empty", now_ns + self._limits.empty_linger_ns)
            return []
        self._timers.pop("empty", None)
        opened_it, self._has_met_people = not self._has_met_people, True
        if self.state != "failed" or not joined or "connect" in self._timers:
            return []
        rested_ns = max(self._attempt_ns + SLOW_RETRY_NS, self._allowed_ns)
        if now_ns >= rested_ns:
            self._timers.pop("retry", None)
            return self._call(now_ns)
        if not opened_it:  # For them the first attempt was made.
            self._timers.setdefault("retry", rested_ns)
        return []

    def retry(self, now_ns: int) -> list[LifecycleAction]:
        """Why the last call failed is no longer so: call at once."""
        if self.state != "failed" or "connect" in self._timers:
            return []
        if now_ns < self._allowed_ns:
            self._retry_in(0, now_ns)
            return []
        self._timers.pop("retry", None)
        return self._call(now_ns)

    def afresh(self, reason: str, detail: str, now_ns: int) -> list[LifecycleAction]:
        """What the sessions know must be forgotten: end them, and call anew."""
        if self.state in ("closed", "idle") or self._suspended:
            return []
        has_call = self.state == "ready" or "connect" in self._timers
        if not has_call:
            return [Disconnect(reason)]
        for timer in ("connect", "silence", "stable"):
            self._timers.pop(timer, None)
        return [Disconnect(reason), *self._become("reconnecting", detail), *self._call(now_ns)]

    def suspend(self, reason: str, detail: str) -> list[LifecycleAction]:
        """End all sessions, and open none before ``resume`` with the same reason.

        ``detail``: why, in words, for people.
        """
        self._suspended.add(reason)
        if self.state in ("closed", "idle"):
            return []
        for timer in ("connect", "silence", "stable", "retry"):
            self._timers.pop(timer, None)
        return [Disconnect(reason), *self._become("reconnecting", detail)]

    def resume(self, reason: str, now_ns: int) -> list[LifecycleAction]:
        """A session may be opened as far as that reason is concerned."""
        if reason not in self._suspended:
            return []
        self._suspended.discard(reason)
        if self._suspended or self.state in ("closed", "idle"):
            return []
        return [*self._become("reconnecting", ""), *self._call(now_ns)]

    def expect(self, now_ns: int) -> None:
        """People who were elsewhere are on their way."""
        if self.state not in ("closed", "idle") and not self._people:
            self._timers["empty"] = now_ns + JOIN_GRACE_NS

    def stop(self) -> list[LifecycleAction]:
        """The process must end."""
        return self._close(STOPPED)

    def tick(self, now_ns: int, jitter: float) -> list[LifecycleAction]:
        """The time-out was reached; ``jitter`` is random, 0 to 1."""
        if self._timers.get("empty", now_ns + 1) <= now_ns:
            return self._close("the room is empty")
        actions: list[LifecycleAction] = []
        due = sorted((time, timer) for timer, time in self._timers.items() if time <= now_ns)
        for _, timer in due:
            if self._timers.get(timer, now_ns + 1) <= now_ns:
                actions += self._expired(timer, now_ns, jitter)
        return actions

    def _expired(self, timer: Timer, now_ns: int, jitter: float) -> list[LifecycleAction]:
        if timer == "connect":
            seconds = _seconds(
                self._selection.timeout_ns(self._kind, self._limits.connect_timeout_ns)
            )
            why = f": the server did not send {self.missing}" if self.missing else ""
            words = f"The call to the assistant was not up within {seconds}{why}."
            return self.failed(Problem("connect_timeout", words, True), now_ns, jitter)
        if timer == "silence":
            silence = _seconds(self._silence_ns)
            words = f"Nothing was heard from the assistant's server for {silence}."
            self._silence_ns = min(2 * self._silence_ns, MAX_SILENCE_NS)
            return self.failed(Problem("peer_silent", words, True), now_ns, jitter)
        del self._timers[timer]
        if timer == "stable":
            self._failures = 0
            self._quick = 0
            self._selection.stable()
            return []
        if self.state == "failed" and self._people == 0:
            self._retry_in(SLOW_RETRY_NS, now_ns)
            return []
        return self._call(now_ns)

    def _call(self, now_ns: int) -> list[LifecycleAction]:
        self.attempts += 1
        self._attempt_ns = now_ns
        self._kind, self._answered = self._selection.choose(now_ns), False
        timeout_ns = self._selection.timeout_ns(self._kind, self._limits.connect_timeout_ns)
        self._timers["connect"] = now_ns + timeout_ns
        return [Connect(self._kind)]

    def _give_up(self, problem: Problem, detail: str) -> list[LifecycleAction]:
        self._fatal = not problem.retryable
        actions = self._become("failed", detail, problem.code)
        if self._fatal or self._reported != problem.code:
            actions.append(Report(problem.code, problem.message))
        self._reported = problem.code
        return actions

    def _close(self, reason: str) -> list[LifecycleAction]:
        if self.state == "closed":
            return []
        self._timers.clear()
        return [Disconnect(reason), *self._become("closed", reason), Exit(reason)]

    def _become(self, state: State, detail: str, code: str = "") -> list[LifecycleAction]:
        self.code = code
        if (state, detail) == (self.state, self.detail):
            return []
        self.state, self.detail = state, detail
        return [StateChanged(state, detail)]

    def _delay_ns(self, jitter: float) -> int:
        doubled = self._limits.retry_delay_ns << (self._failures - 1)
        return int(doubled * (1 + JITTER_SHARE * jitter))


def _seconds(duration_ns: int) -> str:
    return f"{duration_ns / 1e9:.1f}".removesuffix(".0") + " s"
