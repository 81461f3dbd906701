"""What a connection to the Realtime server can do, over WebRTC or over a WebSocket. Sans-I/O.

``WebrtcTransport`` and ``WebsocketTransport`` look alike from outside: client events up, server
events down, 20 ms frames both ways, and ``output_audio_buffer.started``, ``stopped`` and
``cleared`` for every reply that is heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from mixer_core.runtime.errors import UpstreamError

TransportKind = Literal["webrtc", "websocket"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """What a transport calls, always on the event loop and in order; never after ``close``.

    Never from within ``send``, ``clear_output``, ``start`` or ``frame``.
    """

    on_answered: Callable[[], None]
    """The server has accepted the connection (HTTP answer, WebSocket upgrade); once, before
    ``on_up``."""
    on_up: Callable[[], None]
    """Media can flow."""
    on_event: Callable[[Mapping[str, Any]], None]
    """A server event, or one that the transport generates in the server's place."""
    on_audio: Callable[[bytes, int, int, bool], None]
    """20 ms of the reply: 960 bytes of PCM, arrival time and current time (monotonic ns), and
    whether the frame conceals a loss."""
    on_delivered: Callable[[str, int], None]
    """The server has delivered this many more samples (24 kHz) of an item, ahead of their time
    (WebSocket only)."""
    on_lost: Callable[[UpstreamError], None]
    """The connection is lost; at most once."""
    on_change: Callable[[], None]
    """``next_timeout_ns`` may be earlier than before."""


class Transport(Protocol):
    """One connection: ``connect`` once, ``close`` once."""

    @property
    def kind(self) -> TransportKind:
        """WebRTC or WebSocket."""

    @property
    def call_id(self) -> str:
        """The server's id of the WebRTC call; empty if it has none (yet)."""

    @property
    def knows_session(self) -> bool:
        """The session went with the call; else it is sent by ``session.update``."""

    @property
    def simulated(self) -> bool:
        """The server is a simulator: our settings or its own answer say so."""

    @property
    def bad_events(self) -> int:
        """Messages from the server that were not JSON objects."""

    @property
    def last_received_ns(self) -> int:
        """When anything last came from the server (monotonic); 0: nothing yet."""

    async def connect(self, session: Mapping[str, Any]) -> None:
        """Connect; returns once the server has accepted. ``on_up`` and events follow.

        Args:
            session: the session object, which goes with most WebRTC offers. Where it did not
                (``knows_session``) it must be sent as ``session.update`` when ``session.created``
                has come; the session is ours only once ``session.updated`` has.

        Raises:
            UpstreamError: refused, unreachable, or an answer that cannot be used.
        """

    def send(self, event: Mapping[str, Any]) -> bool:
        """Send a client event to the server; False if the connection cannot take it."""

    def clear_output(self, event: Mapping[str, Any]) -> None:
        """Stop playing what the server has generated.

        Args:
            event: the client event ``output_audio_buffer.clear``. WebRTC sends it to the server,
                which plays the reply; a WebSocket plays the reply here, and cuts it off here.
        """

    async def close(self) -> None:
        """Close here and on the server. Never raises."""

    def start(self, now_ns: int) -> None:
        """Start sending audio: silence until the first frame."""

    def frame(self, pcm: bytes, stamp_ns: int, pause: bool, now_ns: int) -> None:
        """Send 20 ms of the room (960 bytes) that reached this host at ``stamp_ns``.

        Args:
            pcm: PCM16, 24 kHz, mono.
            stamp_ns: monotonic arrival time, for the latency figure.
            pause: no frame follows until further notice.
            now_ns: current monotonic time.
        """

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None if no timer is needed."""

    def tick(self, now_ns: int) -> None:
        """``next_timeout_ns`` has been reached."""

    def counters(self) -> dict[str, int]:
        """Counters so far; names end in ``_total``."""

    def backlog_ms(self, now_ns: int) -> tuple[int, int]:
        """Audio that is waiting: on its way up, and on its way down."""
