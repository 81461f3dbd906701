"""What is said to a Realtime server: which one it is, the session object, and client events.

Pure. The API is OpenAI's Realtime API as of general availability (session type ``realtime``,
``audio.input`` / ``audio.output``); every client event carries an ``event_id``, so that an
``error`` can be traced to its cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mixer_core.bus.errors import SettingsError
from mixer_core.bus.pcm import SAMPLE_RATE_HZ
from mixer_core.bus.settings import KEY_VARIABLE, OpenaiLinkSettings, Settings, uses_simulator

DATA_CHANNEL = "oai-events"
"""Label of the data channel that carries the events."""
MAX_SAY_CHARS = 4_000
"""Longest text that a browser may ``say``."""

TAG = "mixminus"
"""Key in a response's metadata: the id of the event that asked for it."""

_DUMMY_KEY = "simulator"
_OPENAI_HOST = "api.openai.com"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PCM = {"type": "audio/pcm", "rate": SAMPLE_RATE_HZ}
_GREETING = "Greet the people in the room in one short sentence and offer your help."


@dataclass(frozen=True, slots=True)
class Upstream:
    """The Realtime server of this process."""

    name: str
    """``openai``, ``simulator`` or the base URL's host."""
    base_url: str
    """Without a slash at the end, with ``/v1``."""
    api_key: str
    ephemeral: bool
    """Get a client secret first, and call with it."""

    @property
    def simulated(self) -> bool:
        """Whether it is the local simulator by our own choice."""
        return self.name == "simulator"

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine, reached by loopback."""
        return (urlsplit(self.base_url).hostname or "") in _LOOPBACK

    @property
    def title(self) -> str:
        """What people call it, at the start of a sentence."""
        if self.name == "openai":
            return "OpenAI"
        return "The simulator" if self.simulated else self.name

    def __repr__(self) -> str:
        return f"Upstream({self.name!r}, {self.base_url!r})"


def choose_upstream(settings: Settings, api_key: str) -> Upstream:
    """Decide who answers; ``api_key`` is the value of OPENAI_API_KEY, empty where it is unset.

    The real key never goes to the simulator.

    Raises:
        SettingsError: OpenAI is demanded and there is no key.
    """
    link, simulator = settings.openai_link, settings.simulator
    ephemeral = link.auth == "ephemeral"
    if uses_simulator(link, {KEY_VARIABLE: api_key}):
        host = simulator.http_host
        if host in ("", "0.0.0.0", "::"):
            host = "127.0.0.1"
        url = f"http://{f'[{host}]' if ':' in host else host}:{simulator.http_port}/v1"
        return Upstream("simulator", url, simulator.api_key or _DUMMY_KEY, ephemeral)
    if not api_key:
        raise SettingsError(
            f"[openai_link] upstream is openai and {KEY_VARIABLE} is not set: "
            'set it, or set upstream to "simulator"'
        )
    url = link.base_url.rstrip("/")
    host = urlsplit(url).hostname or url
    return Upstream("openai" if host == _OPENAI_HOST else host, url, api_key, ephemeral)


def session_object(settings: OpenaiLinkSettings) -> dict[str, Any]:
    """The whole session, sent with the call: what arrives later may come after the first answer."""
    transcription = (
        {"model": settings.transcription_model} if settings.transcription_model else None
    )
    return {
        "type": "realtime",
        "model": settings.model,
        "instructions": settings.instructions,
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": dict(_PCM),
                "noise_reduction": None,
                "transcription": transcription,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": settings.vad_threshold,
                    "prefix_padding_ms": settings.vad_prefix_padding_ms,
                    "silence_duration_ms": settings.vad_silence_ms,
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"format": dict(_PCM), "voice": settings.voice},
        },
    }


class ClientEvents:
    """Makes client events with ids that are unique within one call."""

    def __init__(self) -> None:
        self._count = 0

    def _event(self, kind: str, **content: Any) -> dict[str, Any]:
        self._count += 1
        return {"type": kind, "event_id": f"mm_{self._count}", **content}

    def user_text(self, text: str) -> dict[str, Any]:
        """Add a message of the user to the conversation."""
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        return self._event("conversation.item.create", item=item)

    def create_response(self, response: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Have the model answer now, with ``response`` overriding the session's values.

        The response carries the event's id as metadata ``TAG``.
        """
        event = self._event("response.create")
        return {**event, "response": {**(response or {}), "metadata": {TAG: event["event_id"]}}}

    def cancel_response(self, response_id: str) -> dict[str, Any]:
        """Stop generating; only while that response is active."""
        return self._event("response.cancel", response_id=response_id)

    def clear_output(self) -> dict[str, Any]:
        """Stop playing; truncates what was not heard (WebRTC only)."""
        return self._event("output_audio_buffer.clear")


def greeting(instructions: str) -> dict[str, Any]:
    """Overrides for the response that greets a fresh room."""
    return {"instructions": f"{instructions}\n\n{_GREETING}".strip()}
