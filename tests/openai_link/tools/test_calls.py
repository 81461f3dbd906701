"""The policy of tool calls, by hand and by random histories."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.facts import (
    AssistantChanged,
    Fact,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
)
from openai_link.tools import tool
from openai_link.tools.actions import (
    AskAnswer,
    CancelTool,
    RunTool,
    SayFiller,
    SendOutput,
    TellTool,
    ToolAction,
    filler_response,
)
from openai_link.tools.calls import ToolCalls, ToolLimits
from openai_link.tools.define import spec_of
from openai_link.tools.outputs import is_error
from openai_link.tools.spec import ToolSpec
from tests.support.tables import examples


@tool
def plain(x: int = 0) -> None:
    """Do it."""


@tool(confirm="Open {x}?")
def guarded(x: int = 0) -> None:
    """Do it."""


@tool(who=("Anna",))
def hers(x: int = 0) -> None:
    """Do it."""


@tool(filler="One moment.", timeout_ms=30_000)
def slow(x: int = 0) -> None:
    """Do it."""


def book() -> dict[str, ToolSpec]:
    found = (spec_of(function) for function in (plain, guarded, hers, slow))
    return {spec.name: spec for spec in found if spec is not None}


@pytest.fixture
def calls() -> ToolCalls:
    return ToolCalls(book())


def fact(call: str, name: str = "plain", response: str = "r1", arguments: str = "{}") -> ToolCalled:
    return ToolCalled(response, f"item_{call}", call, name, arguments)


def kinds(actions: list[ToolAction]) -> list[str]:
    return [type(action).__name__ for action in actions]


def outputs(actions: list[ToolAction]) -> list[SendOutput]:
    return [action for action in actions if isinstance(action, SendOutput)]


def told(actions: list[ToolAction]) -> dict[str, Any]:
    (event,) = [action.event for action in actions if isinstance(action, TellTool)]
    return event


def test_a_call_runs_and_is_answered_after_the_end_of_its_response(calls: ToolCalls) -> None:
    actions = calls.called(fact("a"), "p-1", "Anna", 0)
    assert actions[0] == RunTool("a", "plain", "{}", "p-1", "Anna")
    assert told(actions) == {
        "type": "tool", "name": "plain", "call": "a", "status": "running", "participant": "p-1",
    }  # fmt: skip
    actions = calls.finished("a", "10", True, S_NS)
    assert actions[0] == SendOutput("a", "10")
    assert kinds(actions) == ["SendOutput", "TellTool"]
    assert told(actions)["status"] == "done"
    assert calls.on_fact(ResponseEnded("r1", "completed"), 2 * S_NS) == [AskAnswer()]
    assert calls.on_fact(ResponseEnded("r1", "completed"), 3 * S_NS) == []


def test_parallel_calls_are_sent_one_by_one_and_answered_once(calls: ToolCalls) -> None:
    calls.called(fact("a"), "", "", 0)
    calls.called(fact("b"), "", "", 0)
    assert calls.on_fact(ResponseEnded("r1", "completed"), 0) == []
    assert kinds(calls.finished("b", "2", True, 0)) == ["SendOutput", "TellTool"]
    assert kinds(calls.finished("a", "1", True, 0)) == ["SendOutput", "TellTool", "AskAnswer"]


def test_a_call_id_is_carried_out_once(calls: ToolCalls) -> None:
    assert calls.called(fact("a"), "", "", 0)
    assert calls.called(fact("a"), "", "", 0) == []
    assert calls.finished("a", "1", True, 0)
    assert calls.finished("a", "2", True, 0) == []
    assert calls.called(fact("a"), "", "", 0) == []
    assert calls.finished("never", "1", True, 0) == []


def test_what_cannot_be_run_is_answered_with_an_error(calls: ToolCalls) -> None:
    unknown = calls.called(fact("a", "nothing"), "", "", 0)
    assert "there is no tool 'nothing'; there are: guarded" in outputs(unknown)[0].output
    wrong = calls.called(fact("b", arguments='{"x":"1"}'), "", "", 0)
    assert "Expected `int`" in outputs(wrong)[0].output
    assert told(wrong)["status"] == "failed"
    assert calls.on_fact(ResponseEnded("r1", "completed"), 0) == [AskAnswer()]
    assert calls.pending() == []


def test_only_those_who_may_use_a_tool(calls: ToolCalls) -> None:
    assert kinds(calls.called(fact("a", "hers"), "p-1", "anna", 0)) == ["RunTool", "TellTool"]
    refused = calls.called(fact("b", "hers"), "p-2", "Ben", 0)
    assert outputs(refused)[0].output == '{"error":"Ben may not use hers"}'
    assert told(refused)["status"] == "refused"
    assert "not known" in outputs(calls.called(fact("c", "hers"), "", "", 0))[0].output


def test_a_question_is_asked_and_a_yes_runs_the_tool(calls: ToolCalls) -> None:
    actions = calls.called(fact("a", "guarded", arguments='{"x":3}'), "p-1", "Anna", 0)
    event = told(actions)
    assert (event["status"], event["question"], event["timeout_ms"]) == (
        "asking",
        "Open 3?",
        20_000,
    )
    assert calls.finished("a", "1", True, 0) == []
    actions = calls.confirmed("a", True, "p-2", 0)
    assert kinds(actions) == ["RunTool", "TellTool"]
    assert told(actions)["participant"] == "p-2"
    assert calls.confirmed("a", False, "p-1", 0) == []
    assert kinds(calls.finished("a", "1", True, 0)) == ["SendOutput", "TellTool"]


def test_a_no_and_no_answer_both_mean_no(calls: ToolCalls) -> None:
    calls.called(fact("a", "guarded"), "", "", 0)
    calls.called(fact("b", "guarded"), "", "", 0)
    refused = calls.confirmed("a", False, "p-1", 0)
    assert "said no" in outputs(refused)[0].output
    assert calls.next_timeout_ns() == 20 * S_NS
    late = calls.tick(20 * S_NS)
    assert "nobody" in outputs(late)[0].output
    assert told(late)["status"] == "refused"
    assert calls.confirmed("b", True, "p-1", 21 * S_NS) == []


def test_a_tool_that_takes_too_long_has_failed(calls: ToolCalls) -> None:
    calls.called(fact("a"), "", "", 0)
    calls.on_fact(ResponseEnded("r1", "completed"), 0)
    assert calls.next_timeout_ns() == 10 * S_NS
    assert calls.tick(10 * S_NS - 1) == []
    actions = calls.tick(10 * S_NS)
    assert kinds(actions) == ["CancelTool", "SendOutput", "TellTool", "AskAnswer"]
    assert told(actions)["status"] == "timeout"
    assert calls.finished("a", "late", True, 11 * S_NS) == []
    assert calls.next_timeout_ns() is None


def test_a_failure_tells_people_its_words(calls: ToolCalls) -> None:
    calls.called(fact("a"), "", "", 0)
    actions = calls.finished("a", '{"error":"no water"}', False, 0)
    assert (told(actions)["status"], told(actions)["detail"]) == ("failed", "no water")


def test_too_many_open_calls_are_refused(calls: ToolCalls) -> None:
    for number in range(8):
        calls.called(fact(str(number)), "", "", 0)
    assert "8 calls are open" in outputs(calls.called(fact("more"), "", "", 0))[0].output


def test_a_filler_is_said_once_when_it_is_quiet_for_long(calls: ToolCalls) -> None:
    calls.called(fact("a", "slow"), "", "", 0)
    calls.called(fact("b", "slow"), "", "", 0)
    assert calls.tick(2 * S_NS) == []  # The response itself may still speak.
    calls.on_fact(ResponseEnded("r1", "completed"), 2 * S_NS)
    assert calls.next_timeout_ns() == 1_500 * MS_NS
    assert calls.tick(2 * S_NS) == [SayFiller("One moment.")]
    assert calls.tick(9 * S_NS) == []
    assert "One moment." in filler_response("One moment.")["instructions"]


def test_a_filler_waits_for_silence(calls: ToolCalls) -> None:
    calls.called(fact("a", "slow"), "", "", 0)
    calls.on_fact(PlaybackStarted("r1"), 0)
    calls.on_fact(ResponseEnded("r1", "completed"), S_NS)
    assert calls.tick(3 * S_NS) == []
    calls.on_fact(PlaybackEnded("r1", False), 4 * S_NS)
    assert calls.tick(5 * S_NS) == []
    calls.on_fact(SpeechStarted("u"), 5 * S_NS)
    assert calls.tick(8 * S_NS) == []
    calls.on_fact(SpeechStopped("u"), 8 * S_NS)
    calls.on_fact(ResponseStarted("r2"), 8 * S_NS)
    assert calls.tick(12 * S_NS) == []
    calls.on_fact(ResponseEnded("r2", "completed"), 12 * S_NS)
    assert calls.tick(12 * S_NS) == [SayFiller("One moment.")]


def test_no_filler_where_the_settings_say_never() -> None:
    calls = ToolCalls(book(), ToolLimits(filler_after_ms=0))
    calls.called(fact("a", "slow"), "", "", 0)
    calls.on_fact(ResponseEnded("r1", "completed"), 0)
    assert calls.next_timeout_ns() == 30 * S_NS


def test_a_slow_tool_is_answered_after_the_conversation_went_on(calls: ToolCalls) -> None:
    calls.called(fact("a"), "", "", 0)
    calls.on_fact(ResponseEnded("r1", "completed"), 0)
    calls.on_fact(ResponseStarted("r2"), S_NS)
    actions = calls.finished("a", "1", True, 2 * S_NS)
    assert kinds(actions) == ["SendOutput", "TellTool", "AskAnswer"]  # The sequencer waits for r2.


def test_an_answer_is_not_asked_for_while_somebody_speaks(calls: ToolCalls) -> None:
    calls.called(fact("a"), "", "", 0)
    calls.on_fact(ResponseEnded("r1", "completed"), 0)
    calls.on_fact(SpeechStarted("u"), S_NS)
    assert kinds(calls.finished("a", "1", True, 2 * S_NS)) == ["SendOutput", "TellTool"]
    assert calls.on_fact(SpeechStopped("u"), 3 * S_NS) == []
    assert calls.next_timeout_ns() == 4 * S_NS
    assert calls.tick(4 * S_NS) == [AskAnswer()]


def test_the_answer_to_a_turn_covers_outputs_that_came_during_it(calls: ToolCalls) -> None:
    calls.called(fact("a"), "", "", 0)
    calls.called(fact("b", response="r0"), "", "", 0)
    calls.on_fact(ResponseEnded("r0", "completed"), 0)
    calls.on_fact(ResponseEnded("r1", "completed"), 0)
    calls.on_fact(SpeechStarted("u"), S_NS)
    calls.finished("a", "1", True, 2 * S_NS)
    calls.on_fact(SpeechStopped("u"), 3 * S_NS)
    assert calls.on_fact(ResponseStarted("r2"), 3_200 * MS_NS) == []
    assert calls.tick(60 * S_NS) != [AskAnswer()]
    # One that came just before the response began may not be known to it.
    calls = ToolCalls(book())
    calls.called(fact("a"), "", "", 0)
    calls.on_fact(ResponseEnded("r1", "completed"), 0)
    calls.on_fact(SpeechStarted("u"), S_NS)
    calls.finished("a", "1", True, 3_100 * MS_NS)
    assert calls.on_fact(ResponseStarted("r2"), 3_200 * MS_NS) == [AskAnswer()]


def test_a_turn_without_end_does_not_hold_answers_back_for_ever(calls: ToolCalls) -> None:
    calls.called(fact("a"), "", "", 0)
    calls.on_fact(ResponseEnded("r1", "completed"), 0)
    calls.on_fact(SpeechStarted("u"), 0)
    calls.finished("a", "1", True, 0)
    assert calls.next_timeout_ns() == 30 * S_NS
    assert calls.tick(30 * S_NS) == [AskAnswer()]


def test_pending_calls_survive_a_new_session(calls: ToolCalls) -> None:
    calls.called(fact("a"), "p-1", "Anna", 0)
    calls.called(fact("b"), "", "", 0)
    calls.finished("b", "2", True, 0)
    assert [(p.call, p.name, p.arguments, p.state) for p in calls.pending()] == [
        ("a", "plain", "{}", "running")
    ]
    assert calls.moved(S_NS) == []  # Its response.done will never come, and is not waited for.
    assert calls.called(fact("a"), "", "", S_NS) == []
    actions = calls.finished("a", "1", True, 2 * S_NS)
    assert kinds(actions) == ["SendOutput", "TellTool", "AskAnswer"]


def test_an_answer_that_the_old_session_owed_is_asked_for_in_the_new_one(calls: ToolCalls) -> None:
    calls.called(fact("a"), "", "", 0)
    calls.finished("a", "1", True, 0)
    assert calls.moved(S_NS) == [AskAnswer()]
    calls.on_fact(ResponseEnded("r9", "completed"), 2 * S_NS)
    assert calls.moved(3 * S_NS) == []


def test_an_answer_that_is_being_given_is_not_asked_for_again(calls: ToolCalls) -> None:
    calls.called(fact("a"), "", "", 0)
    calls.finished("a", "1", True, 0)
    assert calls.on_fact(ResponseEnded("r1", "completed"), 0) == [AskAnswer()]
    assert calls.moved(S_NS, is_answering=True) == []
    assert calls.moved(2 * S_NS) == [AskAnswer()]


def test_a_tool_that_disappeared_while_it_was_asked_about_fails(calls: ToolCalls) -> None:
    specs = book()
    calls = ToolCalls(specs)
    calls.called(fact("a", "guarded"), "", "", 0)
    del specs["guarded"]
    assert "no longer available" in outputs(calls.confirmed("a", True, "", 0))[0].output


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("called"),
            st.integers(0, 5),
            st.sampled_from(["plain", "guarded", "hers", "slow", "nothing"]),
        ),
        st.tuples(st.just("finished"), st.integers(0, 5), st.booleans()),
        st.tuples(st.just("confirmed"), st.integers(0, 5), st.booleans()),
        st.tuples(st.just("ended"), st.integers(0, 1), st.none()),
        st.tuples(st.just("wait"), st.integers(0, 25_000), st.none()),
        st.tuples(st.just("speech"), st.integers(0, 1), st.none()),
        st.tuples(st.just("duplicate"), st.integers(0, 5), st.none()),
        st.tuples(st.just("moved"), st.none(), st.none()),
    ),
    min_size=20,
    max_size=60,
)


class History:
    """Plays random steps and notes what came out. Call n belongs to response n // 3."""

    def __init__(self) -> None:
        self.calls = ToolCalls(book())
        self.now_ns = 0
        self.sent: Counter[str] = Counter()
        self.called: set[str] = set()
        self.running: set[str] = set()
        self.ended: set[int] = set()
        self.answered: set[int] = set()
        self.results = 0
        """What tools have returned: after a loss each may stand in for one call that repeats it."""
        self.has_moved = False

    def step(self, kind: str, number: Any, extra: Any) -> None:
        call, calls = str(number), self.calls
        open_calls = [pending.call for pending in calls.pending()]
        if kind in ("finished", "confirmed") and open_calls and number % 2:
            call = open_calls[number % len(open_calls)]
        if kind == "called" and number // 3 in self.ended:
            return  # The reducer tells of calls before the end of their response.
        match kind:
            case "called":
                self.called.add(call)
                self.note(
                    calls.called(fact(call, extra, f"r{number // 3}"), "p", "Ben", self.now_ns)
                )
            case "duplicate" if call in self.called:
                duplicate = fact(call, "plain", f"r{number // 3}")
                assert calls.called(duplicate, "p", "Ben", self.now_ns) == []
            case "finished":
                self.note(
                    calls.finished(call, "x" if extra else '{"error":"y"}', extra, self.now_ns)
                )
            case "confirmed":
                self.note(calls.confirmed(call, extra, "p", self.now_ns))
            case "ended":
                self.ended.add(number)
                self.note(calls.on_fact(ResponseEnded(f"r{number}", "completed"), self.now_ns))
            case "speech":
                said: Fact = SpeechStarted("u") if number else SpeechStopped("u")
                self.note(calls.on_fact(said, self.now_ns))
            case "moved":
                self.has_moved = True
                self.ended |= {int(call) // 3 for call in self.called}
                self.note(calls.moved(self.now_ns), moved=True)
            case "wait":
                self.wait(number * MS_NS)

    def wait(self, span_ns: int) -> None:
        until_ns = self.now_ns + span_ns
        while (due := self.calls.next_timeout_ns()) is not None and due <= until_ns:
            self.now_ns = max(self.now_ns, due)
            self.note(self.calls.tick(self.now_ns))
            after = self.calls.next_timeout_ns()
            assert after is None or after > self.now_ns, "a timer that is due stays due"
        self.now_ns = until_ns

    def note(self, actions: list[ToolAction], moved: bool = False) -> None:
        for action in actions:
            match action:
                case SendOutput(call, output):
                    self.sent[call] += 1
                    if output == "x" and call in self.running:
                        self.results += 1
                    elif output == "x":
                        assert self.has_moved and self.results, "a result of nothing"
                        self.results -= 1
                    self.running.discard(call)
                    assert output == "x" or is_error(output)
                case RunTool(call):
                    assert call not in self.running, "a tool ran twice"
                    assert call not in self.sent
                    self.running.add(call)
                case CancelTool(call):
                    assert call in self.running
                case AskAnswer():
                    ready = self.complete() - self.answered
                    assert ready or moved, "nothing new to speak about"
                    self.answered |= ready
                case _:
                    pass

    def complete(self) -> set[int]:
        """Responses that ended, with calls, all of them with output."""
        return {
            response
            for response in self.ended
            if (own := {c for c in self.called if int(c) // 3 == response})
            and own <= self.sent.keys()
        }


@settings(max_examples=examples(600))
@given(STEPS)
def test_in_any_order_each_output_is_sent_once_and_each_response_answered_once(
    steps: list[tuple[str, int, Any]],
) -> None:
    history = History()
    for step in steps:
        history.step(*step)
    for number in range(2):
        history.step("ended", number, None)
    history.wait(120 * S_NS)
    assert history.sent == Counter(dict.fromkeys(history.called, 1))
    assert history.answered == history.complete()
    assert history.calls.pending() == []
    assert history.calls.next_timeout_ns() is None


def test_after_a_stop_outputs_are_sent_and_nobody_is_asked_to_speak_of_them(
    calls: ToolCalls,
) -> None:
    calls.called(ToolCalled("r", "i", "a", "plain", "{}"), "", "", 0)
    calls.on_fact(ResponseEnded("r", "completed"), 0)
    calls.stopped()
    actions = calls.finished("a", "1", True, S_NS)
    assert [type(action) for action in actions] == [SendOutput, TellTool]
    assert calls.tick(60 * S_NS) == [] and calls.next_timeout_ns() is None


def test_nothing_is_said_of_an_output_while_somebody_holds_the_button(calls: ToolCalls) -> None:
    calls.called(ToolCalled("r", "i", "a", "plain", "{}"), "", "", 0)
    calls.on_fact(ResponseEnded("r", "completed"), 0)
    calls.on_fact(AssistantChanged("listening"), S_NS)
    assert AskAnswer() not in calls.finished("a", "1", True, 2 * S_NS)
    calls.on_fact(AssistantChanged("idle"), 9 * S_NS)
    assert calls.tick(9 * S_NS) == [] and calls.next_timeout_ns() == 10 * S_NS
    assert calls.tick(10 * S_NS) == [AskAnswer()]


def test_an_answer_is_owed_to_a_call_only_until_it_is_stopped(calls: ToolCalls) -> None:
    calls.called(ToolCalled("r", "i", "a", "plain", "{}"), "", "", 0)
    assert calls.owes_answer
    calls.stopped()
    assert calls.pending() and not calls.owes_answer


def test_what_a_stopped_response_still_calls_is_not_spoken_of(calls: ToolCalls) -> None:
    calls.on_fact(ResponseStarted("r"), 0)
    calls.called(ToolCalled("r", "i", "a", "plain", "{}"), "", "", 0)
    calls.stopped()
    calls.called(ToolCalled("r", "j", "b", "plain", "{}"), "", "", 0)
    calls.on_fact(ResponseEnded("r", "cancelled"), 0)
    actions = [*calls.finished("a", "1", True, S_NS), *calls.finished("b", "1", True, S_NS)]
    assert len(outputs(actions)) == 2 and AskAnswer() not in actions
    assert calls.tick(60 * S_NS) == [] and calls.next_timeout_ns() is None
    calls.called(fact("c", response="r2"), "", "", 61 * S_NS)
    calls.on_fact(ResponseEnded("r2", "completed"), 61 * S_NS)
    assert AskAnswer() in calls.finished("c", "1", True, 62 * S_NS)


@pytest.mark.parametrize("is_late", [False, True])
def test_after_a_stop_a_question_to_the_room_still_counts(calls: ToolCalls, is_late: bool) -> None:
    calls.on_fact(ResponseStarted("r"), 0)
    if is_late:
        calls.stopped()
    calls.called(ToolCalled("r", "i", "a", "guarded", "{}"), "", "", 0)
    calls.on_fact(ResponseEnded("r", "completed"), 0)
    if not is_late:
        calls.stopped()
    calls.confirmed("a", True, "p", S_NS)
    assert AskAnswer() in calls.finished("a", "1", True, 2 * S_NS)
