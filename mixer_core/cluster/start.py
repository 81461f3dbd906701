"""Whether the section ``[cluster]`` can be used; imported where it is on."""

from __future__ import annotations

import importlib.util
import socket
import sys
from urllib.parse import urlsplit

from mixer_core.runtime.errors import RequirementError, SettingsError

from .credentials import read_credentials
from .settings import ClusterSettings


def this_node(settings: ClusterSettings) -> str:
    """The name of this machine in the cluster. Raises SettingsError."""
    return settings.node_name(socket.gethostname())


def check_cluster(settings: ClusterSettings) -> None:
    """Whether the section can be used, without connecting and without importing NATS' client.

    Raises:
        SettingsError: a value is impossible, or a file cannot be read.
        RequirementError: the client is not installed.
    """
    if not settings.is_on:
        return
    for server in settings.servers:
        _check_server(server)
    this_node(settings)
    _check_public_url(settings.public_url)
    read_credentials(settings.credentials_file)
    if settings.ca_file:
        try:
            open(settings.ca_file, "rb").close()
        except OSError as error:
            raise SettingsError(
                f"[cluster] ca_file {settings.ca_file} cannot be read ({error.strerror})"
            ) from error
    if importlib.util.find_spec("nats") is None:
        raise RequirementError(
            "[cluster] servers are set, and the client of NATS is not installed: "
            f"{sys.executable} -m pip install 'nats-py>=2.16,<3'"
        )


def _check_server(server: str) -> None:
    """Raises SettingsError; never shows what stands before an @."""
    shown = server.rpartition("@")[2]
    if "@" in server:
        raise SettingsError(
            f"[cluster] servers: the URL of {shown} has a user or a token: settings are no secret, "
            "write it into [cluster] credentials_file"
        )
    try:
        parts = urlsplit(server)
        is_possible = parts.scheme in ("tls", "nats") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_possible = False
    if not is_possible or parts.path.strip("/") or parts.query:
        raise SettingsError(
            f"[cluster] servers: {shown!r} is no NATS server: write tls://HOST:4222, or "
            "nats://HOST:4222 where the network itself is safe"
        )


def _check_public_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_possible = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_possible = False
    if not is_possible:
        raise SettingsError(
            f"[cluster] public_url is {url!r}: set it to the URL at which the other machines reach "
            "this one, such as https://node-1.example:8443"
        )
