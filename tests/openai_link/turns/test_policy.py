from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mixer_core.bus.picture_file import read_picture
from openai_link.facts import (
    Fact,
    ItemAdded,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    ServerError,
    SessionConfirmed,
    SpeechStarted,
    SpeechStopped,
    TurnCommitted,
)
from openai_link.pictures import Picture
from openai_link.realtime.client_events import TAG, ClientEvents
from openai_link.realtime.reduce_responses import NAMELESS
from openai_link.realtime.session_object import MAX_SAY_CHARS, session_object
from openai_link.settings import OpenaiLinkSettings
from openai_link.turns.actions import (
    AnswerWithdrawn,
    AskedByHand,
    ClearOutput,
    Flush,
    MicrophoneGate,
    ReplyEnded,
    ReplyStarted,
    Send,
    Tell,
    TurnAction,
    TurnRules,
    TypedText,
)
from openai_link.turns.later_answer import COMMIT_NS
from openai_link.turns.policy import TurnPolicy
from openai_link.turns.response_sequencer import ALREADY_ACTIVE, GRACE_NS, MAX_TRIES, MAX_WAITING
from tests.support.pictures import png
from tests.support.tables import examples


def policy(greet: bool = False) -> TurnPolicy:
    return TurnPolicy(ClientEvents(), "Be kind.", greet)


def run(turns: TurnPolicy, *facts: Fact) -> list[TurnAction]:
    return [action for fact in facts for action in turns.on_fact(fact)]


def sent(actions: list[TurnAction]) -> list[str]:
    return [action.event["type"] for action in actions if isinstance(action, Send | ClearOutput)]


def tag(create: dict[str, Any]) -> str:
    return str(create["response"]["metadata"][TAG])


def flushes(actions: list[TurnAction]) -> int:
    return sum(isinstance(action, Flush) for action in actions)


SPEAKING = (ResponseStarted("resp_1"), PlaybackStarted("resp_1"))
STOPPED = ["response.cancel", "output_audio_buffer.clear"]
"""What is sent when a response begins that nobody wants."""


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


def obedient(asks: bool = False) -> TurnPolicy:
    """The server is told to answer no turn, and confirms it."""
    turns = TurnPolicy(ClientEvents(), rules=TurnRules(create_response=False))
    run(turns, SessionConfirmed("s", True), TurnCommitted("item_1"))
    if asks:
        turns.answer_turn()
    return turns


def test_an_answer_that_nobody_asked_for_is_cancelled_and_its_first_sound_flushed() -> None:
    turns = obedient()
    assert sent(run(turns, ResponseStarted("resp_1"))) == [
        "response.cancel", "output_audio_buffer.clear",
    ]  # fmt: skip
    assert turns.has_stopped("resp_1") and turns.is_uninvited("resp_1")
    assert flushes(run(turns, PlaybackStarted("resp_1"))) == 1
    assert run(turns, PlaybackEnded("resp_1", True), ResponseEnded("resp_1", "cancelled")) == []
    assert sent(run(turns, ResponseStarted("resp_2")))[0] == "response.cancel", "it goes on so"


def test_an_answer_is_left_alone_where_it_may_have_been_asked_for() -> None:
    assert sent(run(obedient(asks=True), ResponseStarted("resp_1"))) == []
    assert sent(run(obedient(), ResponseStarted("resp_1", tag="event_of_ours"))) == []
    assert sent(run(obedient(), ResponseStarted("resp_1", inferred=True))) == []
    usual = policy()
    assert sent(run(usual, TurnCommitted("item_1"), ResponseStarted("resp_1"))) == []


def test_where_another_answer_is_heard_its_sound_is_not_cleared() -> None:
    turns = obedient(asks=True)
    run(turns, ResponseStarted("resp_1", turns.request or ""), PlaybackStarted("resp_1"))
    run(turns, ResponseEnded("resp_1", "completed"), TurnCommitted("item_2"))
    assert sent(run(turns, ResponseStarted("resp_2"))) == ["response.cancel"]


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
    assert sent(run(turns, ResponseStarted("resp_1", tag(create.event)))) == STOPPED
    assert run(turns, PlaybackStarted("resp_1")) == []


