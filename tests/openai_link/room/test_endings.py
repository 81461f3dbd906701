"""Every end is told: one notice in words, one line in the log, the caption marked; then on."""

from __future__ import annotations

import re
from typing import Any

import pytest

from openai_link.simulator.brains.rules import Rule
from openai_link.simulator.engine.brain import Recognition
from tests.openai_link.room import checks
from tests.openai_link.room.scenes import ANSWERED
from tests.openai_link.room.test_websocket import WebsocketWorld
from tests.openai_link.room.world import Scene, World, say, speak, until, wait

SENTENCE = "This sentence is stopped before it becomes any worse than it already is today."
KINDS = (World, WebsocketWorld)


def rule(**keys: Any) -> Rule:
    return Rule(match=re.compile("odd"), say=(SENTENCE,), **keys)


def world_of(kind: type[World], *rules: Rule, **keys: Any) -> World:
    steps = (wait(300), say("Something odd."), wait(5_000))
    return kind(Scene("odd end", steps, rules=rules, **keys))


def notices(world: World) -> list[tuple[str, str]]:
    return [(event["code"], event["message"]) for event in world.of("error")]


def warnings(world: World) -> list[str]:
    return [text for level, text in world.logs if level == "warning"]


def marked(world: World) -> dict[str, str]:
    """Lines that are marked: how, by their words."""
    return {e["text"]: e["cut"] for e in world.of("caption") if "cut" in e}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize(
    ("reason", "words"),
    [("content_filter", "content filter"), ("max_output_tokens", "greatest length")],
)
def test_an_answer_that_is_cut_off_is_told_and_marked(
    kind: type[World], reason: str, words: str, share: float
) -> None:
    world = world_of(kind, rule(incomplete=reason, share=share))
    world.finish()
    ((code, message),) = notices(world)
    assert code == reason and words in message
    assert len(warnings(world)) == 1 and reason in warnings(world)[0]
    ((text, cut),) = marked(world).items()
    assert cut == reason and SENTENCE.startswith(text) and 0 < len(text) < len(SENTENCE)
    (item,) = [item for item in checks.messages(world) if item.role == "assistant"]
    assert (item.text, item.failure, item.final) == (text, reason, True)
    (usage,) = world.journal.usage()
    assert usage.status == "incomplete"
    checks.check_all(world)


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_of_which_nothing_is_said_is_told_too(kind: type[World]) -> None:
    world = world_of(kind, rule(incomplete="content_filter", share=0.0))
    world.finish()
    assert [code for code, _ in notices(world)] == ["content_filter"]
    assert len(warnings(world)) == 1 and not marked(world)
    assert world.state["assistant"] == "idle"
    checks.conclude(world)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", ["server_error", "rate_limit_exceeded", "a_code_of_tomorrow"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_failed_answer_is_told_once(kind: type[World], code: str, share: float) -> None:
    world = world_of(kind, rule(fail=code, message="Something broke.", share=share))
    world.finish()
    ((told, message),) = notices(world)
    assert told == code and "could not answer" in message and "Something broke." in message
    assert len(warnings(world)) == 1
    assert list(marked(world).values()) == (["failed"] if share else [])
    checks.conclude(world)


