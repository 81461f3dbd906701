"""Faults as text and as JSON."""

from __future__ import annotations

import pytest

from openai_link.simulator.faults.plan import NAMES, FaultError, Faults, Timed, from_mapping, parse

README_NAMES = {name for name in NAMES if not name.startswith("post_")} | {"post_500"}


def test_text_becomes_faults_and_faults_become_text() -> None:
    text = (
        "drop_udp,drop_uplink=25,answer_delay_ms=100,post_500=2,post_429,no_quota,"
        "websocket_refused=403,close_channel_after_ms=5,close_mid_response=7*1,"
        "kill_call_after_ms=9*2,duplicate_events,unknown_events,null_previous_item,"
        "no_rate_limits,answers_every_turn,late_transcription_ms=3"
    )
    faults = parse(text)
    assert faults.post == {500: 2, 429: None}
    assert faults.kill_call == Timed(9, 2)
    assert faults.close_mid_response == Timed(7, 1)
    assert str(faults) == text
    assert parse(str(faults)) == faults
    assert parse("") == parse(" , \n") == Faults() and str(Faults()) == ""


def test_values_that_may_be_left_out_have_one() -> None:
    faults = parse("drop_uplink, websocket_refused ,close_mid_response")
    assert (faults.drop_uplink, faults.websocket_refused) == (100, 503)
    assert faults.close_mid_response == Timed(300)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("drop_udb", "unknown fault 'drop_udb'"),
        ("drop_udp=1", "takes no value"),
        ("answer_delay_ms", "needs a value"),
        ("kill_call_after_ms", "needs a value"),
        ("answer_delay_ms=-1", "a whole number"),
        ("drop_uplink=101", "from 1 to 100"),
        ("post_200", "from 400 to 599"),
        ("post_500=many", "a whole number"),
        ("kill_call_after_ms=1*0", "(calls)"),
    ],
)
def test_what_cannot_be_understood_is_named_in_one_line(text: str, words: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse(text)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_json_gives_the_same_faults() -> None:
    given = {"drop_udp": True, "post_500": 2, "kill_call_after_ms": "9*1", "no_quota": False}
    assert from_mapping(given) == parse("drop_udp,post_500=2,kill_call_after_ms=9*1")
    with pytest.raises(FaultError):
        from_mapping({"drop_udp": [1]})


def test_every_fault_is_described_in_the_readme() -> None:
    from importlib import resources

    text = resources.files("openai_link.simulator").joinpath("README.md").read_text("utf-8")
    for name in README_NAMES:
        assert f"`{name}" in text, name