def stop(turns: TurnPolicy) -> list[TurnAction]:
    return turns.on_browser({"type": "interrupt"})


def already_active(create: dict[str, Any] | None = None) -> ServerError:
    return ServerError(ALREADY_ACTIVE, "", create["event_id"] if create else "", "", True, False)


def requests(actions: list[TurnAction]) -> int:
    return sent(actions).count("response.create")


@pytest.mark.parametrize("inferred", [False, True])
def test_an_answer_that_begins_after_the_stop_is_cancelled_and_not_heard(inferred: bool) -> None:
    turns = policy()
    run(turns, SpeechStarted("i"), SpeechStopped("i"))
    assert AnswerWithdrawn() in stop(turns)
    run(turns, TurnCommitted("i"))
    assert sent(run(turns, ResponseStarted("resp_1", inferred=inferred))) == STOPPED
    assert run(turns, PlaybackStarted("resp_1"), PlaybackEnded("resp_1", True)) == []
    assert turns.uninvited == 0
    run(turns, ResponseEnded("resp_1", "cancelled"), SpeechStarted("j"), SpeechStopped("j"))
    actions = run(turns, TurnCommitted("j"), ResponseStarted("resp_2"), PlaybackStarted("resp_2"))
    assert actions == [ReplyStarted()], "the next turn has its answer"


def test_a_response_without_a_name_is_stopped_without_one() -> None:
    turns = policy()
    run(turns, TurnCommitted("i"))
    stop(turns)
    cancel, _ = run(turns, ResponseStarted(f"{NAMELESS}item_2", inferred=True))
    assert isinstance(cancel, Send) and "response_id" not in cancel.event


def test_a_request_that_is_stopped_is_not_repeated_when_it_has_lost_the_race() -> None:
    turns = policy()
    run(turns, TurnCommitted("i"))
    create = asked(turns)
    stop(turns)
    assert sent(run(turns, ResponseStarted("resp_1"))) == STOPPED
    assert run(turns, already_active(create)) == []
    assert requests(run(turns, ResponseEnded("resp_1", "cancelled"))) == 0
    assert turns.next_timeout_ns() is None and turns.is_quiet


def test_a_request_under_way_is_stopped_beside_a_response_that_is_active() -> None:
    turns = policy()
    create = asked(turns)
    run(turns, ResponseStarted("resp_1"))
    assert sent(stop(turns)) == STOPPED
    run(turns, ResponseEnded("resp_1", "cancelled"))
    assert sent(run(turns, ResponseStarted("resp_2", tag(create)))) == STOPPED


def test_nothing_is_asked_while_a_button_is_held_that_has_stopped_it() -> None:
    turns = rules(push_to_talk=True)
    create = asked(turns)
    ptt(turns, True, 0)
    assert run(turns, already_active(create)) == []
    assert turns.next_timeout_ns() is None, "nothing is repeated"


def test_an_answer_that_was_wanted_after_the_turn_is_not_after_a_stop() -> None:
    turns = rules(create_response=False)
    run(turns, SpeechStarted("i"))
    ptt(turns, False, 0)
    stop(turns)
    assert run(turns, SpeechStopped("i"), TurnCommitted("i")) == []


def wanted_later() -> TurnPolicy:
    """Somebody speaks, and the answer to an earlier turn is wanted."""
    turns = rules(create_response=False)
    run(turns, SpeechStarted("i"))
    assert turns.answer_turn() == []
    return turns


def test_an_answer_that_is_wanted_comes_with_the_turn_that_is_spoken() -> None:
    turns = wanted_later()
    assert run(turns, SpeechStopped("i")) == [] and not turns.is_quiet
    assert sent(run(turns, TurnCommitted("i"))) == ["response.create"]
    assert turns.next_timeout_ns() is None, "once"


