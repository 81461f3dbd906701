"""What a session asks its shell to do."""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.bus.frames import Kind

from .uplink import UplinkFrame


@dataclass(frozen=True, slots=True)
class SendBus:
    """Send a frame without audio to the mixer, on the session's stream."""

    kind: Kind
    epoch: int
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class SendAudio:
    """Send one frame of audio to the mixer."""

    frame: UplinkFrame


@dataclass(frozen=True, slots=True)
class SendControl:
    """Send JSON text to the browser."""

    text: str


@dataclass(frozen=True, slots=True)
class DropQueuedAudio:
    """Drop the audio that still waits for the network."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell signaling the new state."""


@dataclass(frozen=True, slots=True)
class Close:
    """The session is over: close the peer connection; ``detail`` says why, in words."""

    detail: str


Action = SendBus | SendAudio | SendControl | DropQueuedAudio | Announce | Close
