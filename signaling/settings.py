"""The section ``[signaling]``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from mixer_core.runtime.settings import CommonSettings, Count, Milliseconds, Port


@dataclass(frozen=True, slots=True)
class SignalingSettings:
    """The HTTP side."""

    http_host: str = "127.0.0.1"
    """Address to listen on; anything but loopback needs MIXMINUS_TOKEN in the environment."""
    http_port: Port = 8080
    """TCP port of the page and the API."""
    allowed_hosts: str = ""
    """More host names, separated by commas, that browsers may use for this gateway."""
    max_participants: Count = 20
    """Browsers at once over all rooms; the next one gets 503."""
    max_rooms: Count = 10
    """Rooms at once; each holds one Realtime session."""
    mode: Literal["assistant", "conference"] = "assistant"
    """Mode of rooms whose first participant asks for none; conference: people hear each other."""
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1 << 20)] = 65_536
    """Largest request body; over it 413."""
    answer_timeout_ms: Milliseconds = 5_000
    """How long an offer waits for a media worker before 503."""


@dataclass(frozen=True, slots=True)
class Settings(CommonSettings):
    """What signaling reads."""

    signaling: SignalingSettings = field(default_factory=SignalingSettings)
