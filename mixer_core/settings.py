"""The section ``[mixer_core]``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from .runtime.settings import CommonSettings, Milliseconds


@dataclass(frozen=True, slots=True)
class MixerCoreSettings:
    """The mixer."""

    deadline_ms: Milliseconds = 20
    """A slot is mixed when its oldest frame has waited so long, whoever is missing."""
    gap_hold_ms: Milliseconds = 60
    """A missing frame of a browser is waited for so long."""
    buffer_cap_ms: Milliseconds = 200
    """Audio that may wait per stream; what is over it is dropped, oldest first."""
    stream_timeout_ms: Milliseconds = 3_000
    """A stream that says nothing at all for so long is removed."""
    max_streams: Annotated[int, msgspec.Meta(ge=2, le=1024)] = 128
    """Streams at once; more are refused and counted."""


@dataclass(frozen=True, slots=True)
class Settings(CommonSettings):
    """What the mixer reads."""

    mixer_core: MixerCoreSettings = field(default_factory=MixerCoreSettings)
