"""Whether the settings of the local network fit together. ``lan`` is imported only with it."""

from __future__ import annotations

from mixer_core.runtime.errors import SettingsError

from .access.gate import is_loopback
from .settings import SignalingSettings


def check_lan(settings: SignalingSettings) -> None:
    """Raise SettingsError where the settings contradict each other."""
    if settings.lan and settings.tls == "off":
        raise SettingsError(
            "lan needs a certificate: set tls to auto or files; behind a proxy that has one, "
            "leave lan off and name the proxy in trusted_proxies"
        )
    if settings.lan and not is_loopback(settings.http_host):
        raise SettingsError(
            f"lan opens the local network by itself: set http_host to 127.0.0.1, not "
            f"{settings.http_host}"
        )
