"""The service wants to run one of its own MCP tools: the people in the room are asked."""

from __future__ import annotations

from typing import Any

import pytest

from mixer_core.runtime.room_rules import RoomRules
from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.facts import Fact, ItemAdded, ItemDone, SpeechStarted
from openai_link.room.approvals import MAX_OPEN, Answer, Approvals, Told
from openai_link.settings import OpenaiLinkSettings, ServiceMcpServer
from tests.openai_link.room.world import PARTICIPANT, Scene, Step, World, say, speak, until, wait

DOCS = ServiceMcpServer(url="http://127.0.0.1:1/")
CONFIRM_NS = 20 * S_NS


def wanted(request: str = "mcpr_1", **more: Any) -> ItemAdded:
    content = {
        "type": "mcp_approval_request",
        "id": request,
        "server_label": "docs",
        "name": "delete_all",
        "arguments": '{"where": "home"}',
        **more,
    }
    return ItemAdded(request, "", content)


def result(request: str = "mcpr_1", **more: Any) -> ItemDone:
    return ItemDone("item_2", {"type": "mcp_call", "approval_request_id": request, **more})


def asked(fact: Fact | None = None) -> tuple[Approvals, list[Answer | Told]]:
    approvals = Approvals(OpenaiLinkSettings())
    return approvals, approvals.on_fact(7, fact or wanted(), 0)


def statuses(actions: list[Answer | Told]) -> list[str]:
    return [action.event["status"] for action in actions if isinstance(action, Told)]


def answers(actions: list[Answer | Told]) -> list[Answer]:
    return [action for action in actions if isinstance(action, Answer)]


def test_the_room_is_asked_once_whatever_event_brings_the_request() -> None:
    approvals, actions = asked()
    (told,) = actions
    assert isinstance(told, Told)
    assert told.event == {
        "type": "tool",
        "name": "delete_all",
        "call": "mcpr_1",
        "status": "asking",
        "question": "delete all (where = home), at docs?",
        "timeout_ms": 20_000,
    }
    assert approvals.on_fact(7, ItemDone("mcpr_1", wanted().content), 1) == []
    _, actions = asked(ItemDone("mcpr_1", wanted().content))
    assert statuses(actions) == ["asking"]
    assert approvals.on_fact(7, SpeechStarted("item_9"), 2) == []


def test_what_is_told_of_a_request_later_is_asked_about_while_nobody_has_answered() -> None:
    approvals, (first,) = asked(wanted(arguments=""))
    assert isinstance(first, Told) and first.event["question"] == "delete all, at docs?"
    (told,) = approvals.on_fact(7, ItemDone("mcpr_1", wanted().content), 5_000_000_000)
    assert isinstance(told, Told) and told.event["status"] == "asking"
    assert told.event["question"] == "delete all (where = home), at docs?"
    assert told.event["timeout_ms"] == 15_000
    approvals.confirmed("mcpr_1", True, "p-1", 6_000_000_000)
    other = ItemDone("mcpr_1", wanted(arguments='{"where": "work"}').content)
    assert approvals.on_fact(7, other, 7_000_000_000) == []


def test_what_is_told_later_need_not_repeat_the_server() -> None:
    approvals, _ = asked(wanted(arguments=""))
    more = {"type": "mcp_approval_request", "arguments": '{"where": "home"}'}
    (told,) = approvals.on_fact(7, ItemDone("mcpr_1", more), 1)
    assert isinstance(told, Told)
    assert told.event["question"] == "delete all (where = home), at docs?"


def test_a_yes_runs_it_and_its_result_ends_it() -> None:
    approvals, _ = asked()
    actions = approvals.confirmed("mcpr_1", True, "p-1", 5)
    assert answers(actions) == [Answer(7, "mcpr_1", True)] and statuses(actions) == ["running"]
    assert approvals.confirmed("mcpr_1", False, "p-2", 6) == [], "the first answer counts"
    assert approvals.is_busy
    assert statuses(approvals.on_fact(7, result(output="{}"), 7)) == ["done"]
    assert not approvals.is_busy and approvals.next_timeout_ns() is None


def test_a_failure_is_told_in_the_tools_words() -> None:
    approvals, _ = asked()
    approvals.confirmed("mcpr_1", True, "p-1", 5)
    failed = result(error={"type": "tool_execution_error", "message": "No such place."})
    (told,) = approvals.on_fact(7, failed, 7)
    assert isinstance(told, Told)
    assert (told.event["status"], told.event["detail"]) == ("failed", "No such place.")


