"""Whether a room connects by WebRTC, or by a WebSocket because UDP does not pass. Sans-I/O.

With ``transport = "auto"`` a room switches to WebSocket if

- twice in a row the offer was answered with a server error, or not in time;
- the server answered, but no media connection came up in time;
- a connection fell silent twice, the second time soon after the first.

It never does after a refusal that both transports would meet (key, quota, model). A WebSocket that
worked is remembered for some minutes; after that the next connection tries WebRTC again.
"""

from __future__ import annotations

from mixer_core.runtime.units import S_NS

from ..realtime.problems import Problem
from ..settings import OpenaiLinkSettings
from .interface import TransportKind

WEBRTC_TIMEOUT_NS = 6 * S_NS
"""Timeout of a WebRTC connection that a WebSocket can replace."""
REMEMBER_NS = 10 * 60 * S_NS
"""How long a WebSocket that worked is preferred."""
MAX_REFUSALS = 2
"""Server errors, or offers without an answer, in a row before a WebSocket is tried."""
MAX_SILENCES = 2
"""Connections that fell silent before a WebSocket is tried."""


class TransportSelection:
    """The transport of one room."""

    def __init__(
        self, settings: OpenaiLinkSettings | None = None, websocket_until_ns: int = 0
    ) -> None:
        """``websocket_until_ns``: a WebSocket is preferred until then, for all rooms."""
        self._setting = "webrtc" if settings is None else settings.transport
        self.websocket_until_ns = websocket_until_ns
        """WebSocket is preferred until then."""
        self._must_be_websocket = False
        self._refusals = 0
        self._silences = 0

    def choose(self, now_ns: int) -> TransportKind:
        """The transport of the next connection."""
        if self._setting != "auto":
            return self._setting
        known = now_ns < self.websocket_until_ns
        return "websocket" if known or self._must_be_websocket else "webrtc"

    def timeout_ns(self, kind: TransportKind, limit_ns: int) -> int:
        """Timeout of a connection that is being made; ``limit_ns``: of any."""
        if kind == "webrtc" and self._setting == "auto":
            return min(limit_ns, WEBRTC_TIMEOUT_NS)
        return limit_ns

    def connected(self, kind: TransportKind, now_ns: int) -> None:
        """A session was confirmed."""
        self._refusals = 0
        self._must_be_websocket = False
        if self._setting == "auto":
            self.websocket_until_ns = now_ns + REMEMBER_NS if kind == "websocket" else 0

    def stable(self) -> None:
        """A connection has lasted for a while."""
        self._silences = 0

    def failed(
        self, kind: TransportKind, problem: Problem, answered: bool, was_ready: bool
    ) -> bool:
        """A connection failed or was lost; returns whether to switch to a WebSocket now.

        Args:
            kind: of that connection.
            problem: why.
            answered: the server had accepted the connection.
            was_ready: its session had been confirmed.
        """
        if self._setting != "auto" or not problem.retryable:
            return False
        if kind == "websocket":
            self._must_be_websocket = False
            self.websocket_until_ns = 0 if not was_ready else self.websocket_until_ns
            return False
        if was_ready:
            self._silences += problem.code == "peer_silent"
            self._must_be_websocket = self._silences >= MAX_SILENCES
        elif answered:
            self._must_be_websocket = problem.code in ("connect_timeout", "connection_lost")
        else:
            self._refusals += problem.status >= 500 or problem.code == "connect_timeout"
            self._must_be_websocket = self._refusals >= MAX_REFUSALS
        return self._must_be_websocket
