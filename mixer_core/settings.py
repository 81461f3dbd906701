"""The section ``[mixer_core]``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from .runtime.settings import CommonSettings, Milliseconds


@dataclass(frozen=True, slots=True)
class MixerCoreSettings:
    """The mixer."""

    applies = "now"

    deadline_ms: Milliseconds = 20
    """A slot is mixed when its oldest frame has waited this long, whoever is missing."""
    gap_hold_ms: Milliseconds = 60
    """How long to wait for a missing frame of a browser before it is concealed."""
    buffer_cap_ms: Milliseconds = 200
    """Audio that may wait per stream; more is dropped, oldest first."""
    stream_timeout_ms: Milliseconds = 3_000
    """A stream that has sent nothing at all for this time is removed."""
    max_streams: Annotated[int, msgspec.Meta(ge=2, le=1024)] = 128
    """Most streams at the same time; further ones are refused and counted."""
    standby: bool = True
    """Whether a second mixer waits, loaded, to go on at once where the first one ends."""


@dataclass(frozen=True, slots=True)
class Settings(CommonSettings):
    """What the mixer reads."""

    mixer_core: MixerCoreSettings = field(default_factory=MixerCoreSettings)
