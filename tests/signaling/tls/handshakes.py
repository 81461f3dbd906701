"""TLS handshakes in memory, as OpenSSL makes them."""

from __future__ import annotations

import ssl

from signaling.tls.certificates import load_into, new_context


def server(pem: bytes) -> ssl.SSLContext:
    """A server that shows ``pem``."""
    context = new_context()
    load_into(context, pem)
    return context


def problem(root_pem: bytes, context: ssl.SSLContext, name: str) -> str:
    """What a client that trusts ``root_pem`` and asks for ``name`` objects to; empty: nothing."""
    client = Client(root_pem, context, name)
    try:
        client.connect()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    return ""


class Client:
    """One connection of a client that trusts ``root_pem`` to ``context``."""

    def __init__(self, root_pem: bytes, context: ssl.SSLContext, name: str) -> None:
        trusting = ssl.create_default_context(cadata=root_pem.decode())
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = trusting.wrap_bio(down, up, server_hostname=name)
        self.server = context.wrap_bio(up, down, server_side=True)

    def connect(self) -> None:
        """Shake hands. Raises SSLCertVerificationError."""
        waiting = [self.client, self.server]
        while waiting:
            for side in list(waiting):
                try:
                    side.do_handshake()
                    waiting.remove(side)
                except ssl.SSLWantReadError:
                    continue

    def exchange(self) -> bytes:
        """Send something up, and return it as it came."""
        self.client.write(b"still here")
        return self.server.read()

    def serial(self) -> str:
        """Serial number of the certificate that the client saw."""
        found = self.client.getpeercert()
        assert found is not None
        return str(found["serialNumber"])
