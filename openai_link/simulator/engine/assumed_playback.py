"""Until when a WebSocket client is busy playing, as the server assumes it. Sans-I/O."""

from __future__ import annotations

from .server_events import Action, SendEvent
from .session_config import LiveSession

_BASE64_BYTES_PER_MS = {"audio/pcm": 64.0, "audio/pcmu": 32 / 3, "audio/pcma": 32 / 3}
_NS_PER_MS = 1_000_000


class AssumedPlayback:
    """Adds up the sound that was sent: the client plays it from when it came, without a gap."""

    def __init__(self, session: LiveSession) -> None:
        """``session``: its output format says how long sound is."""
        self._session = session
        self._end_ns = 0

    def follow(self, actions: list[Action], now_ns: int) -> None:
        """Count the events with sound."""
        for action in actions:
            if not isinstance(action, SendEvent):
                continue
            if action.event["type"] == "response.output_audio.delta":
                audio_format = self._session.fields["audio"]["output"]["format"]["type"]
                length_ms = len(action.event["delta"]) / _BASE64_BYTES_PER_MS[audio_format]
                self._end_ns = max(self._end_ns, now_ns) + int(length_ms * _NS_PER_MS)

    def is_playing(self, now_ns: int) -> bool:
        """Whether sound is left."""
        return now_ns < self._end_ns

    def stop(self) -> None:
        """The client throws away what it has not played."""
        self._end_ns = 0
