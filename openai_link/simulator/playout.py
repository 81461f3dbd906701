"""Until when a WebSocket client is busy playing, as the server assumes it. Pure."""

from __future__ import annotations

from typing import Any

_BASE64_BYTES_PER_MS = {"audio/pcm": 64.0, "audio/pcmu": 32 / 3, "audio/pcma": 32 / 3}
_NS_PER_MS = 1_000_000


class AssumedPlayout:
    """Adds up the sound that was sent: the client plays it from when it came, without a gap."""

    def __init__(self) -> None:
        self._end_ns = 0

    def follow(self, event: dict[str, Any], audio_format: str, now_ns: int) -> None:
        """Count an event, if it is one with sound, in the session's ``audio_format``."""
        if event["type"] == "response.output_audio.delta":
            length_ms = len(event["delta"]) / _BASE64_BYTES_PER_MS[audio_format]
            self._end_ns = max(self._end_ns, now_ns) + int(length_ms * _NS_PER_MS)

    def is_playing(self, now_ns: int) -> bool:
        """Whether sound is left."""
        return now_ns < self._end_ns

    def stop(self) -> None:
        """The client throws away what it has not played."""
        self._end_ns = 0
