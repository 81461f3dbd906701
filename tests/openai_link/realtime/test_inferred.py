"""Any event that carries a fact is enough for it: responses, calls and words without their own."""

from __future__ import annotations

from typing import Any

import pytest

from openai_link.facts import (
    CallNameless,
    Caption,
    Fact,
    ItemAdded,
    ItemDone,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    SpeechStopped,
    ToolCalled,
    Transcribed,
    TurnCommitted,
)
from openai_link.realtime.client_events import TAG
from openai_link.realtime.item_words import WORDS_NS
from openai_link.realtime.our_messages import TAKEN_NS
from openai_link.realtime.reduce_responses import SETTLED_NS
from openai_link.realtime.reducer import Reducer
from tests.openai_link.realtime.test_reducer import Event, e, reply, run, turn

ENDED = ResponseEnded("resp_1", "completed", inferred=True)
CALL = {"type": "function_call", "id": "item_1", "call_id": "call_1", "name": "lamp"}
WHOLE = {**CALL, "status": "completed", "arguments": "{}"}


def of(facts: list[Fact], *kinds: Any) -> list[Fact]:
    return [fact for fact in facts if isinstance(fact, kinds)]


def responses(facts: list[Fact]) -> list[Fact]:
    return of(facts, ResponseStarted, ResponseEnded)


@pytest.mark.parametrize("first", range(1, 12))
def test_any_event_of_a_response_shows_that_it_began(first: int) -> None:
    """Also those of its items that do not name it, once one has."""
    events = reply("resp_1", "item_1", "Hello.")[first:]
    facts = responses(run(Reducer(), events))
    assert facts[0] == ResponseStarted("resp_1", inferred=True)
    assert facts[-1] == ResponseEnded("resp_1", "completed")
    assert len(facts) == 2 or (len(facts) == 3 and facts[1] == ENDED)


def test_the_end_alone_names_who_asked() -> None:
    done = {"id": "resp_1", "status": "completed", "metadata": {"mixminus": "mm_1"}}
    assert responses(run(Reducer(), [e("response.done", response=done)])) == [
        ResponseStarted("resp_1", "mm_1"),
        ResponseEnded("resp_1", "completed"),
    ]


def without_end(*more: Event) -> tuple[Reducer, list[Fact]]:
    reducer = Reducer()
    events = [x for x in reply("resp_1", "item_1", "Hello.") if x["type"] != "response.done"]
    return reducer, run(reducer, [*events[:-2], *more])


@pytest.mark.parametrize(
    "event",
    [
        e("rate_limits.updated", rate_limits=[]),
        e("response.created", response={"id": "resp_2"}),
        e("response.output_item.added", response_id="resp_2", item={"id": "item_2"}),
    ],
    ids=lambda event: event["type"],
)
def test_a_later_event_shows_that_a_response_is_over(event: Event) -> None:
    _, facts = without_end(event)
    assert of(facts, ResponseEnded) == [ENDED]


def test_a_response_of_which_nothing_more_comes_is_over() -> None:
    reducer, facts = without_end()
    assert not of(facts, ResponseEnded)
    timeout_ns = reducer.next_timeout_ns()
    assert timeout_ns is not None and timeout_ns <= SETTLED_NS + 20_000_000
    assert of(reducer.tick(timeout_ns), ResponseEnded) == [ENDED]


def test_the_true_end_follows_an_inferred_one_with_what_it_cost() -> None:
    done = {"id": "resp_1", "status": "completed", "usage": {"total_tokens": 7}}
    reducer, facts = without_end(
        e("rate_limits.updated"), e("response.done", response=done, usage=1)
    )
    ended = [fact for fact in facts if isinstance(fact, ResponseEnded)]
    assert [(fact.inferred, fact.usage) for fact in ended] == [
        (True, None),
        (False, {"total_tokens": 7}),
    ]
    assert reducer.generated_ns is None


def test_a_response_that_goes_on_after_all_is_open_again() -> None:
    more = e("response.output_text.delta", response_id="resp_1", item_id="item_9", delta="x")
    reducer, facts = without_end(e("rate_limits.updated"), more)
    assert of(facts, ResponseEnded) == [ENDED] and reducer.assistant == "speaking"
    assert reducer.generated_ns is not None
    assert not of(reducer.tick(10**12), ResponseEnded), "it has an item that grows"


def test_limits_at_the_beginning_end_nothing() -> None:
    """As servers of the older shape send them."""
    events = reply("resp_1", "item_1", "Hello.")
    facts = run(Reducer(), [events[0], e("rate_limits.updated"), *events[1:4]])
    assert responses(facts) == [ResponseStarted("resp_1")]


