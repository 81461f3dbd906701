"""Names in ``announce_address``: looked up, kept while that fails, told once."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from mixer_core.runtime.errors import SettingsError
from mixer_core.runtime.outer_addresses import OuterAddresses, parse_announced
from signaling.outer_names import AGAIN_S, RETRY_S, OuterNames
from signaling.settings import NetworkSettings
from tests.signaling.edge import asynchronous, running
from tests.support.waiting import until

HOME = "home.example.org"


def test_the_setting_takes_addresses_and_names() -> None:
    assert parse_announced("") == OuterAddresses()
    given = " 192.0.2.1, HOME.example.org., 2001:db8::1 ,192.0.2.1"
    assert parse_announced(given) == OuterAddresses(("192.0.2.1", "2001:db8::1"), (HOME,))


@pytest.mark.parametrize(
    "text",
    ["auto", "1.2.3", "192.0.2.300", "-a.example", "a..example", "a b.example", "x" * 300 + ".org"],
)
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="announce_address"):
        parse_announced(text)


def test_a_name_leads_to_addresses_that_others_can_reach() -> None:
    names = OuterNames([HOME])
    assert names.addresses == () and names.warnings == []
    found = {"192.0.2.7", "127.0.1.1", "::1", "fe80::1%eth0", "2001:db8::7", "0.0.0.0"}
    told = names.answered(HOME, found)
    assert told is not None and not told[1] and "192.0.2.7" in told[0]
    assert names.addresses == ("192.0.2.7", "2001:db8::7")
    assert names.answered(HOME, found) is None, "nothing is new"
    assert names.wait_s == AGAIN_S
    names.answered(HOME, {f"192.0.2.{number}" for number in range(1, 9)})
    assert len(names.addresses) == 4


def test_a_failure_is_told_once_and_keeps_what_was_known() -> None:
    names = OuterNames([HOME, "other.example.org"])
    names.answered(HOME, ["192.0.2.7"])
    told = names.failed(HOME, "no answer")
    assert told is not None and told[1]
    assert HOME in told[0] and "192.0.2.7 stays" in told[0] and "\n" not in told[0]
    assert names.failed(HOME, "no answer") is None
    assert names.failed(HOME, "another reason") is None, "it is still the same trouble"
    assert names.addresses == ("192.0.2.7",)
    assert len(names.warnings) == 1 and names.wait_s == RETRY_S
    back = names.answered(HOME, ["192.0.2.7"])
    assert back is not None and not back[1], "that it works again is told, too"
    assert names.warnings == [] and names.wait_s == AGAIN_S


def test_a_name_that_leads_nowhere_is_a_failure() -> None:
    names = OuterNames([HOME])
    told = names.answered(HOME, ["127.0.0.1", "::1"])
    assert told is not None and told[1] and "no address" in told[0]
    assert names.addresses == () and "browsers are not told" in names.warnings[0]


@pytest.mark.sockets
@asynchronous
async def test_offers_carry_what_a_name_leads_to(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {HOME: "198.51.100.7"}
    real = socket.getaddrinfo

    def look_up(host: object, *more: object, **others: object) -> object:
        if host in answers:
            return real(answers[str(host)], *more, **others)  # type: ignore[arg-type]
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *more, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    network = NetworkSettings(announce_address=f"192.0.2.1, {HOME}, gone.invalid")
    async with running(short_dir, network=network) as edge:
        worker = edge.add("worker")
        await edge.idle(1)
        await until(lambda: len(edge.gateway.warnings()) == 1, "no warning")
        warning = edge.gateway.warnings()[0]
        assert "gone.invalid" in warning and "Name or service not known" in warning
        shown = await edge.request("GET", "/readyz")
        assert shown.json()["warnings"] == [warning]
        assert (await edge.join()).status == 201
        offer = worker.received[0]
        assert offer.announced == ("198.51.100.7",)  # type: ignore[union-attr]
    assert not [task for task in asyncio.all_tasks() if "NameWatch" in repr(task.get_coro())]
