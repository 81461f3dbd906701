from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from openai_link.facts import (
    Fact,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    ServerError,
    SessionConfirmed,
    SpeechStarted,
)
from openai_link.sequencer import ALREADY_ACTIVE, MAX_WAITING
from openai_link.session import MAX_SAY_CHARS, TAG, ClientEvents
from openai_link.turns import Flush, ReplyEnded, ReplyStarted, Send, Tell, TurnAction, TurnPolicy


def policy(greet: bool = False) -> TurnPolicy:
    return TurnPolicy(ClientEvents(), "Be kind.", greet)


def run(turns: TurnPolicy, *facts: Fact) -> list[TurnAction]:
    return [action for fact in facts for action in turns.on_fact(fact)]


def sent(actions: list[TurnAction]) -> list[str]:
    return [action.event["type"] for action in actions if isinstance(action, Send)]


def tag(create: dict[str, Any]) -> str:
    return str(create["response"]["metadata"][TAG])


def flushes(actions: list[TurnAction]) -> int:
    return sum(isinstance(action, Flush) for action in actions)


SPEAKING = (ResponseStarted("resp_1"), PlaybackStarted("resp_1"))


def test_a_reply_that_is_heard_to_its_end_flushes_nothing() -> None:
    actions = run(
        policy(), *SPEAKING, ResponseEnded("resp_1", "completed"), PlaybackEnded("resp_1", False)
    )
    assert actions == [ReplyStarted(), ReplyEnded()]


@pytest.mark.parametrize(
    "order",
    list(
        itertools.permutations(
            [
                SpeechStarted("item_2"),
                PlaybackEnded("resp_1", True),
                ResponseEnded("resp_1", "cancelled"),
            ]
        )
    ),
)
def test_a_barge_in_flushes_once_in_any_order(order: tuple[Fact, ...]) -> None:
    turns = policy()
    run(turns, *SPEAKING)
    actions = run(turns, *order)
    assert flushes(actions) == 1
    assert sent(actions) == []
    assert isinstance(run(turns, PlaybackStarted("resp_2"))[0], ReplyStarted)


def test_speaking_while_the_assistant_is_silent_flushes_nothing() -> None:
    assert run(policy(), SpeechStarted("item_1")) == []


def test_each_barge_in_is_flushed() -> None:
    turns = policy()
    for number in range(3):
        response = f"resp_{number}"
        run(turns, ResponseStarted(response), PlaybackStarted(response))
        actions = run(
            turns,
            SpeechStarted("item"),
            PlaybackEnded(response, True),
            ResponseEnded(response, "cancelled"),
        )
        assert flushes(actions) == 1


def test_a_manual_stop_cancels_only_an_active_response() -> None:
    turns = policy()
    run(turns, *SPEAKING)
    actions = turns.on_browser({"type": "interrupt"})
    assert sent(actions) == ["response.cancel", "output_audio_buffer.clear"]
    assert flushes(actions) == 1
    assert flushes(run(turns, PlaybackEnded("resp_1", True))) == 0

    turns = policy()
    run(turns, *SPEAKING, ResponseEnded("resp_1", "completed"))
    assert sent(turns.on_browser({"type": "interrupt"})) == ["output_audio_buffer.clear"]


def test_a_stop_before_the_first_sound_keeps_the_stopped_reply_silent() -> None:
    turns = policy()
    run(turns, ResponseStarted("resp_1"))
    turns.on_browser({"type": "interrupt"})
    late = run(turns, PlaybackStarted("resp_1"), PlaybackEnded("resp_1", True))
    assert late == []
    assert run(turns, PlaybackStarted("resp_2")) == [ReplyStarted()]


def test_a_stop_while_a_request_is_under_way_cancels_what_comes_of_it() -> None:
    turns = policy()
    (_, create, _) = turns.on_browser({"type": "say", "text": "Hello."})
    assert isinstance(create, Send)
    assert sent(turns.on_browser({"type": "interrupt"})) == ["output_audio_buffer.clear"]
    assert sent(run(turns, ResponseStarted("resp_1", tag(create.event)))) == ["response.cancel"]