def test_a_refused_cancel_shows_that_all_is_over() -> None:
    reducer = Reducer()
    run(reducer, reply("resp_1", "item_1", "Hello.")[:5])
    reducer.sent({"type": "response.cancel", "event_id": "mm_1", "response_id": "resp_1"})
    error = {"code": "response_cancel_not_active", "message": "", "event_id": "mm_1"}
    assert ENDED in run(reducer, [e("error", error=error)])


def test_a_refused_cancel_says_nothing_of_a_later_response() -> None:
    reducer = Reducer()
    reducer.sent({"type": "response.cancel", "event_id": "mm_1"})
    run(reducer, reply("resp_1", "item_1", "Hello.")[:5])
    error = {"code": "response_cancel_not_active", "message": "", "event_id": "mm_1"}
    assert not of(run(reducer, [e("error", error=error)]), ResponseEnded)


def test_a_complaint_without_an_end_is_the_end() -> None:
    """As of a server that has no ``response.done`` for what failed."""
    reducer = Reducer()
    run(reducer, reply("resp_1", "item_1", "Hello.")[:5])
    error = {"code": "server_error", "message": "The model has failed."}
    assert not of(run(reducer, [e("error", error=error)]), ResponseEnded)
    ended = of(reducer.tick(SETTLED_NS + 10_000_000), ResponseEnded)
    assert ended == [ResponseEnded("resp_1", "cancelled", inferred=True)]


@pytest.mark.parametrize("active", ["resp_X1", "mm3fx12"])
def test_a_refusal_names_the_response_that_is_active(active: str) -> None:
    """By the server's id, or by that of the room; event ids are none of a response."""
    error = {
        "code": "conversation_already_has_active_response",
        "message": f"Not mm3f1_2: a response is in progress already: {active}. Wait.",
        "event_id": "mm3f1_2",
    }
    facts = run(Reducer(), [e("error", error=error)])
    assert responses(facts) == [ResponseStarted(active, inferred=True)]


# -- calls ----------------------------------------------------------------------------------------

CREATED = e("response.created", response={"id": "resp_1"})
ARGUMENTS = {"response_id": "resp_1", "item_id": "item_1"}
BY_ARGUMENTS = e(
    "response.function_call_arguments.done",
    call_id="call_1",
    name="lamp",
    arguments="{}",
    **ARGUMENTS,
)
BY_PIECES = [
    e("response.output_item.added", response_id="resp_1", item=CALL),
    e("response.function_call_arguments.delta", delta="{", **ARGUMENTS),
    e("response.function_call_arguments.delta", delta="}", **ARGUMENTS),
]
BY_ITEM = e("response.output_item.done", response_id="resp_1", item=WHOLE)
BY_CONVERSATION = e("conversation.item.done", item=WHOLE)


@pytest.mark.parametrize("identity", ["item_1", ""])
def test_a_call_without_an_id_is_told_once_where_it_is_whole(identity: str) -> None:
    whole = {**WHOLE, "id": identity, "call_id": ""}
    cut = {**whole, "id": identity and "item_2", "name": "heater", "status": "incomplete"}
    output = [whole, cut]
    done = [e("response.output_item.done", response_id="resp_1", item=item) for item in output]
    over = {"id": "resp_1", "status": "completed", "output": output}
    facts = run(Reducer(), [CREATED, *done, e("response.done", response=over)])
    assert of(facts, CallNameless, ToolCalled) == [CallNameless(identity, "lamp")]


def test_a_call_has_the_id_that_any_of_its_events_brought() -> None:
    whole = {**WHOLE, "call_id": ""}
    done = e("response.output_item.done", response_id="resp_1", item=whole)
    for before in (BY_ARGUMENTS, BY_PIECES[0]):
        facts = run(Reducer(), [CREATED, before, done])
        called = ToolCalled("resp_1", "item_1", "call_1", "lamp", "{}")
        assert of(facts, CallNameless, ToolCalled) == [called]
    unnamed = {**BY_ARGUMENTS, "call_id": ""}
    over = e("response.done", response={"id": "resp_1", "status": "completed", "output": []})
    facts = run(Reducer(), [CREATED, unnamed, over])
    assert of(facts, CallNameless, ToolCalled) == [CallNameless("item_1", "lamp")]


def done(status: str = "completed", output: Any = ()) -> Event:
    return e("response.done", response={"id": "resp_1", "status": status, "output": output})


