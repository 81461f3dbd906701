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

How long after a failure the next attempt is made is in ``retries``; slow ones need somebody in the
room. After a fatal cause one is made only when somebody joins, at most every 30 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mixer_core.runtime.units import MS_NS

from ..realtime.problems import Problem
from ..settings import OpenaiLinkSettings
from ..transport.interface import TransportKind
from ..transport.selection import TransportSelection
from .durations import in_seconds
from .lifecycle_actions import (
    Connect,
    Disconnect,
    Exit,
    LifecycleAction,
    Report,
    State,
    StateChanged,
)
from .retries import SLOW_RETRY_NS, Retries

Timer = Literal["connect", "retry", "silence", "empty", "stable"]

SILENCE_NS = 3_000 * MS_NS
"""Timeout after which a silent server is lost."""
MAX_SILENCE_NS = 40_000 * MS_NS
"""The above doubles up to here with each such loss: some server may be that quiet between replies,
and its calls must not be cut again and again. The ICE library's own check ends dead ones too."""
JOIN_GRACE_NS = 15_000 * MS_NS
"""How long a fresh room may be empty: its first browser is still connecting."""
STABLE_NS = 10_000 * MS_NS
"""A session that lives this long ends the count of attempts in a row."""
STOPPED = "stopped"
"""Why a room exits that goes on in another process."""
_TRANSPORTS = {"webrtc": "WebRTC", "websocket": "WebSocket"}


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
        self._retries = Retries(limits.max_retries, limits.retry_delay_ns, allowed_ns)
        self._silence_ns = SILENCE_NS
        self._people = 0
        self._has_met_people = False
        self._fatal = False
        self._reported = ""
        self._timers: dict[Timer, int] = {}
        self._suspended: set[str] = set()
        """Why no session may be opened now."""

    @property
    def is_suspended(self) -> bool:
        """No session may be opened here: another machine may have the room."""
        return bool(self._suspended)

    @property
    def allowed_ns(self) -> int:
        """The server wants no attempt before; 0: it has not said so."""
        return self._retries.allowed_ns

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
        return self._begin("connecting", "", now_ns)

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
        self._retries.connected()
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
        self.refused(problem, now_ns)
        if self.state in ("closed", "idle") or self._suspended:
            return []
        waiting = "retry" in self._timers
        if waiting or (self.state == "failed" and "connect" not in self._timers):
            return []
        for timer in ("connect", "silence", "stable"):
            self._timers.pop(timer, None)
        was_ready, close = self.state == "ready", Disconnect(problem.code)
        other = self._selection.failed(self._kind, problem, self._answered, was_ready)
        if other is not None and self._retries.wait_ns(now_ns) <= SLOW_RETRY_NS:
            self._retry_in(0, now_ns)
            words = f"{problem.message} Trying by {_TRANSPORTS[other]}."
            return [close, *self._become("reconnecting", words)]
        problem = self._selection.told(problem)
        retry = self._retries.after(problem, was_ready, now_ns, jitter)
        if retry.delay_ns is not None:
            self._timers["retry"] = now_ns + retry.delay_ns
        detail = f"{problem.message} {retry.words}" if retry.words else problem.message
        if retry.gives_up:
            return [close, *self._give_up(problem, detail)]
        return [close, *self._become("reconnecting", detail)]

    def refused(self, problem: Problem, now_ns: int) -> None:
        """A call failed, perhaps another than the room's own: the server may want a wait."""
        self._retries.refused(problem, now_ns)

    def _retry_in(self, delay_ns: int, now_ns: int) -> int:
        """Set the timer for the next attempt; returns the delay that the server allows."""
        delay_ns = max(delay_ns, self._retries.wait_ns(now_ns))
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
        rested_ns = self._retries.rested_ns
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
        return [Disconnect(reason), *self._begin("reconnecting", detail, now_ns)]

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
        return self._begin("reconnecting", "", now_ns)

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
            seconds = in_seconds(
                self._selection.timeout_ns(self._kind, self._limits.connect_timeout_ns)
            )
            why = f": the server did not send {self.missing}" if self.missing else ""
            words = f"The call to the assistant was not up within {seconds}{why}."
            return self.failed(Problem("connect_timeout", words, True), now_ns, jitter)
        if timer == "silence":
            silence = in_seconds(self._silence_ns)
            words = f"Nothing was heard from the assistant's server for {silence}."
            self._silence_ns = min(2 * self._silence_ns, MAX_SILENCE_NS)
            return self.failed(Problem("peer_silent", words, True), now_ns, jitter)
        del self._timers[timer]
        if timer == "stable":
            self._retries.stable()
            self._selection.stable()
            return []
        if self.state == "failed" and self._people == 0:
            self._retry_in(SLOW_RETRY_NS, now_ns)
            return []
        return self._call(now_ns)

    def _begin(self, state: State, detail: str, now_ns: int) -> list[LifecycleAction]:
        """Call as soon as the server allows it."""
        if not self._retries.wait_ns(now_ns):
            return [*self._become(state, detail), *self._call(now_ns)]
        wait = in_seconds(self._retry_in(0, now_ns))
        words = f"The assistant's server wants no call yet. Calling in {wait}."
        return self._become("reconnecting", words)

    def _call(self, now_ns: int) -> list[LifecycleAction]:
        if self._retries.wait_ns(now_ns):
            self._retry_in(0, now_ns)
            return []
        self.attempts += 1
        self._retries.attempted(now_ns)
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
