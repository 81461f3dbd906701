"""What signaling needs to start."""

from __future__ import annotations

from collections.abc import Mapping

from mixer_core.bus.endpoints import CONTROL
from mixer_core.runtime.outer_addresses import parse_announced
from mixer_core.runtime.start_checks import BASE_DESCRIPTORS, ListeningPort, Needs

from .access.gate import check_exposure
from .http.forwarded import Proxies, clean_path
from .ice import IceServers
from .lan_check import check_lan
from .settings import Settings

DESCRIPTORS_PER_PARTICIPANT = 8
"""Connections of a browser and of the processes that serve it."""
_PORT, _SECURE_PORT = "MIXMINUS_SIGNALING__HTTP_PORT", "MIXMINUS_SIGNALING__HTTPS_PORT"


def check_start(settings: Settings, env: Mapping[str, str]) -> Needs:
    """Raises StartupError: a setting contradicts another one, or a token is missing or weak."""
    section = settings.signaling
    check_lan(section)
    check_exposure(section, env)
    Proxies(section.trusted_proxies)
    clean_path(section.public_path)
    IceServers(settings.media_worker, env)
    parse_announced(settings.media_worker.announce_address)
    if settings.cluster.is_on:
        from mixer_core.cluster.start import check_cluster

        check_cluster(settings.cluster)
    ports = [ListeningPort(section.http_host, section.http_port, _PORT)]
    if section.lan:
        ports.append(ListeningPort("0.0.0.0", section.https_port, _SECURE_PORT))
    people = section.max_participants + section.max_rooms
    descriptors = 2 * BASE_DESCRIPTORS + DESCRIPTORS_PER_PARTICIPANT * people
    return Needs(descriptors, tuple(ports), (CONTROL.file_name,))
