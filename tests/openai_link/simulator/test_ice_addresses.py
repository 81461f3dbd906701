"""ICE candidates follow the address of the HTTP server."""

from __future__ import annotations

import aioice.ice
import pytest

from mixer_core.patches.aioice.gathering import offer_addresses
from openai_link.simulator.service import choose_ice_addresses


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_media_is_offered_where_http_listens(host: str) -> None:
    try:
        choose_ice_addresses(host)
        assert aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=True) == ["127.0.0.1"]
        choose_ice_addresses("0.0.0.0")
        assert "127.0.0.1" in aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False)
    finally:
        offer_addresses(None)
