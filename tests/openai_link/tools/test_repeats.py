"""What was done for a request is not done again when its answer is lost with the session."""

from __future__ import annotations

from mixer_core.runtime.units import S_NS
from openai_link.facts import ResponseEnded
from openai_link.tools.actions import RunTool, SendOutput, ToolAction
from openai_link.tools.calls import ToolCalls
from openai_link.tools.outputs import is_error
from tests.openai_link.tools.test_calls import book, fact

DONE = '{"result": "done"}'


def called(calls: ToolCalls, call: str, arguments: str = '{"x": 1}') -> list[ToolAction]:
    return calls.called(fact(call, response=f"r of {call}", arguments=arguments), "", "", S_NS)


def lost_after(calls: ToolCalls, *answered: str) -> None:
    """Calls are made and answered; the session is lost before anybody hears of it."""
    for call in answered:
        called(calls, call)
        calls.finished(call, DONE, True, S_NS)
        calls.on_fact(ResponseEnded(f"r of {call}", "completed"), S_NS)
    calls.moved(2 * S_NS)


def runs(actions: list[ToolAction]) -> bool:
    return any(isinstance(action, RunTool) for action in actions)


def output(actions: list[ToolAction]) -> str:
    (sent,) = (action.output for action in actions if isinstance(action, SendOutput))
    return sent


def test_a_call_that_was_made_before_the_loss_has_its_output_and_does_not_run() -> None:
    calls = ToolCalls(book())
    lost_after(calls, "a")
    again = called(calls, "b", '{ "x" : 1 }')
    assert (runs(again), output(again)) == (False, DONE)
    assert not calls.pending()


def test_each_call_stands_in_for_one() -> None:
    calls = ToolCalls(book())
    lost_after(calls, "a", "b")
    assert [runs(called(calls, call)) for call in "cde"] == [False, False, True]


def test_other_arguments_are_another_call() -> None:
    calls = ToolCalls(book())
    lost_after(calls, "a")
    assert runs(called(calls, "b", '{"x": 2}'))


def test_what_still_runs_is_not_begun_again() -> None:
    calls = ToolCalls(book())
    called(calls, "a")
    calls.moved(2 * S_NS)
    again = called(calls, "b")
    assert not runs(again)
    assert is_error(output(again))
    assert [pending.call for pending in calls.pending()] == ["a"]


def test_within_a_session_a_model_may_call_twice() -> None:
    calls = ToolCalls(book())
    called(calls, "a")
    assert runs(called(calls, "b"))


def test_once_people_have_their_answers_a_call_is_a_new_one() -> None:
    calls = ToolCalls(book())
    lost_after(calls, "a")
    calls.answers_given()
    assert not runs(called(calls, "b"))  # The answer about it was not given yet.
    calls.on_fact(ResponseEnded("r of b", "completed"), 3 * S_NS)
    calls.on_fact(ResponseEnded("answer", "completed"), 3 * S_NS)
    calls.answers_given()
    assert runs(called(calls, "c"))


def test_what_the_old_session_still_answers_is_no_loss() -> None:
    calls = ToolCalls(book())
    called(calls, "a")
    calls.finished("a", DONE, True, S_NS)
    calls.moved(2 * S_NS, is_answering=True)
    assert runs(called(calls, "b"))
