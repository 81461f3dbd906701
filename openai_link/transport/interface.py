"""What a way to the Realtime server must be able to do, whichever way it is. Sans-I/O.

``WebrtcTransport`` and ``WebsocketTransport`` behave alike towards a ``Conversation``: client
events down, server events up, 20 ms frames both ways, and ``output_audio_buffer.started``,
``stopped`` and ``cleared`` for every reply that is heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from mixer_core.runtime.errors import UpstreamError

TransportKind = Literal["webrtc", "websocket"]
"""Which way."""
ConnectStage = Literal["asking", "joining", "up"]
"""How far a call has come: the server has not answered, it has, media can flow."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What a transport calls, always on the event loop and in order; never after ``close``."""

    on_up: Callable[[], None]
    """Media can flow."""
    on_event: Callable[[Mapping[str, Any]], None]
    """One event of the server (or one made up in its place, see the module)."""
    on_audio: Callable[[bytes, int, int, bool], None]
    """20 ms of the reply: 960 bytes, when it came (monotonic ns), now, and whether it is made up
    for a lost one."""
    on_made: Callable[[str, int], None]
    """The server has delivered so many more samples of this item, ahead of their time
    (WebSocket only)."""
    on_lost: Callable[[UpstreamError], None]
    """The call is gone; at most once."""
    on_change: Callable[[], None]
    """``next_timeout_ns`` may be earlier than before."""


class Transport(Protocol):
    """One call: ``connect`` once, ``close`` once."""

    @property
    def kind(self) -> TransportKind:
        """Which way it is."""

    @property
    def stage(self) -> ConnectStage:
        """How far it has come."""

    @property
    def call_id(self) -> str:
        """The server's name of the call; empty where it has none (yet)."""

    @property
    def simulated(self) -> bool:
        """The server is a simulator, by our own choice or by its own word."""

    @property
    def bad_events(self) -> int:
        """Messages of the server that were no JSON objects."""

    @property
    def heard_ns(self) -> int:
        """When anything came from the server (monotonic); 0: nothing yet."""

    @property
    def confirms_by_update(self) -> bool:
        """The session is ours only when ``session.updated`` says so: it did not come with the
        call, and ``session_update`` must be sent when ``session.created`` has come."""

    async def connect(self, session: Mapping[str, Any]) -> None:
        """Make the call; ``on_up`` and events follow. Returns when the server has answered.

        ``session``: the session object, which goes with the call where that is possible. Raises
        UpstreamError.
        """

    def send(self, event: Mapping[str, Any]) -> bool:
        """Send a client event; False where it cannot leave."""

    async def close(self, hang_up: bool = True) -> None:
        """End the call here and on the server. Never raises."""

    def start(self, now_ns: int) -> None:
        """Let the server hear the room from now on: silence until the first frame."""

    def frame(self, pcm: bytes, stamp_ns: int, pause: bool, now_ns: int) -> None:
        """20 ms of the room (960 bytes) that entered this host at ``stamp_ns``."""

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""

    def tick(self, now_ns: int) -> None:
        """The time-out was reached."""

    def counters(self) -> dict[str, int]:
        """What was counted so far; names end in ``_total``."""

    def backlog_ms(self, now_ns: int) -> tuple[int, int]:
        """Audio that waits: on its way up, and on its way down."""