@pytest.mark.parametrize(
    "events",
    [
        [BY_ARGUMENTS, done()],
        [BY_ARGUMENTS, done(output=None)],
        [BY_ITEM, done()],
        [done(output=[WHOLE])],
        [BY_CONVERSATION, done()],
        [*BY_PIECES, done()],
        [done(), BY_ARGUMENTS],
        [BY_ARGUMENTS, BY_CONVERSATION, BY_ITEM, done(output=[WHOLE]), BY_ARGUMENTS],
        [BY_ARGUMENTS, e("response.created", response={"id": "resp_2"})],
    ],
)
def test_a_call_is_told_once_by_whatever_brings_it(events: list[Event]) -> None:
    again = [{**event, "event_id": ""} for event in events]
    calls = of(run(Reducer(), [CREATED, *events, *again]), ToolCalled)
    assert calls == [ToolCalled("resp_1", "item_1", "call_1", "lamp", "{}")]


@pytest.mark.parametrize(
    "events",
    [
        [BY_ARGUMENTS, done("cancelled")],
        [BY_ARGUMENTS, e("response.output_item.done", item={**WHOLE, "status": "incomplete"})],
        [BY_ARGUMENTS, e("conversation.item.done", item={**WHOLE, "status": "incomplete"}), done()],
        [*BY_PIECES[:2], done()],
        [BY_PIECES[0], done()],
    ],
)
def test_a_call_that_is_not_whole_is_not_told(events: list[Event]) -> None:
    assert not of(run(Reducer(), [CREATED, *events]), ToolCalled)


def test_a_call_of_history_is_no_call() -> None:
    reducer = Reducer()
    reducer.sent({"type": "conversation.item.create", "event_id": "mm_1", "item": WHOLE})
    assert not of(run(reducer, [CREATED, BY_CONVERSATION, done()]), ToolCalled)


# -- items and words ------------------------------------------------------------------------------


@pytest.mark.parametrize("is_alive", [True, False])
def test_a_message_that_nobody_refuses_is_taken_if_the_server_lives(is_alive: bool) -> None:
    reducer = Reducer()
    item = {"id": "mm_1", "type": "message", "role": "user", "content": []}
    reducer.sent({"type": "conversation.item.create", "event_id": "mm_1", "item": item}, 5)
    if is_alive:
        reducer.feed(e("rate_limits.updated"), 6)
    taken = of(reducer.tick(TAKEN_NS + 5), ItemAdded, ItemDone)
    assert taken == ([ItemAdded("mm_1", "", item), ItemDone("mm_1", item)] if is_alive else [])


def test_a_message_that_is_refused_is_not_taken() -> None:
    reducer = Reducer()
    item = {"id": "mm_1", "type": "message", "role": "user", "content": []}
    reducer.sent({"type": "conversation.item.create", "event_id": "mm_1", "item": item}, 5)
    reducer.feed(e("error", error={"code": "invalid_value", "event_id": "mm_1"}), 6)
    assert not of(reducer.tick(10**12), ItemAdded)


def test_words_without_an_end_of_their_item_are_final_with_their_response() -> None:
    ids = {"response_id": "resp_1", "item_id": "item_1"}
    delta = e("response.output_audio_transcript.delta", delta="Hello.", **ids)
    facts = run(Reducer(), [CREATED, delta, done()])
    assert Caption("assistant", "item_1", "Hello.", True) in facts
    (item,) = of(facts, ItemDone)
    assert isinstance(item, ItemDone) and item.content["content"][0]["transcript"] == "Hello."


def test_words_of_people_that_break_off_are_what_was_understood() -> None:
    reducer = Reducer()
    prefix = "conversation.item.input_audio_transcription"
    run(reducer, [*turn("item_0"), e(f"{prefix}.delta", item_id="item_0", delta="Good ")])
    late = reducer.tick(WORDS_NS + 10_000_000)
    assert Caption("user", "item_0", "Good ", True) in late
    assert Transcribed("item_0", "Good") in late and not reducer.awaits_words
    usage = {"type": "duration", "seconds": 1}
    whole = e(f"{prefix}.completed", item_id="item_0", transcript="Good morning.", usage=usage)
    assert Transcribed("item_0", "Good morning.", usage) in reducer.feed(whole, WORDS_NS * 2)


@pytest.mark.parametrize("response", [{}, None, {"id": ""}, {"id": None, "status": "completed"}])
def test_an_end_without_an_id_is_that_of_the_open_response(response: Any) -> None:
    """The true end may follow, and what it cost counts."""
    true = {"id": "resp_1", "status": "completed", "usage": {"total_tokens": 7}}
    events = [CREATED, e("response.done", response=response), e("response.done", response=true)]
    ended = [fact for fact in run(Reducer(), events) if isinstance(fact, ResponseEnded)]
    assert [(fact.inferred, fact.usage) for fact in ended] == [
        (True, None),
        (False, {"total_tokens": 7}),
    ]