def test_an_answer_that_is_wanted_also_comes_where_nothing_is_committed() -> None:
    turns = wanted_later()
    turns.on_fact(SpeechStopped(""), 5)
    assert turns.next_timeout_ns() == 5 + COMMIT_NS and turns.tick(4 + COMMIT_NS) == []
    turns.on_fact(SpeechStarted("j"), 6)
    assert turns.tick(5 + COMMIT_NS) == [], "nobody is answered in the middle of a sentence"
    turns.on_fact(SpeechStopped("j"), 7)
    assert sent(turns.tick(7 + COMMIT_NS)) == ["response.create"]
    assert run(turns, SpeechStarted("k"), SpeechStopped("k"), TurnCommitted("k")) == []


@pytest.mark.parametrize("button", [False, True])
def test_an_answer_that_is_wanted_comes_at_once_where_turns_are_taken_otherwise(
    button: bool,
) -> None:
    turns = wanted_later()
    changed = TurnRules(True, False, False) if button else TurnRules()
    assert requests(turns.take_turns(changed)) == 1
    assert run(turns, SpeechStopped("i"), TurnCommitted("i")) == []


def test_what_the_server_could_not_answer_is_not_asked_for_after_a_stop() -> None:
    turns = rules(interrupt_response=False)
    run(turns, *SPEAKING, SpeechStarted("i"), SpeechStopped("i"), TurnCommitted("i"))
    stop(turns)
    run(turns, already_active())
    assert requests(run(turns, ResponseEnded("resp_1", "cancelled"))) == 0


def test_a_picture_that_was_shown_before_the_stop_is_taken_without_an_answer() -> None:
    turns = policy()
    data = png(2, 2)
    send, _ = turns.show(Picture(data, read_picture(data), "p-1", "Ada", 7, "What is this?"))
    assert isinstance(send, Send)
    stop(turns)
    item = send.event["item"]
    assert run(turns, ItemAdded(item["id"], "", item)) == []


def test_a_server_that_returns_no_metadata_is_served_too() -> None:
    turns = policy()
    run(turns, *SPEAKING, ResponseEnded("resp_1", "completed"))
    for number in range(2, 8):
        actions = turns.on_browser({"type": "say", "text": "Hi."})
        response = f"resp_{number}"
        actions += run(turns, ResponseStarted(response), ResponseEnded(response, "completed"))
        assert sent(actions).count("response.create") == 1 or number == 3


def test_typed_text_is_added_shown_and_answered() -> None:
    actions = policy().on_browser(
        {"type": "say", "text": "Hi.", "participant": "p-1", "name": "Ada"}
    )
    assert sent(actions) == ["conversation.item.create", "response.create"]
    (caption,) = [action.event for action in actions if isinstance(action, Tell)]
    assert (caption["speaker"], caption["text"], caption["final"]) == ("p-1", "Hi.", True)
    create, said = actions[0], actions[-1]
    assert isinstance(create, Send) and isinstance(said, TypedText)
    assert said.item == caption["item"] == create.event["item"]["id"]
    assert (said.participant, said.name, said.text) == ("p-1", "Ada", "Hi.")


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


def test_push_to_talk_in_a_room_without_it_is_told_to_the_sender() -> None:
    (tell,) = policy().on_browser({"type": "ptt", "down": True, "stream": 7})
    assert isinstance(tell, Tell) and tell.addressee == 7
    assert tell.event["code"] == "not_available" and "speak freely" in tell.event["message"]


MS = 1_000_000


def rules(**changes: bool) -> TurnPolicy:
    return TurnPolicy(ClientEvents(), rules=TurnRules(**changes))


def ptt(turns: TurnPolicy, down: bool, now_ms: int, participant: str = "p-1") -> list[TurnAction]:
    return turns.on_browser({"type": "ptt", "down": down, "participant": participant}, now_ms * MS)


def after_tail(turns: TurnPolicy) -> list[TurnAction]:
    timeout_ns = turns.next_timeout_ns()
    assert timeout_ns is not None
    assert turns.tick(timeout_ns - 1) == []
    return turns.tick(timeout_ns)


