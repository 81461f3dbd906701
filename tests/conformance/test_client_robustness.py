"""Check 23: what the server may do differently changes nothing for our client."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiortc import RTCSessionDescription

from openai_link.realtime.facts import (
    Caption,
    Fact,
    ItemTruncated,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    ServerError,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    Transcribed,
    TurnCommitted,
)
from openai_link.realtime.reducer import Reducer
from openai_link.simulator.faults.event_faults import spoil
from openai_link.simulator.faults.plan import parse
from openai_link.simulator.settings import SimulatorSettings
from tests.conformance.peers import peer, say_text
from tests.conformance.test_order_checks import SPEECH, TRANSCRIBED
from tests.conformance.test_tool_checks import TOOLS, give
from tests.openai_link.simulator.caller import Caller, call, run

pytestmark = pytest.mark.sockets

Json = dict[str, Any]


def recorded() -> list[Json]:
    """The events of a call with a spoken turn, a function call and its answer, and a barge-in."""
    events: list[Json] = []

    async def scenario() -> None:
        session = {**TOOLS, **TRANSCRIBED}
        async with peer("webrtc", SimulatorSettings(brain="script"), session) as (client, _):
            client.say(SPEECH)
            await client.wait_for("output_audio_buffer.stopped")
            say_text(client, "Call get_time and get_weather.")
            client.send(type="response.create")
            done = (await client.wait_for("response.done", 2))["response"]
            for item in done["output"]:
                give(client, item["call_id"], "fine")
            client.send(type="response.create")
            await client.wait_for("output_audio_buffer.started", 2)
            client.say(SPEECH)
            await client.wait_for("conversation.item.truncated")
            await client.wait_for("response.done", 4)
            events.extend(client.events)

    run(scenario)
    return events


@pytest.fixture(scope="module")
def recording() -> list[Json]:
    return recorded()


def facts_of(events: Iterable[Json]) -> list[Fact]:
    """What the reducer tells and others act upon, until nothing waits."""
    reducer = Reducer()
    facts = [fact for event in events for fact in reducer.feed(event, 0)]
    while (due_ns := reducer.next_timeout_ns()) is not None:
        facts += reducer.tick(due_ns)
    facts += reducer.close()
    return [fact for fact in facts if isinstance(fact, ACTED_UPON) or is_final(fact)]


ACTED_UPON = (
    SpeechStarted,
    SpeechStopped,
    TurnCommitted,
    ItemTruncated,
    Transcribed,
    ToolCalled,
    ResponseStarted,
    ResponseEnded,
    PlaybackStarted,
    PlaybackEnded,
    ServerError,
)


def is_final(fact: Fact) -> bool:
    """Whether it is a caption that does not change any more."""
    return isinstance(fact, Caption) and fact.final


def test_check_23_the_recording_holds_all_of_it(recording: list[Json]) -> None:
    told = {type(fact) for fact in facts_of(recording)}
    assert told == {*ACTED_UPON, Caption} - {ServerError}


def spoiled_by(recording: list[Json], faults: str) -> list[Json]:
    """The recording as a server with these faults would have sent it."""
    switched = parse(faults)
    spoiled = [event for clean in recording for _, event in spoil(clean, switched)]
    assert spoiled != recording
    return spoiled


@pytest.mark.parametrize("faults", ["unknown_events", "null_previous_item", "no_rate_limits"])
def test_check_23_strange_events_tell_the_same(recording: list[Json], faults: str) -> None:
    told = facts_of(spoiled_by(recording, faults))
    assert list(map(without_strange_fields, told)) == facts_of(recording)


def without_strange_fields(fact: Fact) -> Fact:
    """Usage is handed on as it came, with fields that nobody knows."""
    usage = getattr(fact, "usage", None)
    if usage is None:
        return fact
    known = {key: value for key, value in usage.items() if key != "x_unknown_field"}
    return replace(fact, usage=known)  # type: ignore[type-var]


def test_check_23_events_that_come_twice_happen_once(recording: list[Json]) -> None:
    told = facts_of(spoiled_by(recording, "duplicate_events"))
    expected = facts_of(recording)
    assert [f for f in told if not is_final(f)] == [f for f in expected if not is_final(f)]
    assert [isinstance(f, ToolCalled) for f in told].count(True) == 3


def test_check_23_words_that_come_twice_are_told_once(recording: list[Json]) -> None:
    told = facts_of(spoiled_by(recording, "duplicate_events"))
    assert list(filter(is_final, told)) == list(filter(is_final, facts_of(recording)))


def test_check_23_late_transcripts_arrive_all_the_same(recording: list[Json]) -> None:
    late = [e for e in recording if "input_audio_transcription" in e["type"]]
    spoiled = [e for e in recording if e not in late] + late
    assert sorted(map(repr, facts_of(spoiled))) == sorted(map(repr, facts_of(recording)))


@pytest.mark.parametrize("role", ["active", "passive"])
def test_check_23_both_dtls_roles(role: Any) -> None:
    async def scenario() -> None:
        async with call(SimulatorSettings(dtls_role=role)) as (caller, _):
            answer = caller.connection.remoteDescription.sdp
            assert f"a=setup:{role}" in answer
            caller.send(type="response.create")
            await caller.wait_for("output_audio_buffer.started")

    run(scenario)


CANDIDATES = (
    "a=candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host ufrag abc/u2/def\r\n"
    "a=candidate:2 1 tcp 1671430143 192.0.2.1 443 typ host tcptype passive ufrag abc/u2/def\r\n"
)


def service_answer(ice_lite: bool, role: str, payload_type: int) -> str:
    """An answer with the lines of the service's, as far as they are known."""
    finger = ":".join(["AB"] * 32)
    transport = (
        f"a=setup:{role}\r\na=ice-ufrag:HqBApb/u2/3oMrw2\r\n"
        "a=ice-pwd:abcdefghijklmnopqrstuvwxyz012345\r\n"
    )
    return (
        "v=0\r\no=- 4215775240449105457 1766000000 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
        f"a=msid-semantic:WMS *\r\na=fingerprint:sha-256 {finger}\r\n"
        f"{'a=ice-lite' + chr(13) + chr(10) if ice_lite else ''}a=group:BUNDLE 0 1\r\n"
        f"m=audio 9 UDP/TLS/RTP/SAVPF {payload_type} 0 8\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
        f"{transport}a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:{payload_type} opus/48000/2\r\n"
        f"a=fmtp:{payload_type} minptime=10;useinbandfec=1\r\na=ssrc:7 cname:realtimeapi\r\n"
        f"a=msid:realtimeapi audio\r\na=sendrecv\r\n{CANDIDATES}"
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\n"
        f"{transport}a=sendrecv\r\na=sctp-port:5000\r\na=max-message-size:1073741823\r\n"
    )


@pytest.mark.parametrize("ice_lite", [True, False])
@pytest.mark.parametrize("role", ["active", "passive"])
def test_check_23_the_answer_of_the_service_is_understood(ice_lite: bool, role: str) -> None:
    async def scenario() -> None:
        async with aiohttp.ClientSession() as http:
            caller = Caller(http, "")
            offer = await caller.offer()
            payload_type = next(
                int(line.split(":")[1].split(" ")[0])
                for line in offer.splitlines()
                if line.startswith("a=rtpmap:") and "opus" in line
            )
            answer = service_answer(ice_lite, role, payload_type)
            await caller.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            assert caller.connection.signalingState == "stable"
            [transceiver] = caller.connection.getTransceivers()
            assert transceiver.currentDirection == "sendrecv"
            await caller.close()

    run(scenario)