def test_a_server_that_returns_no_metadata_is_served_too() -> None:
    turns = policy()
    run(turns, *SPEAKING, ResponseEnded("resp_1", "completed"))
    for number in range(2, 8):
        actions = turns.on_browser({"type": "say", "text": "Hi."})
        response = f"resp_{number}"
        actions += run(turns, ResponseStarted(response), ResponseEnded(response, "completed"))
        assert sent(actions).count("response.create") == 1 or number == 3


def test_typed_text_is_added_shown_and_answered() -> None:
    actions = policy().on_browser({"type": "say", "text": "Hi.", "participant": "p-1"})
    assert sent(actions) == ["conversation.item.create", "response.create"]
    (caption,) = [action.event for action in actions if isinstance(action, Tell)]
    assert (caption["speaker"], caption["text"], caption["final"]) == ("p-1", "Hi.", True)


def test_typed_text_during_a_response_is_answered_after_it() -> None:
    turns = policy()
    run(turns, ResponseStarted("resp_1"))
    say = {"type": "say", "text": "Hi."}
    assert sent(turns.on_browser(say)) == ["conversation.item.create"]
    assert sent(turns.on_browser(say)) == ["conversation.item.create"]
    assert sent(run(turns, ResponseEnded("resp_1", "completed"))) == ["response.create"]
    assert sent(run(turns, ResponseStarted("resp_2"), ResponseEnded("resp_2", "completed"))) == []


def test_a_request_that_lost_the_race_is_repeated() -> None:
    turns = policy()
    (_, create, _) = turns.on_browser({"type": "say", "text": "Hi."})
    assert isinstance(create, Send)
    run(turns, ResponseStarted("resp_vad"))
    refusal = ServerError(ALREADY_ACTIVE, "", create.event["event_id"], "", True, False)
    assert run(turns, refusal) == []
    assert sent(run(turns, ResponseEnded("resp_vad", "completed"))) == ["response.create"]


@pytest.mark.parametrize("text", ["", "  ", None, 5, "x" * (MAX_SAY_CHARS + 1)])
def test_unusable_text_is_told_to_the_sender(text: Any) -> None:
    (tell,) = policy().on_browser({"type": "say", "text": text, "stream": 7})
    assert isinstance(tell, Tell)
    assert (tell.event["code"], tell.addressee) == ("bad_say", 7)


def test_push_to_talk_says_that_it_is_not_there() -> None:
    (tell,) = policy().on_browser({"type": "ptt", "down": True})
    assert isinstance(tell, Tell)
    assert tell.event["code"] == "not_available" and "not available yet" in tell.event["message"]


@pytest.mark.parametrize("audience_first", [True, False])
def test_the_greeting_is_asked_for_once_when_somebody_hears_it(audience_first: bool) -> None:
    turns = policy(greet=True)
    confirmed = SessionConfirmed("sess_1", False)
    if audience_first:
        assert turns.on_audience() == []
        (create,) = run(turns, confirmed)
    else:
        assert run(turns, confirmed) == []
        (create,) = turns.on_audience()
    assert isinstance(create, Send)
    assert create.event["response"]["instructions"].startswith("Be kind.")
    assert run(turns, SessionConfirmed("sess_1", True)) == turns.on_audience() == []


def test_a_reconnection_does_not_greet() -> None:
    turns = policy()
    assert turns.on_audience() == run(turns, SessionConfirmed("sess_1", False)) == []


@given(st.lists(st.sampled_from(["say", "interrupt", "ptt", "played", "nonsense", None])))
def test_any_browser_messages_are_survived(kinds: list[str | None]) -> None:
    turns = policy()
    creates = 0
    for kind in kinds:
        creates += sent(turns.on_browser({"type": kind, "text": "x"})).count("response.create")
    assert creates <= 1