def test_a_press_clears_and_opens_and_the_release_commits_and_asks() -> None:
    turns = rules(push_to_talk=True)
    assert not turns.microphone_open
    actions = ptt(turns, True, 0)
    assert sent(actions) == ["input_audio_buffer.clear"]
    assert actions[-1] == MicrophoneGate(True) and turns.microphone_open
    assert not turns.is_quiet
    assert ptt(turns, False, 900) == []
    assert turns.microphone_open  # The last words are on their way.
    actions = after_tail(turns)
    assert actions[0] == MicrophoneGate(False) and not turns.microphone_open
    assert sent(actions) == ["input_audio_buffer.commit", "response.create"]
    assert turns.next_timeout_ns() is None and turns.tick(10**12) == []


def test_several_presses_make_one_turn() -> None:
    turns = rules(push_to_talk=True)
    ptt(turns, True, 0, "p-1")
    assert ptt(turns, True, 300, "p-2") == ptt(turns, True, 310, "p-2") == []
    assert turns.pressing == {"p-1", "p-2"}
    assert ptt(turns, False, 400, "p-1") == [] and turns.next_timeout_ns() is None
    assert ptt(turns, False, 900, "p-2") == []
    assert ptt(turns, True, 950, "p-1") == []  # Within the tail: the same turn goes on.
    assert turns.next_timeout_ns() is None
    assert ptt(turns, False, 1500, "p-1") == []
    assert sent(after_tail(turns)) == ["input_audio_buffer.commit", "response.create"]


def test_who_leaves_while_pressing_has_let_go() -> None:
    turns = rules(push_to_talk=True)
    ptt(turns, True, 0, "p-1")
    assert turns.on_roster(["p-1", "p-2"], 500 * MS) == []
    assert turns.on_roster(["p-2"], 900 * MS) == []
    assert sent(after_tail(turns)) == ["input_audio_buffer.commit", "response.create"]
    assert ptt(turns, False, 2000, "p-1") == []


def test_a_tap_is_swallowed() -> None:
    turns = rules(push_to_talk=True)
    ptt(turns, True, 0)
    actions = ptt(turns, False, 99)
    assert sent(actions) == ["input_audio_buffer.clear"]
    assert actions[0] == MicrophoneGate(False)
    assert turns.next_timeout_ns() is None


def test_press_and_release_that_arrive_at_one_moment_are_as_long_as_the_page_says() -> None:
    turns = rules(push_to_talk=True)
    ptt(turns, True, 0)
    release = {"type": "ptt", "down": False, "participant": "p-1", "held_ms": 1_900}
    assert turns.on_browser(release, 3 * MS) == []
    assert sent(after_tail(turns)) == ["input_audio_buffer.commit", "response.create"]
    ptt(turns, True, 5_000)
    actions = turns.on_browser(release | {"held_ms": 99.5}, 5_003 * MS)
    assert sent(actions) == ["input_audio_buffer.clear"], "a slip of the finger"


def test_a_press_stops_the_assistant() -> None:
    turns = rules(push_to_talk=True)
    run(turns, *SPEAKING)
    actions = ptt(turns, True, 0)
    assert sent(actions) == [
        "response.cancel",
        "output_audio_buffer.clear",
        "input_audio_buffer.clear",
    ]
    assert flushes(actions) == 1
    ended = (PlaybackEnded("resp_1", True), ResponseEnded("resp_1", "cancelled"))
    assert run(turns, *ended) == []


def test_an_empty_turn_is_not_answered() -> None:
    turns = rules(push_to_talk=True)
    ptt(turns, True, 0)
    ptt(turns, False, 500)
    _, commit, create = after_tail(turns)
    assert isinstance(commit, Send) and isinstance(create, Send)
    refusal = ServerError(
        "input_audio_buffer_commit_empty", "", commit.event["event_id"], "", True, False
    )
    withdrawn, told = run(turns, refusal)
    assert withdrawn == AnswerWithdrawn()
    assert isinstance(told, Tell) and told.event["code"] == "nothing_heard"
    begun = ResponseStarted("resp_1", tag(create.event))
    assert sent(run(turns, begun)) == STOPPED


