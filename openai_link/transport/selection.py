"""Whether a room connects by WebRTC, or by a WebSocket because UDP does not pass. Sans-I/O.

With ``transport = "auto"`` a room switches to WebSocket if

- twice in a row the offer was answered with a server error, or not in time;
- the server answered, but no media connection came up in time;
- a connection fell silent twice, the second time soon after the first,
- another server than OpenAI's takes no call in any of the known ways (``ways``).

It never does after a refusal that both transports would meet (key, quota, model). A WebSocket that
worked is remembered: for some minutes where the network was to blame, for longer where the server
was. After that the next connection tries WebRTC again.
"""

from __future__ import annotations

from dataclasses import replace

from mixer_core.runtime.units import S_NS

from ..realtime.problems import Problem
from ..settings import OpenaiLinkSettings
from .interface import TransportKind
from .ways import NOT_THIS_WAY

WEBRTC_TIMEOUT_NS = 6 * S_NS
"""Timeout of a WebRTC connection that a WebSocket can replace."""
REMEMBER_NS = 10 * 60 * S_NS
"""How long a WebSocket that worked is preferred, because UDP does not pass."""
REMEMBER_SERVER_NS = 24 * 3600 * S_NS
"""The same, because the server takes no calls by WebRTC."""
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
        self._refusal: Problem | None = None
        """Why the server took no call by WebRTC, if that is why it is a WebSocket now."""
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
        if self._setting != "auto":
            return
        if kind == "webrtc":
            self.websocket_until_ns = 0
        else:
            learnt_ns = REMEMBER_SERVER_NS if self._refusal is not None else REMEMBER_NS
            self.websocket_until_ns = max(self.websocket_until_ns, now_ns + learnt_ns)
        self._refusal = None

    def told(self, problem: Problem) -> Problem:
        """What people are told when ``problem`` ended the last attempt: the refusal with words.

        A server without a WebSocket says less there than where it refused the call.
        """
        refusal = self._refusal
        if refusal is None or problem.is_specific or not refusal.is_specific:
            return problem
        return replace(refusal, retryable=problem.retryable, retry_after_ns=problem.retry_after_ns)

    def stable(self) -> None:
        """A connection has lasted for a while."""
        self._silences = 0

    def failed(
        self, kind: TransportKind, problem: Problem, answered: bool, was_ready: bool
    ) -> TransportKind | None:
        """A connection failed or was lost; returns the transport to try at once, if there is one.

        Args:
            kind: of that connection.
            problem: why.
            answered: the server had accepted the connection.
            was_ready: its session had been confirmed.
        """
        if self._setting != "auto":
            return None
        if kind == "websocket":
            return self._websocket_failed(problem, was_ready)
        if problem.other_way:
            self._must_be_websocket, self._refusal = True, problem
            return "websocket"
        if not problem.retryable:
            return None
        if was_ready:
            self._silences += problem.code == "peer_silent"
            self._must_be_websocket = self._silences >= MAX_SILENCES
        elif answered:
            self._must_be_websocket = problem.code in ("connect_timeout", "connection_lost")
        else:
            self._refusals += problem.status >= 500 or problem.code == "connect_timeout"
            self._must_be_websocket = self._refusals >= MAX_REFUSALS
        return "websocket" if self._must_be_websocket else None

    def _websocket_failed(self, problem: Problem, was_ready: bool) -> TransportKind | None:
        """What was learnt may be true no longer."""
        was_learnt = self.websocket_until_ns > 0 and not self._must_be_websocket
        self._must_be_websocket = False
        if was_ready:
            return None
        self.websocket_until_ns = 0
        is_gone = problem.status in NOT_THIS_WAY and not problem.retryable
        return "webrtc" if was_learnt and is_gone else None