class Server(RuleBasedStateMachine):
    """A model of the server: it refuses a second response, as the real one does."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = policy(greet=True)
        self.active: str | None = None
        self.playing: str | None = None
        self.inbox: list[dict[str, Any]] = []
        self.count = 0
        self.refused = 0
        self.raced = 0
        self.raced_id = ""
        self.barge_ins = 0
        self.flushed = 0
        self.stops = 0
        self._do(self.turns.on_audience())
        self._do(self.turns.on_fact(SessionConfirmed("sess_1", False)))

    def _do(self, actions: list[TurnAction]) -> None:
        self.flushed += flushes(actions)
        self.inbox += [action.event for action in actions if isinstance(action, Send)]

    def _fact(self, fact: Fact) -> None:
        self._do(self.turns.on_fact(fact))

    def _begin(self, own: str = "") -> None:
        self.count += 1
        self.active = f"resp_{self.count}"
        self._fact(ResponseStarted(self.active, own))

    @precondition(lambda self: self.inbox)
    @rule()
    def server_reads(self) -> None:
        event = self.inbox.pop(0)
        if event["type"] == "response.create":
            if self.active is not None:
                self.refused += 1
                refusal = ServerError(ALREADY_ACTIVE, "", event["event_id"], "", True, False)
                self._fact(refusal)
            else:
                self._begin(tag(event))
        elif event["type"] == "response.cancel" and event["response_id"] == self.active:
            self._end("cancelled")
        elif event["type"] == "output_audio_buffer.clear" and self.playing:
            response, self.playing = self.playing, None
            self._fact(PlaybackEnded(response, True))

    @precondition(lambda self: self.active is None and self.raced_id not in self.unread())
    @rule()
    def voice_activity_starts_a_response(self) -> None:
        """A request in flight is overtaken at most once: the server reads sooner or later."""
        for event_id in self.unread():
            self.raced += 1
            self.raced_id = event_id
        self._begin()

    def unread(self) -> list[str]:
        return [e["event_id"] for e in self.inbox if e["type"] == "response.create"]

    @precondition(lambda self: self.active is not None)
    @rule()
    def generation_ends(self) -> None:
        self._end("completed")

    def _end(self, status: str) -> None:
        response, self.active = str(self.active), None
        self._fact(ResponseEnded(response, status))

    @precondition(lambda self: self.active is not None and self.playing is None)
    @rule()
    def sound_begins(self) -> None:
        self.playing = str(self.active)
        self._fact(PlaybackStarted(self.playing))

    @precondition(lambda self: self.playing is not None)
    @rule()
    def sound_ends(self) -> None:
        response, self.playing = str(self.playing), None
        self._fact(PlaybackEnded(response, False))

    @precondition(lambda self: self.playing is not None and not self.inbox)
    @rule(order=st.permutations(["speech", "cleared", "cancelled"]))
    def somebody_barges_in(self, order: list[str]) -> None:
        response = str(self.playing)
        before = self.flushed
        self.playing = None
        for name in order:
            if name == "speech":
                self._fact(SpeechStarted("item"))
            elif name == "cleared":
                self._fact(PlaybackEnded(response, True))
            elif self.active is not None:
                self._end("cancelled")
        assert self.flushed == before + 1

    @rule()
    def somebody_types(self) -> None:
        self._do(self.turns.on_browser({"type": "say", "text": "Hi."}))

    @rule()
    def somebody_stops_it(self) -> None:
        before = self.flushed
        self._do(self.turns.on_browser({"type": "interrupt"}))
        assert self.flushed == before + 1

    @invariant()
    def one_request_at_a_time(self) -> None:
        assert len(self.unread()) <= 1
        assert self.refused <= self.raced
        assert len(self.turns._sequencer._waiting) <= MAX_WAITING


TestServer = Server.TestCase
TestServer.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
