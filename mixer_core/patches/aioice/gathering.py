"""What every ICE connection of this process offers, and how fast it notices a dead peer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import aioice.ice

CONSENT_INTERVAL_S = 5.0
CONSENT_FAILURES = 6
"""aioice's own figures: a dead peer is noticed after about 30 s."""

_ice: Any = aioice.ice
_own_addresses = aioice.ice.get_host_addresses
_own_request: Any = aioice.ice.StunProtocol.request


def offer_addresses(choose: Callable[[], Sequence[str]] | None) -> None:
    """Offer exactly the IP addresses that ``choose`` returns, in all later connections.

    It is called once for each connection. None restores aioice's own choice.
    """

    def get_host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        assert choose is not None
        return list(choose())

    _ice.get_host_addresses = get_host_addresses if choose is not None else _own_addresses


def host_addresses(include_loopback: bool) -> list[str]:
    """This host's addresses as aioice finds them, and 127.0.0.1 last if wanted."""
    found = _own_addresses(use_ipv4=True, use_ipv6=True)
    return [*found, "127.0.0.1"] if include_loopback else found


def check_consent(
    interval_s: float = CONSENT_INTERVAL_S, failures: int = CONSENT_FAILURES, repeats: int = 0
) -> None:
    """Ask peers every ``interval_s`` (± 20 %) whether they are alive, in all later connections.

    After ``failures`` unanswered questions in a row the connection closes. An answer is waited for
    half a second, twice as long after the first of the ``repeats`` of a question, and so on; with
    none of them no answer is in time where the round trip is longer.
    """
    _ice.CONSENT_INTERVAL, _ice.CONSENT_FAILURES = interval_s, failures

    async def request(
        protocol: Any,
        request: Any,
        addr: tuple[str, int],
        integrity_key: bytes | None = None,
        retransmissions: int | None = None,
    ) -> Any:
        asks_consent = retransmissions == 0
        times = repeats if asks_consent else retransmissions
        return await _own_request(protocol, request, addr, integrity_key, times)

    _ice.StunProtocol.request = request if repeats else _own_request