def test_a_failure_that_ends_the_session_is_told_by_the_rooms_state_alone() -> None:
    world = world_of(World, rule(fail="insufficient_quota", message="No credit.", share=0.5))
    world.run(8_000)
    assert world.state["upstream"] == "failed" and world.state["code"] == "insufficient_quota"
    assert notices(world) == [] or {code for code, _ in notices(world)} == {"insufficient_quota"}
    assert list(marked(world).values()) == ["failed"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_written_answer_in_a_voice_session_is_told(kind: type[World]) -> None:
    world = world_of(kind, rule(text_only=True))
    world.finish()
    ((code, message),) = notices(world)
    assert code == "written_answer" and "nothing to hear" in message
    assert len(warnings(world)) == 1
    assert marked(world) == {SENTENCE: "written"}
    finals = [e for e in world.of("caption") if e["final"] and e["speaker"] == "assistant"]
    assert [(e["text"], e.get("cut")) for e in finals] == [(SENTENCE, None), (SENTENCE, "written")]
    assert len({e["item"] for e in finals}) == 1, "the same line, when its end is known"
    (item,) = [item for item in checks.messages(world) if item.role == "assistant"]
    assert (item.text, item.failure) == (SENTENCE, ""), "nothing is missing"
    checks.check_all(world)


def test_written_answers_are_no_surprise_where_they_were_asked_for() -> None:
    world = world_of(World, settings={"output": "text"})
    world.finish()
    assert notices(world) == [] and not marked(world)
    finals = [e for e in world.of("caption") if e["final"] and e["speaker"] == "assistant"]
    assert len(finals) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_speech_that_cannot_be_written_down_is_told_and_marked(kind: type[World]) -> None:
    steps = (wait(300), speak(800), *ANSWERED, wait(1_000), speak(800), *ANSWERED)
    words = (Recognition("Mumble.", "failed"), Recognition("Good morning."))
    world = kind(Scene("mumble", steps, words=words))
    world.finish()
    ((code, message),) = notices(world)
    assert code == "transcription_failed" and "audio_unintelligible" in message
    assert len(warnings(world)) == 1
    assert marked(world) == {"": "not_transcribed"}
    (item,) = [item for item in checks.messages(world) if item.failure]
    assert item.role == "user" and item.final and "audio_unintelligible" in item.failure
    assert "Good morning." in world.final_captions().values(), "the next turn works"
    checks.conclude(world)


class Altered(World):
    """The first end of a response that the server tells is another one."""

    change: dict[str, Any]

    def _receive(self, session: int, event: dict[str, Any]) -> None:
        if event["type"] == "response.done" and self.change:
            event["response"] |= self.change
            self.change = {}
        super()._receive(session, event)


def altered(**change: Any) -> Altered:
    world = Altered(
        Scene("altered", (wait(300), say("Something odd."), wait(5_000)), rules=(rule(),))
    )
    world.change = change
    world.finish()
    return world


@pytest.mark.parametrize(
    ("change", "code", "words", "cut"),
    [
        (
            {"status": "incomplete", "status_details": {"reason": "moods"}},
            "moods",
            "moods",
            "incomplete",
        ),
        ({"status": "incomplete", "status_details": None}, "incomplete", "no reason", "incomplete"),
        ({"status": "incomplete", "status_details": "x"}, "incomplete", "no reason", "incomplete"),
        ({"status": "evaporated"}, "unknown_end", "evaporated", "incomplete"),
        ({"status": "failed"}, "response_failed", "no reason", "failed"),
        (
            {"status": "failed", "status_details": {"error": {"message": "Oh."}}},
            "response_failed",
            "Oh.",
            "failed",
        ),
        (
            {"status": "failed", "status_details": {"error": {"type": "server_error"}}},
            "server_error",
            "no reason",
            "failed",
        ),
        *(
            ({"status": "failed", **change}, code, "Oh.", "failed")
            for change, code in (
                ({"status_details": "Oh."}, "response_failed"),
                ({"status_details": [{"error": {"message": "Oh."}}]}, "response_failed"),
                ({"status_details": {"error": "Oh."}}, "response_failed"),
                ({"status_details": {"error": {"code": 500, "message": "Oh."}}}, "response_failed"),
                ({"status_details": {"code": "broken", "message": "Oh."}}, "broken"),
                ({"status_details": None, "error": {"code": "x", "message": "Oh."}}, "x"),
            )
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            "content_filter",
            "content filter",
            "content_filter",
        ),
        (
            {"status": "incomplete", "status_details": "content_filter"},
            "content_filter",
            "content filter",
            "content_filter",
        ),
        (
            {"status": "cancelled", "status_details": {"reason": "content_filter"}},
            "cancelled",
            "content_filter",
            "cancelled",
        ),
    ],
)
def test_ends_that_nobody_has_seen_yet_are_told_too(
    change: dict[str, Any], code: str, words: str, cut: str
) -> None:
    world = altered(**change)
    ((told, message),) = notices(world)
    assert told == code and words in message
    assert len(warnings(world)) == 1
    assert list(marked(world).values()) == [cut]
    checks.conclude(world)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "completed"},
        {"status": None},
        {"status": "Completed"},
        {"status": "canceled"},
        {"status": "cancelled", "status_details": {"reason": "turn_detected"}},
        {"status": "cancelled", "status_details": None},
    ],
)
def test_ordinary_ends_are_not_told(change: dict[str, Any]) -> None:
    world = altered(**change)
    assert notices(world) == [] and warnings(world) == [] and not marked(world)


