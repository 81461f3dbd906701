"""What the simulator needs to start, as far as that can be told without loading it."""

from __future__ import annotations

from collections.abc import Mapping

from mixer_core.patches.releases import check_releases
from mixer_core.runtime.start_checks import BASE_DESCRIPTORS, ListeningPort, Needs

from .settings import Settings

DESCRIPTORS_PER_CALL = 8
_PORT, _SECURE_PORT = "MIXMINUS_SIMULATOR__HTTP_PORT", "MIXMINUS_SIMULATOR__HTTPS_PORT"


def check_start(settings: Settings, env: Mapping[str, str]) -> Needs:
    """Raises StartupError: a library is of another release."""
    del env
    check_releases()
    section = settings.simulator
    ports = [ListeningPort(section.http_host, section.http_port, _PORT)]
    if section.https_port:
        ports.append(ListeningPort(section.http_host, section.https_port, _SECURE_PORT))
    return Needs(BASE_DESCRIPTORS + DESCRIPTORS_PER_CALL * section.max_calls, tuple(ports))
