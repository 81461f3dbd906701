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
    auto_gain: bool = True
    """Whether every microphone is brought to the same loudness of speech."""
    speech_target_dbfs: Annotated[float, msgspec.Meta(ge=-40, le=-14)] = -22.0
    """That loudness: RMS of speech without its pauses, in dB below full scale."""
    max_gain_db: Annotated[float, msgspec.Meta(ge=0, le=36)] = 30.0
    """Most that a quiet voice is raised; noise between its words is raised by 6 dB at most."""
    max_cut_db: Annotated[float, msgspec.Meta(ge=0, le=24)] = 12.0
    """Most that a loud voice is lowered."""
    noise_gate_db: Annotated[float, msgspec.Meta(ge=0, le=40)] = 12.0
    """How much of a microphone is taken away while nobody speaks into it; 0: nothing."""
    echo_detector: bool = True
    """Whether microphones are held back while they hear the assistant, or a person, from another
    device."""
    standby: bool = True
    """Whether a second mixer waits, loaded, to go on at once where the first one ends."""


@dataclass(frozen=True, slots=True)
class Settings(CommonSettings):
    """What the mixer reads."""

    mixer_core: MixerCoreSettings = field(default_factory=MixerCoreSettings)