def test_an_end_in_progress_is_none() -> None:
    still = e("response.done", response={"id": "resp_1", "status": "in_progress", "usage": None})
    assert responses(run(Reducer(), [still])) == [ResponseStarted("resp_1", inferred=True)]


def test_a_call_in_progress_is_not_cut_off() -> None:
    still = e("conversation.item.done", item={**WHOLE, "status": "in_progress", "arguments": ""})
    calls = of(run(Reducer(), [CREATED, still, BY_ITEM, done()]), ToolCalled)
    assert calls == [ToolCalled("resp_1", "item_1", "call_1", "lamp", "{}")]


@pytest.mark.parametrize("is_asked", [True, False])
def test_an_item_that_only_a_response_makes_is_one_where_one_is_expected(is_asked: bool) -> None:
    reducer = Reducer()
    if is_asked:
        reducer.sent({"type": "response.create", "event_id": "mm_1"})
    message = {"id": "item_1", "type": "message", "role": "assistant", "status": "completed"}
    added, ended = (e(f"conversation.item.{kind}", item=message) for kind in ("added", "done"))
    facts = responses(run(reducer, [added, ended]))
    assert facts == ([ResponseStarted("of_item_1", inferred=True)] if is_asked else [])
    facts = responses(reducer.tick(SETTLED_NS + 10_000_000))
    assert facts == ([ResponseEnded("of_item_1", "completed", inferred=True)] if is_asked else [])


def test_an_answer_shows_that_what_was_typed_before_it_was_asked_for_is_taken() -> None:
    reducer = Reducer()
    for number, kind in enumerate(("message", "request", "message")):
        identity = f"{kind}_{number}"
        item = {"type": "message", "role": "user", "id": identity, "content": []}
        sent = {"type": "conversation.item.create", "item": item}
        request = {"type": "response.create", "event_id": identity}
        reducer.sent(request if kind == "request" else sent, 0)
    response = {"id": "resp_1", "metadata": {TAG: "request_1"}}
    facts = reducer.feed(e("response.created", response=response), 1)
    assert [fact.item for fact in facts if isinstance(fact, ItemAdded)] == ["message_0"]
    assert facts.index(of(facts, ItemAdded)[0]) < facts.index(of(facts, ResponseStarted)[0])


# -- turns of people ------------------------------------------------------------------------------

STARTED, STOPPED, COMMITTED, ADDED, DONE = turn("item_1")
WORDS = e(
    "conversation.item.input_audio_transcription.completed", item_id="item_1", transcript="Hello."
)
OVER = TurnCommitted("item_1")


@pytest.mark.parametrize(
    "events",
    [
        [ADDED],
        [DONE],
        [STARTED, STOPPED, ADDED],
        [STARTED, ADDED, STOPPED],
        [STARTED, ADDED, e("input_audio_buffer.timeout_triggered", item_id="item_0")],
        [STARTED, STOPPED, WORDS],
        [STARTED, WORDS, STOPPED],
        [STARTED, STOPPED, WORDS, COMMITTED],
        [STARTED, STOPPED, ADDED, COMMITTED, DONE, WORDS],
    ],
)
def test_a_turn_is_over_once_by_whatever_event_shows_that(events: list[Event]) -> None:
    reducer = Reducer()
    facts = run(reducer, events)
    assert of(facts, TurnCommitted) == [OVER]
    assert reducer.assistant == "thinking"
    items = of(facts, TurnCommitted, ItemAdded)
    assert items[0] == OVER or STARTED in events, "a turn is told before its item"


def test_a_turn_that_is_being_spoken_is_not_over() -> None:
    reducer = Reducer()
    assert of(run(reducer, [STARTED, ADDED, WORDS]), TurnCommitted) == []
    assert reducer.assistant == "listening"
    assert reducer.turn_lost(True, 5)[:2] == [SpeechStopped(""), OVER]


def test_what_nobody_said_is_no_turn() -> None:
    reducer = Reducer()
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    ours = {**ADDED["item"], "id": "mm_1"}
    reducer.sent({"type": "conversation.item.create", "event_id": "mm_1", "item": ours})
    events = [
        e("conversation.item.added", item={**message, "id": "item_2"}),
        e("conversation.item.added", item=ours),
        WORDS,
    ]
    assert of(run(reducer, events), TurnCommitted) == []


