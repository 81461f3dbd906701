"""address.js: what the page's address may ask for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser


def read(run: Run, search: str = "", hash: str = "") -> dict[str, Any]:
    """What the reader makes of an address."""
    address = {"search": search, "hash": hash}
    return run("state/address.js", "return m.readAddress(a);", address)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("search", "hash", "room"),
    [
        ("", "", "home"),
        ("?room=kitchen", "", "kitchen"),
        ("", "#kitchen", "kitchen"),
        ("?room=kitchen", "#bath", "bath"),
        ("", "#room=kitchen&token=t", "kitchen"),
        ("?room=a", "#room=b", "b"),
        ("", "#k%C3%BCche", "küche"),
        ("", "#/%", "/%"),
        ("", "#%E0%A4%A", "%E0%A4%A"),
        ("?room=%", "", "%"),
        ("", "#=", "home"),
    ],
)
def test_the_room(run: Run, search: str, hash: str, room: str) -> None:
    assert read(run, search, hash)["room"] == room


def test_it_fills_in_and_does_nothing_else(run: Run) -> None:
    everything = read(
        run, "?autojoin=1&join=1&name=Ada&mode=conference&raw=1&talk=hold&worker=0&buffer=9999"
    )
    assert everything == {
        "room": "home",
        "name": "Ada",
        "mode": "conference",
        "token": "",
        "invite": "",
        "raw": True,
        "talk": "hold",
        "allowWorker": False,
        "jitter": {"targetMs": 800, "fixed": True},
    }


@pytest.mark.parametrize("value", ["", "x", "-1", "NaN", "<script>", "%"])
def test_values_that_make_no_sense_are_left_out(run: Run, value: str) -> None:
    read_ = read(run, f"?mode={value}&talk={value}&buffer={value}&raw={value}&worker={value}")
    assert read_ == read(run)


def test_the_fragment_carries_a_token_out_of_the_servers_sight(run: Run) -> None:
    assert read(run, "?token=old", "#token=a.b-c_d&room=kitchen")["token"] == "a.b-c_d"
    assert read(run, "?invite=old", "#invite=a.b-c_d")["invite"] == "a.b-c_d"
    assert read(run, "?invite=old", "#kitchen")["invite"] == ""


def test_long_values_are_cut(run: Run) -> None:
    assert len(read(run, "", f"#{'x' * 100_000}")["room"]) == 4096
