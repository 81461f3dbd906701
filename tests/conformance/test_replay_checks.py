"""Check 24: our client's reducer reproduces recorded sessions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from openai_link.facts import Caption, Fact, ItemAdded, ResponseEnded, ToolCalled, Transcribed
from openai_link.realtime.reducer import Reducer
from tests.conformance import oracle
from tests.conformance.recorded_events import (
    ARGUMENTS,
    CALL_ID,
    FUNCTION,
    events_of,
    item_id,
    response_id,
    words,
)
from tests.conformance.recordings import RECORDINGS, Recording
from tests.openai_link.simulator.automaton import Automaton

Json = dict[str, Any]

EACH = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda r: r.source.rpartition("/")[2])


def reduced(events: list[Json]) -> list[Fact]:
    reducer = Reducer()
    facts = [fact for event in events for fact in reducer.feed(event, 0)]
    assert reducer.unknown == {}
    return facts + reducer.close()


def named(recording: Recording, kind: str) -> list[str]:
    """The items of a kind, in the order in which they were added."""
    entries = (entry.partition(":") for entry in recording.order.split())
    return [name for event, _, name in entries if event == "item.added" and name.startswith(kind)]


@EACH
def test_check_24_words_calls_and_usage_are_those_of_the_recording(recording: Recording) -> None:
    facts = reduced(events_of(recording))
    spoken = named(recording, "spoken") + named(recording, "written")
    final = {f.item: f.text for f in facts if isinstance(f, Caption) and f.final}
    assert {i: t for i, t in final.items() if i != item_id("said")} == {
        item_id(name): words(name) for name in spoken
    }
    ended = [(f.response, f.status, f.usage) for f in facts if isinstance(f, ResponseEnded)]
    assert ended == [
        (response_id(number), "completed", tokens.usage())
        for number, tokens in enumerate(recording.tokens)
    ]
    calls = [(f.response, f.call, f.name, f.arguments) for f in facts if isinstance(f, ToolCalled)]
    assert calls == [(response_id(0), CALL_ID, FUNCTION, ARGUMENTS)] * len(named(recording, "call"))


@EACH
def test_check_24_people_are_heard_and_items_placed_as_recorded(recording: Recording) -> None:
    facts = reduced(events_of(recording))
    heard = [(f.item, f.text, f.usage) for f in facts if isinstance(f, Transcribed)]
    billed = {"type": "duration", "seconds": recording.heard_s}
    expected = [] if recording.heard is None else [(item_id("said"), recording.heard, billed)]
    assert heard == expected
    placed = [f.item for f in facts if isinstance(f, ItemAdded)]
    assert placed == [item_id(name) for name in named(recording, "")]


@pytest.mark.parametrize("place", [" response.created", ""])
def test_check_24_the_transcript_may_come_before_and_after_the_whole_answer(place: str) -> None:
    [recorded] = [one for one in RECORDINGS if one.heard]
    order = recorded.order.replace(" transcribed:said", "")
    moved = replace(recorded, order=_inserted(order, " transcribed:said", place))
    facts = reduced(events_of(moved))
    assert [f.text for f in facts if isinstance(f, Transcribed)] == [recorded.heard]
    assert [
        f.text for f in facts if isinstance(f, Caption) and f.final and f.speaker == "user"
    ] == [recorded.heard]
    answers = [f.text for f in facts if isinstance(f, Caption) and f.final and f.speaker != "user"]
    assert answers == [words("spoken")]


def _inserted(order: str, entry: str, before: str) -> str:
    """Return ``order`` with ``entry`` before an entry, or at the end."""
    return order.replace(before, entry + before, 1) if before else order + entry


@EACH
def test_the_oracle_accepts_what_the_service_does(recording: Recording) -> None:
    events = events_of(recording)
    oracle.check_all(events)
    oracle.check_order(events)
    oracle.check_concatenation(events)
    automaton = Automaton("webrtc" if "playback" in recording.order else "websocket")
    for event in events:
        automaton.take(event)
    automaton.end()
