"""What the link needs to start."""

from __future__ import annotations

from collections.abc import Mapping

from mixer_core.patches.releases import check_releases
from mixer_core.runtime.errors import SettingsError
from mixer_core.runtime.start_checks import BASE_DESCRIPTORS, Needs

from .realtime.session_object import session_object
from .room.trace_export import check_installed
from .room_settings import RoomSettings
from .secrets import check_secrets
from .settings import Settings

DESCRIPTORS_PER_CHILD = 4
"""Of the host: its pipes."""


def check_rooms(settings: Settings) -> None:
    """Raise SettingsError where the session of a room with rules of its own cannot be."""
    for room in settings.rooms:
        try:
            session_object(RoomSettings.of(settings, room).link)
        except SettingsError as error:
            raise SettingsError(f"[rooms.{room}]: {error}") from error


def check_start(settings: Settings, env: Mapping[str, str]) -> Needs:
    """Raises StartupError: a secret is missing or unusable, or a library is of another release."""
    check_releases()
    check_secrets(settings, env)
    check_rooms(settings)
    check_installed(settings.openai_link.traces_url)
    return Needs(BASE_DESCRIPTORS + DESCRIPTORS_PER_CHILD * settings.openai_link.max_children)