def test_long_words_of_a_server_are_bounded() -> None:
    details = {"error": {"code": "long\ncode", "message": "word " * 1_000}}
    world = altered(status="failed", status_details=details)
    ((code, message),) = notices(world)
    assert code == "long code" and len(message) < 700 and "\n" not in message


def test_codes_of_a_server_are_bounded_and_printable() -> None:
    details = {"error": {"code": "c\0\u202e" * 3_000, "message": "\x1b[0mOh\ud800."}}
    world = altered(status="failed", status_details=details)
    ((code, message),) = notices(world)
    assert len(code) <= 64 and code.isprintable() and message.isprintable()


class Emptied(WebsocketWorld):
    """Of the first answer only its beginning and its end come."""

    output: list[dict[str, Any]]
    is_over = False

    def _receive(self, session: int, event: dict[str, Any]) -> None:
        kind, item = event["type"], event.get("item") or {}
        if kind == "response.done" and not self.is_over:
            self.is_over = True
            event["response"]["output"] = self.output
        is_of_answer = kind.startswith("response.") or item.get("role") == "assistant"
        if is_of_answer and not self.is_over and kind != "response.created":
            return
        super()._receive(session, event)


@pytest.mark.parametrize(
    "output", [[], [{"id": "item_x", "type": "message", "role": "assistant", "content": []}]]
)
def test_an_answer_with_nothing_in_it_is_told(output: list[dict[str, Any]]) -> None:
    world = Emptied(Scene("empty", (wait(300), say("Something odd."), wait(5_000))))
    world.output = output
    world.finish()
    assert [code for code, _ in notices(world)] == ["empty_answer"]
    assert len(warnings(world)) == 1 and world.state["assistant"] == "idle"
    checks.conclude(world)


class Called(World):
    """The server lists no calls at the end of a response, and sends them in full before."""

    def _receive(self, session: int, event: dict[str, Any]) -> None:
        if event["type"] == "response.done":
            event["response"]["output"] = []
        super()._receive(session, event)


def test_calls_and_answers_that_the_end_does_not_list_are_not_nothing() -> None:
    steps = (wait(300), say("call tool_1"), *ANSWERED, wait(3_000))
    world = Called(Scene("called", steps, tools=("tool_1",)))
    world.finish()
    assert notices(world) == [] and len(world.ran) == 1


def test_each_answer_is_told_of_once_however_often_its_end_comes() -> None:
    steps = (wait(300), say("Something odd."), until("speaking"), until("idle"), wait(500))
    world = World(Scene("twice", steps, rules=(rule(incomplete="content_filter"),)))
    receive = world._receive

    def doubled(session: int, event: dict[str, Any]) -> None:
        receive(session, event)
        if event["type"] == "response.done":
            receive(session, {**event, "event_id": "event_again"})

    world._receive = doubled  # type: ignore[method-assign]
    world.finish()
    assert len(notices(world)) == 1 and len(warnings(world)) == 1


@pytest.mark.parametrize("label", ["wiki", ""])
def test_tools_that_the_server_cannot_list_are_named_once(label: str) -> None:
    world = World(Scene("tools", (wait(300), say("Hello."), *ANSWERED)))
    world.run(200)
    item = {"id": "mcpl_1", "type": "mcp_list_tools", "server_label": label, "tools": []}
    for event in (
        {"type": "conversation.item.added", "item": item},
        {"type": "mcp_list_tools.in_progress", "item_id": "mcpl_1"},
        {"type": "mcp_list_tools.failed", "item_id": "mcpl_1"},
        {"type": "mcp_list_tools.failed", "item_id": "mcpl_1"},
    ):
        world.do(world.engine.server_event(1, event, world.now_ns))
    world.run(600)
    ((code, message),) = notices(world)
    assert code == "tools_missing" and (label or "an MCP server") in message
    assert len(warnings(world)) == 1
    checks.check_all(world)