def test_without_interruption_speech_flushes_nothing() -> None:
    turns = rules(interrupt_response=False)
    assert run(turns, *SPEAKING, SpeechStarted("item_2")) == [ReplyStarted()]
    assert not turns.is_quiet


def test_a_turn_that_the_server_could_not_answer_is_answered_later() -> None:
    turns = rules(interrupt_response=False)
    run(turns, ResponseStarted("resp_1"), SpeechStarted("i"), SpeechStopped("i"))
    assert (
        run(turns, TurnCommitted("i"), ServerError(ALREADY_ACTIVE, "", "", "", True, False)) == []
    )
    assert sent(run(turns, ResponseEnded("resp_1", "completed"))) == ["response.create"]


def test_where_turns_are_not_answered_the_button_asks() -> None:
    turns = rules(create_response=False)
    run(turns, SpeechStarted("i"))
    assert ptt(turns, True, 0) == []
    assert ptt(turns, False, 50) == [AskedByHand()]  # The turn is not over yet.
    run(turns, SpeechStopped("i"))
    (create,) = run(turns, TurnCommitted("i"))
    assert isinstance(create, Send) and create.event["type"] == "response.create"
    run(turns, ResponseStarted("resp_1", tag(create.event)), ResponseEnded("resp_1", "completed"))
    assert sent(run(turns, SpeechStarted("j"), SpeechStopped("j"), TurnCommitted("j"))) == []
    ptt(turns, True, 0)
    assert sent(ptt(turns, False, 50)) == ["response.create"]


def test_written_answers_are_cancelled_and_never_flushed() -> None:
    turns = rules(speaks=False)
    run(turns, ResponseStarted("resp_1"))
    actions = turns.on_browser({"type": "interrupt"})
    assert sent(actions) == ["response.cancel"] and flushes(actions) == 0
    assert run(turns, SpeechStarted("i")) == []


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, TurnRules()),
        ({"turn_detection": "push_to_talk"}, TurnRules(True, False, False)),
        ({"turn_detection": "semantic_vad"}, TurnRules()),
        ({"create_response": False}, TurnRules(create_response=False)),
        ({"interrupt_response": False}, TurnRules(interrupt_response=False)),
        ({"output": "text"}, TurnRules(speaks=False)),
    ],
)
def test_the_rules_follow_from_the_session(keys: dict[str, Any], expected: TurnRules) -> None:
    assert TurnRules.of(session_object(OpenaiLinkSettings(**keys))) == expected


def test_a_session_without_details_has_the_servers_defaults() -> None:
    assert TurnRules.of({}) == TurnRules()


@pytest.mark.parametrize(
    ("keys", "answers"),
    [
        ({}, True),
        ({"create_response": False}, False),
        ({"turn_detection": "push_to_talk", "create_response": False}, True),
    ],
)
def test_turns_are_answered_by_the_server_or_by_the_button(
    keys: dict[str, Any], answers: bool
) -> None:
    rules = TurnRules.of(session_object(OpenaiLinkSettings(**keys)))
    assert rules.answers_turns == answers


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


STEP = st.tuples(
    st.sampled_from(["down", "up", "leave", "tick"]), st.sampled_from("abc"), st.integers(0, 300)
)


@given(st.lists(STEP))
def test_any_presses_open_and_shut_in_turn_and_end_shut(steps: list[tuple[str, str, int]]) -> None:
    turns, now_ms, actions = rules(push_to_talk=True), 0, list[TurnAction]()
    for kind, who, later_ms in steps:
        now_ms += later_ms
        if kind in ("down", "up"):
            actions += ptt(turns, kind == "down", now_ms, who)
        elif kind == "leave":
            actions += turns.on_roster({*"abc"} - {who}, now_ms * MS)
        else:
            actions += turns.tick(now_ms * MS)
        assert turns.microphone_open or not turns.pressing
    actions += turns.on_roster((), now_ms * MS) + turns.tick(10**15)
    gates = [action.open for action in actions if isinstance(action, MicrophoneGate)]
    assert gates == [index % 2 == 0 for index in range(len(gates))]
    assert not turns.microphone_open and turns.next_timeout_ns() is None
    assert sent(actions).count("input_audio_buffer.commit") <= len(gates) // 2


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
        self.inbox += [action.event for action in actions if isinstance(action, Send | ClearOutput)]

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
TestServer.settings = settings(max_examples=examples(60), stateful_step_count=30, deadline=None)


