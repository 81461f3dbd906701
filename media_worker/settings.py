"""The section ``[media_worker]``, and what the worker reads of ``[openai_link]``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from mixer_core.runtime.settings import CommonSettings, Milliseconds, SectionView


@dataclass(frozen=True, slots=True)
class MediaWorkerSettings:
    """One child per browser."""

    idle_children: Annotated[int, msgspec.Meta(ge=1, le=16)] = 2
    """Warm children waiting for a browser."""
    max_children: Annotated[int, msgspec.Meta(ge=1, le=256)] = 24
    """Most children at the same time, idle ones included."""
    ice_addresses: str = "auto"
    """Addresses offered to browsers, separated by commas; auto: all of this host."""
    connect_timeout_ms: Milliseconds = 10_000
    """A browser that has not opened its data channel after this time is given up."""
    peer_silence_ms: Milliseconds = 3_000
    """A browser that has sent no datagram for this time is gone."""
    outbox_cap_ms: Milliseconds = 200
    """Audio that may wait for the network, per browser; more is dropped."""
    silence_hangover_ms: Milliseconds = 400
    """How long digital silence is still sent before sending pauses."""


@dataclass(frozen=True, slots=True)
class AssistantSettings(SectionView):
    """How people talk with the assistant: the keys of ``[openai_link]`` that pages are told."""

    turn_detection: str = "server_vad"
    """push_to_talk: the assistant hears the room only while somebody holds a button."""
    output: str = "audio"
    """audio: the assistant speaks; text: it only writes."""


@dataclass(frozen=True, slots=True)
class Settings(CommonSettings):
    """What a media worker reads."""

    media_worker: MediaWorkerSettings = field(default_factory=MediaWorkerSettings)
    openai_link: AssistantSettings = field(default_factory=AssistantSettings)
