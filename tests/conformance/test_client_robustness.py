"""Check 23: our client tolerates everything that the server may do differently."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from openai_link.facts import (
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
from openai_link.simulator.brains.script import ScriptBrain, packaged_script
from openai_link.simulator.faults.event_faults import spoil
from openai_link.simulator.faults.plan import parse
from tests.conformance.test_order_checks import TRANSCRIBED
from tests.conformance.test_tool_checks import TOOLS
from tests.openai_link.simulator.support import LOUD, Session

Json = dict[str, Any]


def recorded() -> list[Json]:
    """The events of a call with a spoken turn, two function calls, their answer, and a barge-in."""
    session = Session({**TOOLS, **TRANSCRIBED}, ScriptBrain.parse(packaged_script()))
    session.hear(LOUD, 40)
    session.until("output_audio_buffer.stopped")
    session.write("Call get_time and get_weather.")
    session.send(type="response.create")
    session.until("response.done", 2)
    for item in session.last("response.done")["response"]["output"]:
        session.give_output(item["call_id"], "fine")
    session.send(type="response.create")
    session.until("output_audio_buffer.started", 2)
    session.hear(LOUD, 40)
    session.until("response.done", 4)
    assert session.all("conversation.item.truncated")
    return session.events


@pytest.fixture(scope="module")
def recording() -> list[Json]:
    return recorded()


def facts_of(events: Iterable[Json]) -> list[Fact]:
    """The facts on which others act, until nothing is pending."""
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
    """Usage is passed on as it arrives, with unknown fields."""
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
