"""Whether a server that keeps its connection up still answers, and when it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.realtime.client_events import ClientEvents
from openai_link.room.actions import SendEvent
from openai_link.room.confirmation import CONFIRM_NS, FIRST_WORD_NS, Confirmation
from openai_link.room.epoch import EpochCounter
from openai_link.room.liveness import (
    DUE_NS,
    LEAST_SPEECH_FRAMES,
    PROBE_NS,
    SPEECH_NS,
    UNKNOWN_ITEM,
    Liveness,
    Probe,
    ServerHabits,
    Silent,
)
from openai_link.room.realtime_session import RealtimeSession
from openai_link.room.signals import SessionFailed
from openai_link.settings import OpenaiLinkSettings

CREATE = {"type": "conversation.item.create", "event_id": "mm_1"}
ADDED = {"type": "conversation.item.added"}
QUESTION = {"type": "conversation.item.retrieve", "event_id": "mm_9", "item_id": UNKNOWN_ITEM}


def refusal(event_id: str | None) -> dict[str, Any]:
    return {"type": "error", "error": {"code": "x", "event_id": event_id}}


def asked(habits: ServerHabits | None = None) -> tuple[Liveness, int]:
    """People have waited for so long that the server is asked; and when."""
    live = Liveness(habits or ServerHabits(was_asked=True), True)
    assert live.next_timeout_ns(None) is None
    now_ns = live.next_timeout_ns(S_NS)
    assert now_ns == S_NS + DUE_NS
    assert live.due(S_NS, now_ns) == Probe()
    live.sent(QUESTION, now_ns)
    return live, now_ns


def test_a_server_that_answers_nothing_is_lost() -> None:
    live, now_ns = asked(ServerHabits(answers_probes=True))
    assert live.due(S_NS, now_ns + PROBE_NS - 1) is None
    assert live.due(S_NS, now_ns + PROBE_NS) == Silent()


def test_who_only_waits_loses_no_call_by_a_question_that_may_be_ignored() -> None:
    live, now_ns = asked()
    assert live.due(S_NS, now_ns + PROBE_NS) is None


@pytest.mark.parametrize("answer", [refusal("mm_9"), refusal(None), ADDED])
def test_any_event_shows_that_it_lives(answer: dict[str, Any]) -> None:
    live, now_ns = asked()
    live.received(answer, now_ns + MS_NS)
    assert live.next_timeout_ns(None) is None
    assert live.next_timeout_ns(S_NS) == now_ns + MS_NS + DUE_NS


@pytest.mark.parametrize(("event_id", "ours"), [("mm_9", True), ("", True), ("mm_1", False)])
def test_the_refusal_that_was_asked_for_is_nobody_elses(event_id: str, ours: bool) -> None:
    live, now_ns = asked()
    assert live.takes_answer(event_id, "no", now_ns) == ours
    if ours:
        assert not live.takes_answer("", "no", now_ns), "one question has one answer"


@pytest.mark.parametrize(
    ("event_id", "words", "is_answer"),
    [
        ("", "It failed.", False),
        ("", "Unknown type: conversation.item.retrieve", True),
        ("", f"The item with id '{UNKNOWN_ITEM}' does not exist.", True),
        ("mm_9", "It failed.", True),
    ],
)
def test_a_late_refusal_is_the_answer_only_where_it_says_so(
    event_id: str, words: str, is_answer: bool
) -> None:
    live, now_ns = asked()
    live.received(ADDED, now_ns + MS_NS)
    assert live.takes_answer(event_id, words, now_ns + PROBE_NS) == is_answer


def test_an_item_that_is_found_after_all_is_an_answer() -> None:
    """As LocalAI finds one that has nothing in it: what is refused later is something else."""
    habits = ServerHabits(was_asked=True)
    live, now_ns = asked(habits)
    live.received({"type": "conversation.item.retrieved", "item": {}}, now_ns + MS_NS)
    assert habits.answers_probes
    assert not live.takes_answer("", "It failed.", now_ns + 2 * MS_NS)


def test_acknowledgements_are_due_only_from_a_server_that_gives_them() -> None:
    habits = ServerHabits(was_asked=True)
    live = Liveness(habits, True)
    live.sent(CREATE, 0)
    assert live.next_timeout_ns(None) is None
    live.received(ADDED, S_NS)
    live.sent(CREATE, 2 * S_NS)
    assert live.next_timeout_ns(None) == 2 * S_NS + DUE_NS - S_NS + S_NS
    later = Liveness(habits, True)
    later.sent(CREATE, 0)
    assert later.next_timeout_ns(None) == DUE_NS, "its next session is known, too"


def test_speech_is_heard_where_turns_are_detected() -> None:
    for hears_turns in (True, False):
        live = Liveness(ServerHabits(was_asked=True), hears_turns)
        for frame in range(LEAST_SPEECH_FRAMES):
            assert live.next_timeout_ns(None) is None
            live.speech(frame * 20 * MS_NS)
        assert live.next_timeout_ns(None) == (SPEECH_NS if hears_turns else None)
        live.received({"type": "input_audio_buffer.speech_started"}, S_NS)
        assert live.next_timeout_ns(None) is None


def test_one_that_ignores_questions_is_lost_once() -> None:
    habits = ServerHabits(was_asked=True)
    live = Liveness(habits, True)
    for _ in range(LEAST_SPEECH_FRAMES):
        live.speech(0)
    assert live.due(None, SPEECH_NS) == Probe()
    live.sent(QUESTION, SPEECH_NS)
    assert live.due(None, SPEECH_NS + PROBE_NS) == Silent()
    later = Liveness(habits, True)
    assert later.due(None, 0) == Probe(), "it asks to learn"
    later.sent(QUESTION, 0)
    assert later.due(S_NS, PROBE_NS) is None
    assert later.next_timeout_ns(S_NS) is None


def test_the_first_session_of_a_room_asks_once_to_learn() -> None:
    habits = ServerHabits()
    live = Liveness(habits, True)
    assert live.due(None, S_NS) == Probe()
    live.sent(QUESTION, S_NS)
    assert live.due(None, S_NS + PROBE_NS) is None, "no answer means nothing yet"
    assert live.next_timeout_ns(None) is None
    assert Liveness(habits, True).next_timeout_ns(None) is None, "once in a room"
    assert not habits.hangs_up


def test_a_server_that_hangs_up_when_it_is_asked_is_not_asked_again() -> None:
    habits = ServerHabits()
    live = Liveness(habits, True)
    live.due(None, 0)
    live.sent(QUESTION, 0)
    live.closed(100 * MS_NS)
    later = Liveness(habits, True)
    assert later.next_timeout_ns(S_NS) is None
    for _ in range(LEAST_SPEECH_FRAMES):
        later.speech(0)
    assert later.next_timeout_ns(S_NS) is None and later.doubt(S_NS) == []


def test_a_silent_server_is_known_within_ten_seconds() -> None:
    assert max(DUE_NS, SPEECH_NS) + PROBE_NS < 10 * S_NS


def test_a_model_that_thinks_for_long_keeps_its_call_while_its_server_answers() -> None:
    live = Liveness(ServerHabits(answers_probes=True), True)
    asked_ns: list[int] = []
    for now_ns in range(0, 120 * S_NS, 20 * MS_NS):
        match live.due(0, now_ns):
            case Probe():
                asked_ns.append(now_ns)
                live.sent(QUESTION, now_ns)
                live.received(refusal("mm_9"), now_ns)
                live.takes_answer("mm_9", "", now_ns)
            case Silent():
                raise AssertionError("it answers")
    assert len(asked_ns) == 120 * S_NS // DUE_NS - 1, "one question every few seconds"


def test_one_that_answers_after_all_is_asked_again() -> None:
    habits = ServerHabits(answers_probes=False)
    live = Liveness(habits, True)
    live.due(None, 0)
    live.sent(QUESTION, 0)
    live.received(refusal("mm_9"), 1)
    assert live.takes_answer("mm_9", "", 1) and habits.answers_probes
    assert live.next_timeout_ns(S_NS) == S_NS + DUE_NS


# -- confirmation ---------------------------------------------------------------------------------


def test_an_update_without_an_answer_counts_as_taken() -> None:
    confirmation = Confirmation("websocket")
    confirmation.up(0)
    assert confirmation.received("session.created") is None
    confirmation.asked(S_NS, "mm_1")
    assert confirmation.missing == "session.updated"
    assert confirmation.tick(S_NS + CONFIRM_NS - 1) is None
    assert confirmation.tick(S_NS + CONFIRM_NS) == "confirm"


@pytest.mark.parametrize(
    ("kind", "confirms"),
    [
        ("error", False),
        ("conversation.created", False),
        ("rate_limits.updated", False),
        ("conversation.item.added", True),
        ("response.created", True),
    ],
)
def test_events_that_only_a_session_brings_confirm_it(kind: str, confirms: bool) -> None:
    confirmation = Confirmation("websocket")
    assert confirmation.received(kind) is None, "it was not told yet"
    confirmation.asked(S_NS, "mm_1")
    assert (confirmation.received(kind) == "confirm") == confirms


def test_a_server_that_says_nothing_is_spoken_to_and_never_confirmed() -> None:
    for transport in ("websocket", "webrtc"):
        confirmation = Confirmation(transport)
        assert confirmation.missing == "" and confirmation.next_timeout_ns() is None
        confirmation.up(5)
        assert confirmation.missing == "session.created"
        assert confirmation.tick(5 + FIRST_WORD_NS) == "knock"
        confirmation.asked(5 + FIRST_WORD_NS)
        assert confirmation.next_timeout_ns() is None


def test_the_end_of_a_session_is_no_answer_to_a_question() -> None:
    """It names no event of ours, and is told while the question is under way."""
    session = RealtimeSession(
        1, "webrtc", OpenaiLinkSettings(greet=False), ClientEvents("mm1"), EpochCounter()
    )
    session.describe([])
    session.must_be_told = False
    session.up(0)
    session.server_event({"type": "session.created", "session": {"id": "sess_1"}}, 0)
    session.seed([], (), "", 0)
    session.activate()
    (question,) = [o.event for o in session.tick(1) if isinstance(o, SendEvent)]
    assert question["item_id"] == UNKNOWN_ITEM
    session.sent(question, 1)
    error = {"code": "session_expired", "message": "60 minutes", "event_id": None}
    outcomes = session.server_event({"type": "error", "error": error}, 2)
    assert [o.error.code for o in outcomes if isinstance(o, SessionFailed)] == ["session_expired"]