def test_a_turn_that_the_server_answers_already_is_not_waited_for() -> None:
    reducer = Reducer()
    begun, *_ = reply("resp_1", "item_2", "Yes.")
    assert of(run(reducer, [STARTED, STOPPED, begun, ADDED, WORDS]), TurnCommitted) == []
    asked = Reducer(answers=False)
    assert of(run(asked, [STARTED, STOPPED, begun, ADDED]), TurnCommitted) == [OVER]


def test_a_late_end_of_a_turn_that_is_over_makes_nobody_wait() -> None:
    committed, lost = Reducer(), Reducer()
    run(committed, [STARTED, COMMITTED, *reply("resp_1", "item_2", "Yes."), STOPPED])
    run(lost, [STARTED])
    lost.turn_lost(False, 1)
    run(lost, [STOPPED])
    assert committed.unanswered_ns is None and lost.unanswered_ns is None


def test_words_that_stand_in_the_item_are_its_words() -> None:
    said = {**DONE["item"], "content": [{"type": "input_audio", "transcript": " Hello. "}]}
    done = e("conversation.item.done", item=said)
    reducer = Reducer()
    facts = run(reducer, [*turn("item_1")[:4], done, done])
    assert of(facts, Transcribed) == [Transcribed("item_1", "Hello.")]
    assert of(facts, Caption) == [Caption("user", "item_1", "Hello.", True)]
    assert not reducer.awaits_words
    costs = {"type": "duration", "seconds": 1}
    paid = run(reducer, [{**WORDS, "usage": costs}, {**WORDS, "usage": costs}])
    assert paid == [Transcribed("item_1", "Hello.", costs)], "what they cost is told, once"
    assert of(run(Reducer(), [WORDS, done]), Transcribed) == [Transcribed("item_1", "Hello.")]


@pytest.mark.parametrize("end", ["stopped", "cleared"])
def test_a_reply_that_is_played_without_its_name_is_the_newest(end: str) -> None:
    reducer = Reducer()
    for number in (1, 2):
        events = reply(f"resp_{number}", f"item_{number}", "Hello.")
        for event in events:
            if event["type"].startswith("output_audio_buffer."):
                event["response_id"] = None
        events[-1]["type"] = f"output_audio_buffer.{end}"
        assert of(run(reducer, events), PlaybackStarted, PlaybackEnded) == [
            PlaybackStarted(f"resp_{number}"),
            PlaybackEnded(f"resp_{number}", end == "cleared"),
        ]
        assert reducer.playing is None


def test_nothing_is_played_of_no_response() -> None:
    started = e("output_audio_buffer.started", response_id=None)
    assert Reducer().feed(started, 0) == []


def local_turn(number: int) -> list[Event]:
    """As LocalAI tells of one: each event names another item, or none."""
    said = {"type": "input_audio", "transcript": f"Turn {number}."}
    item = {"id": f"item_{number}", "type": "message", "role": "user", "content": [said]}
    transcript = "conversation.item.input_audio_transcription.completed"
    return [
        e("input_audio_buffer.speech_started", audio_start_ms=number),
        e("input_audio_buffer.speech_stopped", audio_end_ms=number),
        e("input_audio_buffer.committed", item_id=f"commit_{number}"),
        e(transcript, item_id=f"words_{number}", transcript=f"Turn {number}."),
        e("conversation.item.added", item={**item, "status": "completed"}),
        e("response.created", response={"id": f"resp_{number}"}),
        e("response.done", response={"id": f"resp_{number}", "status": "completed"}),
    ]


def test_a_commit_that_names_an_item_which_never_comes_says_nothing() -> None:
    """But of the first turn each turn is committed once, with the item that it becomes."""
    reducer = Reducer()
    committed = [of(run(reducer, local_turn(number)), TurnCommitted) for number in (1, 2, 3)]
    assert committed[1:] == [[TurnCommitted("item_2")], [TurnCommitted("item_3")]]


def test_an_item_that_is_lost_makes_no_commit_doubtful() -> None:
    reducer = Reducer()
    run(reducer, turn("item_1")[:3])
    assert TurnCommitted("item_2") in run(reducer, turn("item_2")[:3])
    run(reducer, turn("item_3"))
    assert TurnCommitted("item_4") in run(reducer, turn("item_4")[2:3])


def test_a_commit_that_comes_after_its_item_is_not_doubtful() -> None:
    reducer = Reducer()
    for number in (1, 2):
        heard = turn(f"item_{number}")
        committed, added, done = heard[2:]
        assert len(of(run(reducer, [added, committed, done]), TurnCommitted)) == 1
    assert TurnCommitted("item_3") in run(reducer, turn("item_3")[2:3])