# -- what servers leave out ------------------------------------------------------------------------


def asked(turns: TurnPolicy, text: str = "Hi.") -> dict[str, Any]:
    """Type something; returns the request for an answer that goes out."""
    (create,) = [
        action.event
        for action in turns.on_browser({"type": "say", "text": text})
        if isinstance(action, Send) and action.event["type"] == "response.create"
    ]
    return create


def test_a_response_whose_beginning_is_missing_is_the_answer() -> None:
    turns = policy()
    asked(turns)
    run(turns, ResponseStarted("resp_1", inferred=True))
    assert turns.request is None
    run(turns, ResponseEnded("resp_1", "completed"))
    asked(turns)


def test_a_response_without_metadata_is_the_answer_once_it_is_over() -> None:
    """Only the first time is it waited for whether the server says otherwise."""
    turns = policy()
    asked(turns)
    run(turns, ResponseStarted("resp_1"), ResponseEnded("resp_1", "completed"))
    assert sent(turns.on_browser({"type": "say", "text": "Hi."})) == ["conversation.item.create"]
    assert turns.next_timeout_ns() == GRACE_NS
    assert sent(turns.tick(GRACE_NS)) == ["response.create"]
    run(turns, ResponseStarted("resp_2"), ResponseEnded("resp_2", "completed"))
    asked(turns)


@pytest.mark.parametrize("code", ["invalid_value", "server_error", "unknown"])
def test_a_refusal_without_an_id_frees_the_place(code: str) -> None:
    turns = policy()
    asked(turns)
    run(turns, ServerError(code, "", "", "", False, False))
    assert turns.request is None
    asked(turns)


@pytest.mark.parametrize("code", ["response_cancel_not_active", "item_truncate_invalid_item_id"])
def test_a_refusal_of_something_else_does_not(code: str) -> None:
    turns = policy()
    create = asked(turns)
    run(turns, ServerError(code, "", "", "", True, False))
    assert turns.request == create["event_id"]


def test_a_request_that_is_refused_for_a_response_nobody_knows_is_repeated_and_given_up() -> None:
    turns = policy()
    event, now_ns, tries = asked(turns), 0, 1
    while True:
        refusal = ServerError(ALREADY_ACTIVE, "", event["event_id"], "response.create", True, False)
        actions = turns.on_fact(refusal, now_ns)
        if actions:
            break
        timeout_ns = turns.next_timeout_ns()
        assert timeout_ns is not None and timeout_ns > now_ns
        now_ns = timeout_ns
        (create,) = turns.tick(now_ns)
        assert isinstance(create, Send)
        event, tries = create.event, tries + 1
    assert tries == MAX_TRIES and now_ns < 20_000_000_000
    (told,) = actions
    assert isinstance(told, Tell) and "ask again" in told.event["message"]


def test_a_request_in_place_of_the_servers_own_answer_is_not_repeated() -> None:
    turns = policy()
    (create,) = turns.cover_turn()
    assert isinstance(create, Send)
    refusal = ServerError(ALREADY_ACTIVE, "", create.event["event_id"], "", True, False)
    assert turns.on_fact(refusal, 0) == [] and turns.next_timeout_ns() is None
    assert run(turns, ResponseStarted("resp_1"), ResponseEnded("resp_1", "completed")) == []


def test_the_end_of_a_response_nobody_knew_lets_the_next_request_go() -> None:
    turns = policy()
    create = asked(turns)
    refusal = ServerError(ALREADY_ACTIVE, "", create["event_id"], "", True, False)
    assert turns.on_fact(refusal, 0) == []
    assert sent(run(turns, ResponseEnded("resp_9", "completed"))) == ["response.create"]
