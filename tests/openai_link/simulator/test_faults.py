"""Faults: the text, the counts, what becomes of events, packet counts; and on real connections."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from openai_link.simulator.config import SimulatorConfig
from openai_link.simulator.faults.armed import FaultBox
from openai_link.simulator.faults.event_faults import spoil
from openai_link.simulator.faults.plan import NAMES, FaultError, Faults, Timed, from_mapping, parse
from openai_link.simulator.media.packet_count import PacketCount
from tests.openai_link.simulator.caller import Caller, call, run, simulator, until

README_NAMES = {name for name in NAMES if not name.startswith("post_")} | {"post_500"}


def test_text_becomes_faults_and_faults_become_text() -> None:
    text = (
        "drop_udp,drop_uplink=25,answer_delay_ms=100,post_500=2,post_429,no_quota,"
        "websocket_refused=403,close_channel_after_ms=5,close_mid_response=7*1,"
        "kill_call_after_ms=9*2,duplicate_events,unknown_events,null_previous_item,"
        "no_rate_limits,late_transcription_ms=3"
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
        ("drop_udb", "no fault 'drop_udb'"),
        ("drop_udp=1", "takes no value"),
        ("answer_delay_ms", "needs a value"),
        ("kill_call_after_ms", "needs a value"),
        ("answer_delay_ms=-1", "no whole number"),
        ("drop_uplink=101", "from 1 to 100"),
        ("post_200", "from 400 to 599"),
        ("post_500=many", "no whole number"),
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


def test_counts_run_out_and_begin_anew_with_a_switch() -> None:
    box = FaultBox(parse("post_500=2,post_429=1,kill_call_after_ms=5*1"))
    assert [box.next_refusal() for _ in range(4)] == [500, 500, 429, None]
    assert [box.claim("kill_call") for _ in range(2)] == [Timed(5, 1), None]
    assert box.claim("close_channel") is None
    seen: list[bool] = []
    box.watch(lambda: seen.append(True))
    box.switch(parse("post_503,kill_call_after_ms=5"))
    assert [box.next_refusal() for _ in range(3)] == [503] * 3
    assert box.claim("kill_call") == box.claim("kill_call") == Timed(5)
    assert seen == [True]


DONE = {
    "type": "conversation.item.done",
    "event_id": "event_1",
    "previous_item_id": "item_1",
    "item": {"id": "item_2"},
}
LIMITS = {"type": "rate_limits.updated", "event_id": "event_2", "rate_limits": []}
HEARD = {
    "type": "conversation.item.input_audio_transcription.completed",
    "event_id": "event_3",
    "item_id": "item_1",
}


def test_without_faults_events_are_untouched() -> None:
    assert spoil(DONE, Faults()) == [(0, DONE)]


def test_events_are_doubled_left_out_late_or_strange() -> None:
    assert spoil(DONE, parse("duplicate_events")) == [(0, DONE), (0, DONE)]
    assert spoil(LIMITS, parse("no_rate_limits")) == []
    assert spoil(DONE, parse("null_previous_item"))[0][1]["previous_item_id"] is None
    assert spoil(HEARD, parse("late_transcription_ms=70")) == [(70, HEARD)]
    assert spoil(DONE, parse("late_transcription_ms=70")) == [(0, DONE)]
    (_, known), (_, unknown) = spoil(DONE, parse("unknown_events"))
    assert known["x_unknown_field"] and known["item"]["x_unknown_field"]
    assert {**known, "item": DONE["item"]}.keys() - DONE.keys() == {"x_unknown_field"}
    assert unknown["type"] == "simulator.unknown.conversation.item.done"
    assert unknown["event_id"] != DONE["event_id"]
    assert "x_unknown_field" not in DONE


def test_packets_are_counted_over_a_wrap_a_loss_and_a_new_stream() -> None:
    count = PacketCount()
    assert count.expected == 0
    for seq in (65_534, 65_535, 1, 0):  # Out of order over the wrap.
        count.add(seq, 7)
    assert (count.expected, count.received) == (4, 4)
    count.add(5, 7)  # Three are missing.
    assert (count.expected, count.received) == (8, 5)
    count.add(40_000, 8)
    assert (count.expected, count.received) == (9, 6)


def test_offers_are_refused_as_often_as_asked_for() -> None:
    async def scenario() -> None:
        config = SimulatorConfig(faults="post_500=1,post_429=1,answer_delay_ms=200")
        async with simulator(config) as (url, _), aiohttp.ClientSession() as http:
            caller = Caller(http, url)
            offer = await caller.offer()
            sdp = {"Content-Type": "application/sdp"}
            for status, code in ((500, "server_error"), (429, "rate_limit_exceeded")):
                begun_s = time.monotonic()
                async with http.post(f"{url}/realtime/calls", data=offer, headers=sdp) as reply:
                    assert time.monotonic() - begun_s >= 0.2
                    assert (reply.status, (await reply.json())["error"]["code"]) == (status, code)
            async with http.post(f"{url}/realtime/calls", data=offer, headers=sdp) as reply:
                assert reply.status == 201
                await caller.accept(reply.headers["Location"], await reply.text())
            await caller.close()

    run(scenario)


def test_without_quota_nothing_can_be_opened() -> None:
    async def scenario() -> None:
        async with (
            simulator(SimulatorConfig(faults="no_quota")) as (url, _),
            aiohttp.ClientSession() as http,
        ):
            caller = Caller(http, url)
            sdp = {"Content-Type": "application/sdp"}
            offer = await caller.offer()
            async with http.post(f"{url}/realtime/calls", data=offer, headers=sdp) as reply:
                assert reply.status == 429
                assert (await reply.json())["error"]["code"] == "insufficient_quota"
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await http.ws_connect(f"{url}/realtime?model=m")
            assert caught.value.status == 429
            await caller.close()

    run(scenario)


def test_with_udp_dropped_a_call_is_answered_and_never_comes_up() -> None:
    async def scenario() -> None:
        config = SimulatorConfig(faults="drop_udp", connect_timeout_s=1.0)
        async with simulator(config) as (url, switchboard), aiohttp.ClientSession() as http:
            caller = Caller(http, url)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.5):
                    await caller.dial()
            assert caller.location and caller.connection.connectionState == "connecting"
            assert not caller.heard
            await until(lambda: not switchboard.calls)
            await caller.close()

    run(scenario)


def test_udp_that_is_dropped_later_silences_a_running_call() -> None:
    async def scenario() -> None:
        async with call(SimulatorConfig(brain="tone")) as (caller, switchboard):
            caller.send(type="response.create")
            await until(lambda: len(caller.heard) > 20)
            switchboard.faults.switch(parse("drop_udp"))
            await asyncio.sleep(0.1)
            heard, events = len(caller.heard), len(caller.events)
            await asyncio.sleep(0.3)
            assert len(caller.heard) == heard and len(caller.events) == events
            switchboard.faults.switch(Faults())
            await until(lambda: len(caller.heard) > heard)

    run(scenario)


def test_a_part_of_the_uplink_can_be_lost() -> None:
    async def scenario() -> None:
        async with call(SimulatorConfig(faults="drop_uplink=25")) as (caller, switchboard):
            [running] = switchboard.calls.values()
            await until(lambda: switchboard.report(running)["rtp"]["received"] >= 40)
            rtp = switchboard.report(running)["rtp"]
            assert rtp["expected"] == rtp["received"]
            assert rtp["dropped_as_fault"] == rtp["received"] // 4
            assert rtp["lost"] >= rtp["dropped_as_fault"] - 4
            assert caller.events

    run(scenario)


def test_every_fault_is_described_in_the_readme() -> None:
    from importlib import resources

    text = resources.files("openai_link.simulator").joinpath("README.md").read_text("utf-8")
    for name in README_NAMES:
        assert f"`{name}" in text, name