def test_a_no_or_silence_refuses_it_with_a_reason_for_the_model() -> None:
    approvals, _ = asked()
    actions = approvals.confirmed("mcpr_1", False, "p-1", 5)
    assert answers(actions) == [Answer(7, "mcpr_1", False, "somebody in the room said no")]
    assert statuses(actions) == ["refused"]
    approvals, _ = asked()
    assert approvals.next_timeout_ns() == CONFIRM_NS
    assert approvals.tick(CONFIRM_NS - 1) == []
    actions = approvals.tick(CONFIRM_NS)
    assert [one.approve for one in answers(actions)] == [False] and statuses(actions) == ["refused"]
    assert approvals.tick(2 * CONFIRM_NS) == []


def test_a_result_that_never_comes_is_told() -> None:
    approvals, _ = asked()
    approvals.confirmed("mcpr_1", True, "p-1", 0)
    assert statuses(approvals.tick(10_000 * MS_NS)) == ["timeout"]


def test_a_session_that_ends_takes_its_requests_along() -> None:
    approvals, _ = asked()
    assert approvals.session_over(6) == []
    assert statuses(approvals.session_over(7)) == ["failed"]
    assert approvals.confirmed("mcpr_1", True, "p-1", 5) == []


def test_too_many_questions_at_once_are_refused() -> None:
    approvals = Approvals(OpenaiLinkSettings())
    for number in range(MAX_OPEN):
        assert answers(approvals.on_fact(1, wanted(f"r{number}"), 0)) == []
    (refused,) = approvals.on_fact(1, wanted("one more"), 0)
    assert isinstance(refused, Answer) and not refused.approve


@pytest.mark.parametrize(
    ("arguments", "question"),
    [
        ("{}", "delete all, at docs?"),
        ("", "delete all, at docs?"),
        ("not JSON\nat all", "delete all (not JSON at all), at docs?"),
        ('["a"]', "delete all (['a']), at docs?"),
    ],
)
def test_a_question_shows_what_there_is(arguments: str, question: str) -> None:
    _, (told,) = asked(wanted(arguments=arguments))
    assert isinstance(told, Told) and told.event["question"] == question
    _, (told,) = asked(wanted(arguments='{"x": "' + "y" * 9_999 + '"}', name="n" * 999))
    assert isinstance(told, Told) and len(told.event["question"]) <= 300


def room(confirm: bool = True) -> World:
    server = ServiceMcpServer(url="http://127.0.0.1:1/", confirm=confirm)
    settings = {"service_mcp_servers": {"docs": server}}
    return World(Scene("docs", (wait(500), say("search for keys"), wait(1_500)), settings=settings))


def answer_from(world: World, allow: bool) -> None:
    (call,) = (event["call"] for event in world.of("tool") if event["status"] == "asking")
    event = {"type": "confirm", "call": call, "allow": allow, "participant": PARTICIPANT}
    world.do(world.engine.browser_event(event, world.now_ns))


@pytest.mark.parametrize("allow", [True, False])
def test_the_whole_room_answers_and_the_service_goes_on(allow: bool) -> None:
    world = room()
    world.run(2_500)
    assert [event["status"] for event in world.of("tool")] == ["asking"]
    answer_from(world, allow)
    world.scene = Scene("docs", (*world.scene.steps, until("idle")), settings=world.scene.settings)
    world.finish()
    ends = ["asking", "running", "done"] if allow else ["asking", "refused"]
    assert [event["status"] for event in world.of("tool")] == ends
    words = "I found keys." if allow else "Then I will not search."
    assert words in world.final_captions().values()
    (sent,) = [e for e in world.sent if e.get("item", {}).get("type") == "mcp_approval_response"]
    assert sent["item"]["approve"] is allow


def test_nobody_is_asked_where_the_settings_do_not_want_it() -> None:
    world = room(confirm=False)
    world.finish()
    assert world.of("tool") == []
    assert "I found keys." in world.final_captions().values()


def test_a_question_that_nobody_answers_does_not_hold_the_room_for_ever() -> None:
    world = room()
    world.run(25_000)
    world.finish()
    assert [event["status"] for event in world.of("tool")] == ["asking", "refused"]
    assert "Then I will not search." in world.final_captions().values()


@pytest.mark.parametrize(
    ("allow", "words"), [(True, "I found keys."), (False, "Then I will not search.")]
)
def test_what_people_say_before_their_answer_does_not_keep_the_service_from_going_on(
    allow: bool, words: str
) -> None:
    both = (Step("join", "p-1,p-2"), wait(300), say("search for keys"), wait(2_500))
    talk = (speak(800, "p-2"), wait(2_500))
    answer = Step("confirm" if allow else "deny")
    says = RoomRules(address="addressed", address_names=("Nova",))
    heard = ("Shall we let it?", "Well, then.")
    steps = (*both, *talk, answer, wait(4_000), *talk)
    scene = Scene("talk", steps, heard, settings={"service_mcp_servers": {"docs": DOCS}}, says=says)
    world = World(scene)
    world.finish()
    assert words in world.final_captions().values()
    assert not [event for event in world.sent if event["type"] == "response.cancel"]
