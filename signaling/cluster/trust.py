"""How a node knows that a request on its private port was relayed to it by itself.

What other nodes relay is replayed against this process's own application, on a port of loopback
that nobody else is told of. Each such request carries a secret that was drawn at the start and
never leaves the process; who comes without it gets 403, whatever it asks for. On the ports that
browsers reach these headers mean nothing.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Mapping

import msgspec

from mixer_core.runtime.errors import ProblemError

from ..access.identity import Vouch
from ..http.forwarded import Asker, Proxies

SECRET_HEADER = "Mixminus-Relay-Secret"
VOUCH_HEADER = "Mixminus-Relay-Vouch"
LET_GO_HEADER = "Mixminus-Relay-Let-Go"
"""Of an answer, see ``Replied.let_go``."""
_VOUCH = msgspec.json.Decoder(Vouch)


class RelayTrust(Proxies):
    """In the place of proxies: believes whoever has the secret."""

    def __init__(self) -> None:
        super().__init__("127.0.0.0/8")
        self._secret = secrets.token_hex(32)

    def headers(self, vouch: Vouch) -> dict[str, str]:
        """What a replayed request has to carry."""
        packed = base64.b64encode(msgspec.json.encode(vouch)).decode()
        return {SECRET_HEADER: self._secret, VOUCH_HEADER: packed}

    def check(self, headers: Mapping[str, str]) -> None:
        """Raises ProblemError (403): it was not replayed by this process."""
        given = headers.get(SECRET_HEADER, "").encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(given, self._secret.encode()):
            words = "this port is for the gateway itself: open its page"
            raise ProblemError(403, "Private port", words)

    def asker(self, peer: str, headers: Mapping[str, str], secure: bool) -> Asker:
        """Who sent a request, by the word of the node at which it came in.

        Raises:
            ProblemError: 403, it was not replayed by this process.
        """
        self.check(headers)
        vouch = _VOUCH.decode(base64.b64decode(headers.get(VOUCH_HEADER, "")))
        return Asker(vouch.address, vouch.host, vouch.secure, vouch.forwarded, vouch)
