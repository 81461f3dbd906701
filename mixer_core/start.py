"""What the mixer needs to start."""

from __future__ import annotations

from collections.abc import Mapping

from .bus.endpoints import AUDIO_IN, AUDIO_OUT
from .runtime.start_checks import BASE_DESCRIPTORS, Needs
from .settings import Settings

STANDBY_PROGRAM = "mixer_core_standby"
"""The mixer that waits behind the other one."""


def check_start(settings: Settings, env: Mapping[str, str]) -> Needs:
    """Two connections for each stream."""
    del env
    descriptors = BASE_DESCRIPTORS + 2 * settings.mixer_core.max_streams
    return Needs(descriptors, sockets=(AUDIO_IN.file_name, AUDIO_OUT.file_name))
