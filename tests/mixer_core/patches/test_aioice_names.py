"""aioice imports dnspython when a peer's address is a name of the local network, not before."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace
from typing import Any

import aioice.mdns
import pytest

from mixer_core.patches.aioice import names


@pytest.fixture
def not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has not met aioice."""
    monkeypatch.delitem(sys.modules, names.MODULE)


def test_what_is_imported_inside_gets_the_stand_in_and_others_the_module(
    not_imported: None,
) -> None:
    with names.when_needed():
        inside = sys.modules[names.MODULE]
    assert inside is not aioice.mdns
    assert names.MODULE not in sys.modules


def test_a_module_that_is_there_stays() -> None:
    with names.when_needed():
        assert sys.modules[names.MODULE] is aioice.mdns
    assert sys.modules[names.MODULE] is aioice.mdns


def test_an_address_does_not_import_it(not_imported: None) -> None:
    stand_in: Any = names.stand_in()
    assert not stand_in.is_mdns_hostname("192.0.2.1")
    assert names.MODULE not in sys.modules


@pytest.mark.parametrize("name", ["0a1b-2c.local", "two.labels.local", ".local", "a.local."])
def test_a_name_is_judged_by_the_module(name: str) -> None:
    stand_in: Any = names.stand_in()
    assert stand_in.is_mdns_hostname(name) == aioice.mdns.is_mdns_hostname(name)


def test_the_network_is_asked_by_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = SimpleNamespace()

    async def create() -> Any:
        return protocol

    monkeypatch.setattr(aioice.mdns, "create_mdns_protocol", create)
    stand_in: Any = names.stand_in()
    assert asyncio.run(stand_in.create_mdns_protocol()) is protocol
