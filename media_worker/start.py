"""What the media workers need to start."""

from __future__ import annotations

from collections.abc import Mapping

from mixer_core.patches.releases import check_releases
from mixer_core.runtime.start_checks import BASE_DESCRIPTORS, Needs

from .settings import Settings

DESCRIPTORS_PER_CHILD = 4
"""Of the host: its pipes."""


def check_start(settings: Settings, env: Mapping[str, str]) -> Needs:
    """Raises StartupError: the network cannot be read, or a library is of another release."""
    del env
    check_releases()
    settings.media_worker.network()
    return Needs(BASE_DESCRIPTORS + DESCRIPTORS_PER_CHILD * settings.media_worker.max_children)
