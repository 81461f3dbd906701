"""How long a WebSocket client is busy playing, as far as the server can tell. Sans-I/O."""

from __future__ import annotations

from mixer_core.runtime.units import MS_NS

from .server_events import Action, SendEvent
from .session_config import LiveSession

_BASE64_BYTES_PER_MS = {"audio/pcm": 64.0, "audio/pcmu": 32 / 3, "audio/pcma": 32 / 3}


class AssumedPlayback:
    """Assumes that the client plays sound as soon as it is sent, without gaps."""

    def __init__(self, session: LiveSession) -> None:
        """``session``: its output format gives the length of sound."""
        self._session = session
        self._end_ns = 0

    def follow(self, actions: list[Action], now_ns: int) -> None:
        """Add the sound in ``actions``."""
        for action in actions:
            if not isinstance(action, SendEvent):
                continue
            if action.event["type"] == "response.output_audio.delta":
                audio_format = self._session.fields["audio"]["output"]["format"]["type"]
                length_ms = len(action.event["delta"]) / _BASE64_BYTES_PER_MS[audio_format]
                self._end_ns = max(self._end_ns, now_ns) + int(length_ms * MS_NS)

    def is_playing(self, now_ns: int) -> bool:
        """Whether the client is still playing."""
        return now_ns < self._end_ns

    def stop(self) -> None:
        """The client drops what it has not played."""
        self._end_ns = 0
