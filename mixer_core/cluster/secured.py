"""TLS that cannot be talked away, and credentials that go to the right server only.

NATS' protocol begins in the clear, and a client turns to TLS when the server's first line asks for
it: whoever is in between could leave that out. So credentials of a ``tls://`` server are given away
only once TLS has begun. Source: https://docs.nats.io/reference/reference-protocols/nats-protocol
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from .credentials import Credentials


class WatchedContext(ssl.SSLContext):
    """What ``ssl.create_default_context`` makes, and it knows whether it has been used."""

    is_used = False

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        self.is_used = True
        return super().wrap_bio(*args, **kwargs)


def make_context(ca_file: str) -> WatchedContext:
    """For one connection; checks the server's certificate and its name.

    Raises:
        OSError: the file with the authorities cannot be read, or has none (``ssl.SSLError``).
    """
    context = WatchedContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file:
        context.load_verify_locations(ca_file)
    else:
        context.load_default_certs()
    return context


def login(credentials: Credentials, server: str, context: WatchedContext) -> dict[str, Any]:
    """Arguments for NATS' client: functions that give the credentials away, or raise OSError."""

    def guarded(value: Any) -> Callable[[], Any]:
        def give() -> Any:
            check_tls(server, context)
            return value

        return give

    if credentials.key is not None:
        return {
            "user_jwt_cb": guarded(credentials.jwt),
            "signature_cb": credentials.sign,
        }
    if credentials.token:
        return {"token": guarded(credentials.token)}
    if credentials.user:
        return {"user": guarded(credentials.user), "password": guarded(credentials.password)}
    return {}


def check_tls(server: str, context: WatchedContext) -> None:
    """Raise ConnectionError where the connection to a ``tls://`` server is in the clear."""
    if server.startswith("tls://") and not context.is_used:
        raise ConnectionError("the server offers no TLS: give it a certificate, or write nats://")
