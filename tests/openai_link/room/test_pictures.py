"""Pictures that people show the assistant, from the engine to the server and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mixer_core.bus.picture_file import read_picture
from mixer_core.runtime.units import MS_NS
from openai_link.pictures import Picture
from openai_link.room.actions import Action, AnswerUpload
from openai_link.room.untaken import MAX_CAPTION_BYTES
from tests.openai_link.room import checks
from tests.openai_link.room.websocket_world import WebsocketWorld
from tests.openai_link.room.world import PARTICIPANT, Scene, Step, World, say, speak, until, wait
from tests.support.pictures import jpeg, png

Json = dict[str, Any]
JPEG = jpeg(1024, 768, 90_000)
SMALL = jpeg(96, 72, 900)
WORDS = "[picture: JPEG, 1024 × 768, 90 kB]"
NO_TYPE = {
    "code": "invalid_value",
    "message": "Invalid value: 'input_image'. Supported values are: 'input_text'.",
    "param": "item.content[1].type",
}
TOO_LARGE = {"code": "image_too_large", "message": "The image is too large.", "param": None}


def shown(text: str = "", data: bytes = JPEG, who: str = PARTICIPANT, **more: Any) -> Picture:
    name = {"p-1": "Ada", "p-2": "Ben"}[who]
    return Picture(data, read_picture(data), who, name, 7, text, **more)


class _Pictures(World):
    """A world whose server may refuse pictures, in its own words, or hang up."""

    def __init__(self, scene: Scene) -> None:
        self.answers: list[AnswerUpload] = []
        self.refusal: Json | None = None
        self.names_event = True
        self.hangs_up = 0
        """How many pictures end the session."""
        super().__init__(scene)

    def _do(self, action: Action) -> None:
        if isinstance(action, AnswerUpload):
            self.answers.append(action)
        super()._do(action)

    def _send(self, session: int, event: Mapping[str, Any]) -> None:
        if session in self.sessions and has_picture(event):
            if self.hangs_up:
                self.hangs_up -= 1
                self.sent.append(event)
                self.schedule(0, "lose", session)
                return
            if self.refusal is not None:
                self.sent.append(event)
                named = {"event_id": event["event_id"]} if self.names_event else {}
                self._sends(session, {"type": "error", "error": {**self.refusal, **named}})
                return
        super()._send(session, event)

    def exhibit(self, picture: Picture) -> None:
        self.do(self.engine.picture(f"u{len(self.answers)}", picture, self.now_ns))

    def answered(self) -> None:
        """To the end of the answer to what was shown."""
        self.run(3_000)
        self.finish()


class OverWebsocket(_Pictures, WebsocketWorld):
    """The same over a WebSocket."""


def has_picture(event: Mapping[str, Any]) -> bool:
    parts = event.get("item", {}).get("content", ())
    return any(part["type"] == "input_image" for part in parts)


def world_of(*steps: Step, kind: type[_Pictures] = _Pictures, **keys: Any) -> _Pictures:
    world = kind(Scene("pictures", (wait(300), *steps), **keys))
    world.finish()
    return world


def all_is_well(world: World) -> None:
    """As ``check_all``; a session that saw a picture was not told the words that stand for it."""
    world.ask(checks.LAST)
    for check in (
        checks.the_room_talks_again,
        checks.nothing_final_is_missing_or_doubled,
        checks.lines_stand_in_the_order_of_the_record,
        checks.the_session_knows_what_it_said,
        checks.the_money_is_counted_once,
        checks.nothing_was_refused,
        checks.nobody_waits_for_a_reply,
    ):
        check(world)
    checks.browsers_end_in_a_true_state(world, "ready")


def pictures_sent(world: World) -> list[Mapping[str, Any]]:
    return [event for event in world.sent if has_picture(event)]


def replies(world: World) -> list[str]:
    return [item.text for item in checks.messages(world) if item.role == "assistant"]


@pytest.mark.parametrize("kind", [_Pictures, OverWebsocket])
def test_a_picture_is_answered_like_typed_text(kind: type[_Pictures]) -> None:
    world = world_of(kind=kind)
    world.exhibit(shown("What is this?", thumbnail=SMALL))
    world.answered()
    assert world.answers == [AnswerUpload("u0", 202)]
    (event,) = pictures_sent(world)
    text, image = event["item"]["content"]
    assert text == {"type": "input_text", "text": "What is this?"}
    assert image["image_url"].startswith("data:image/jpeg;base64,/9j/")
    assert "detail" not in image
    (caption,) = [e for e in world.of("caption") if e["speaker"] == PARTICIPANT]
    assert caption["text"] == f"{WORDS} What is this?"
    assert (caption["name"], caption["final"]) == ("Ada", True)
    assert caption["picture"] == {
        "media_type": "image/jpeg",
        "width_px": 1024,
        "height_px": 768,
        "size_bytes": 90_000,
    }
    assert caption["thumbnail"] == SMALL
    question, answer = checks.messages(world)
    assert (question.text, question.name, question.final) == (f"{WORDS} What is this?", "Ada", True)
    assert (question.participant, question.role) == (PARTICIPANT, "user")
    assert answer.text == "You said: What is this?"
    usage = world.journal.usage()[-1]
    assert usage.tokens.image_in > 0 and usage.shares == ((PARTICIPANT, "Ada", 1.0),)
    all_is_well(world)


def test_a_picture_without_words_and_with_detail() -> None:
    world = world_of(settings={"image_detail": "high"})
    world.exhibit(shown(data=png(30, 20)))
    world.answered()
    (event,) = pictures_sent(world)
    (image,) = event["item"]["content"]
    assert image["detail"] == "high" and image["image_url"].startswith("data:image/png;base64,")
    question, answer = checks.messages(world)
    assert (question.text, question.final) == ("[picture: PNG, 30 × 20, 1 kB]", True)
    assert answer.role == "assistant"
    all_is_well(world)


def test_nothing_is_asked_before_the_server_has_taken_it() -> None:
    world = world_of()
    world.exhibit(shown("Look"))
    assert [e["type"] for e in world.sent][-1] == "conversation.item.create"
    world.answered()
    assert [e["type"] for e in world.sent].count("response.create") == 1


class _Slow(_Pictures):
    """Its server takes pictures a second after they came."""

    def _send(self, session: int, event: Mapping[str, Any]) -> None:
        if has_picture(event):
            self.schedule(1_000 * MS_NS, "_send_now", session, event)
        else:
            super()._send(session, event)

    def _send_now(self, session: int, event: Mapping[str, Any]) -> None:
        super()._send(session, event)


def test_nobody_waits_for_an_answer_to_a_picture_that_was_taken_after_a_stop() -> None:
    world = world_of(kind=_Slow)
    world.exhibit(shown("What is this?"))
    world.run(300)
    world.browser(type="interrupt")
    world.run(3_000)
    assert len(pictures_sent(world)) == 1
    world.lose_all()
    world.answered()
    assert world.opened == 2 and replies(world) == []
    assert "response.create" not in {event["type"] for event in world.sent}


def test_a_picture_that_was_stopped_is_shown_to_the_next_session_without_an_answer() -> None:
    world = world_of(kind=_Slow)
    world.exhibit(shown("What is this?"))
    world.run(300)
    world.browser(type="interrupt")
    world.lose_all()
    world.answered()
    assert world.opened == 2 and len(pictures_sent(world)) == 1
    assert [item.text for item in checks.messages(world)] == [f"{WORDS} What is this?"]
    assert "response.create" not in {event["type"] for event in world.sent}
    world.exhibit(shown("And this?"))
    world.answered()
    assert replies(world) == ["You said: And this?"]


def test_of_a_picture_that_was_stopped_the_words_that_are_left_have_no_answer() -> None:
    world = world_of()
    world.hangs_up = 2
    world.exhibit(shown("What is this?"))
    world.browser(type="interrupt")
    world.answered()
    assert [event["code"] for event in world.of("error")] == ["picture_refused"]
    assert [(item.name, item.text) for item in checks.messages(world)] == [("Ada", "What is this?")]
    assert "response.create" not in {event["type"] for event in world.sent}


def test_of_a_picture_that_is_refused_after_a_stop_the_words_have_no_answer_either() -> None:
    world = world_of(kind=_Slow)
    world.refusal = NO_TYPE
    world.exhibit(shown("What is this?"))
    world.run(300)
    world.browser(type="interrupt")
    world.answered()
    assert [event["code"] for event in world.of("error")] == ["pictures_refused"]
    assert [(item.name, item.text) for item in checks.messages(world)] == [("Ada", "What is this?")]
    assert "response.create" not in {event["type"] for event in world.sent}


def test_what_is_typed_right_behind_it_is_one_answer_for_both() -> None:
    world = world_of()
    world.exhibit(shown("Look"))
    world.browser(type="say", text="What is it?")
    world.answered()
    assert replies(world) == ["You said: What is it?"]
    all_is_well(world)


def test_pictures_and_words_stand_in_the_order_in_which_they_came() -> None:
    world = world_of(say("One"), until("speaking"), until("idle", 20_000))
    world.exhibit(shown("Two", who="p-2"))
    world.answered()
    world.ask("Three")
    said = [(i.name, i.text) for i in checks.messages(world) if i.role == "user"]
    assert said == [("Ada", "One"), ("Ben", f"{WORDS} Two"), ("Ada", "Three")]


def test_the_thumbnail_is_left_out_where_a_frame_has_no_room_for_it() -> None:
    world = world_of()
    text = "ä" * 2_000
    world.exhibit(shown(text, thumbnail=jpeg(96, 72, MAX_CAPTION_BYTES - 4_000)))
    world.answered()
    (caption,) = [e for e in world.of("caption") if e["speaker"] == PARTICIPANT]
    assert (
        caption["text"] == f"{WORDS} {text}" and "thumbnail" not in caption and caption["picture"]
    )


def test_a_server_that_forgets_to_acknowledge_is_asked_after_three_seconds() -> None:
    world = world_of()
    world._sends = lambda session, event: (  # type: ignore[method-assign]
        None
        if event["type"].startswith("conversation.item.") and has_picture(event)
        else world.inputs.append((session, event))
    )
    world.exhibit(shown("Look"))
    world.run(500)  # Something else is heard of the server meanwhile.
    world.inputs.append((1, {"type": "rate_limits.updated", "rate_limits": []}))
    world.run(4_000)
    world.finish()
    assert replies(world) == ["You said: Look"]


# -- where it cannot be shown ----------------------------------------------------------------------


def test_off_is_off() -> None:
    world = world_of(settings={"images": False})
    world.exhibit(shown("Look"))
    (answer,) = world.answers
    assert answer.status == 403 and not pictures_sent(world)
    assert world.state["images"] is False


def test_without_a_session_it_is_refused_at_once() -> None:
    world = world_of()
    world.lose_all()
    world.exhibit(shown("Look"))
    (answer,) = world.answers
    assert answer.status == 503
    world.finish()
    assert not pictures_sent(world)


@pytest.mark.parametrize("kind", [_Pictures, OverWebsocket])
@pytest.mark.parametrize("names_event", [True, False])
@pytest.mark.parametrize(
    "refusal",
    [
        NO_TYPE,
        {"code": "unknown_parameter", "message": "Unknown", "param": "item.content[1].image_url"},
        {"code": "bad_request", "message": "This model does not support image inputs."},
        {"code": "x", "message": "Image input is not available for gpt-4o-realtime-preview"},
        {"type": "invalid_request_error", "message": "input_image: text-only model"},
    ],
)
def test_a_model_without_pictures_is_told_of_once(
    refusal: Json, names_event: bool, kind: type[_Pictures]
) -> None:
    world = world_of(kind=kind)
    world.refusal, world.names_event = refusal, names_event
    world.exhibit(shown("What is this?"))
    world.answered()
    world.exhibit(shown("And this?"))
    world.answered()
    assert [answer.status for answer in world.answers] == [202, 409]
    (told,) = world.of("error")
    assert told["code"] == "pictures_refused" and refusal["message"][:300] in told["message"]
    assert world.state["images"] is False
    assert len(pictures_sent(world)) == 1 and world.opened == 1
    assert replies(world) == ["You said: What is this?"], "what was typed with it is answered"
    world.refusal = None
    world.ask("Still there?")
    assert replies(world)[-1] == "You said: Still there?"
    checks.nobody_waits_for_a_reply(world)


@pytest.mark.parametrize(
    "refusal",
    [
        TOO_LARGE,
        {"code": "invalid_value", "message": "Not an image", "param": "item.content[0].image_url"},
        {"code": "unsupported_image", "message": "Unsupported image format."},
        {"code": "content_policy", "message": "The image is not allowed by our safety policy."},
        {"code": "message_too_large", "message": "Cannot send message of 300000 bytes"},
    ],
)
def test_one_picture_may_be_refused(refusal: Json) -> None:
    world = world_of()
    world.refusal = refusal
    world.exhibit(shown())
    world.answered()
    (told,) = world.of("error")
    assert told["code"] == "picture_refused" and refusal["message"] in told["message"]
    assert not replies(world) and not checks.messages(world)
    assert world.state["images"] is True
    world.refusal = None
    world.exhibit(shown("This one?"))
    world.answered()
    assert replies(world) == ["You said: This one?"]
    assert [answer.status for answer in world.answers] == [202, 202]


@pytest.mark.parametrize("kind", [_Pictures, OverWebsocket])
@pytest.mark.parametrize("refusal", [TOO_LARGE, NO_TYPE])
def test_pictures_of_two_that_are_refused_without_their_names_leave_no_line(
    refusal: Json, kind: type[_Pictures]
) -> None:
    world = world_of(kind=kind)
    world.refusal, world.names_event = refusal, False
    world.exhibit(shown("Ada's"))
    world.exhibit(shown("Ben's", png(20, 10), who="p-2"))
    world.answered()
    world.run(6_000)  # What is not refused counts as taken by now.
    world.finish()
    said = [(i.name, i.text) for i in checks.messages(world) if i.role == "user"]
    assert said == [("Ada", "Ada's"), ("Ben", "Ben's")]
    assert set(world.journal.items()) >= {i.item for i in checks.messages(world)}


def test_a_server_that_took_one_does_not_count_as_blind() -> None:
    world = world_of()
    world.exhibit(shown("One"))
    world.answered()
    world.refusal = NO_TYPE
    world.exhibit(shown("Two"))
    world.answered()
    assert world.of("error")[0]["code"] == "picture_refused"
    assert world.state["images"] is True


def test_that_a_server_takes_no_pictures_is_told_once() -> None:
    world = world_of()
    world.refusal = NO_TYPE
    for words in ("What is this?", "And this?"):
        world.exhibit(shown(words))
    world.answered()
    (told,) = world.of("error")
    assert told["code"] == "pictures_refused"
    said = [item.text for item in checks.messages(world) if item.role == "user"]
    assert said == ["What is this?", "And this?"]


@pytest.mark.parametrize("kind", [_Pictures, OverWebsocket])
def test_a_refusal_that_says_nothing_costs_the_picture_and_not_the_answer_to_a_text(
    kind: type[_Pictures],
) -> None:
    world = world_of(kind=kind)
    world.refusal, world.names_event = {"code": "invalid_request_error", "message": ""}, False
    world.exhibit(shown())
    world.browser(type="say", text="Are you there?")
    world.answered()
    (told,) = world.of("error")
    assert told["code"] == "picture_refused"
    assert replies(world) == ["You said: Are you there?"]
    all_is_well(world)


def test_the_simulator_without_pictures_refuses_as_models_do() -> None:
    world = world_of(options={"takes_images": False})
    world.exhibit(shown("What is this?"))
    world.answered()
    (told,) = world.of("error")
    assert told["code"] == "pictures_refused" and replies(world) == ["You said: What is this?"]


# -- losses and rollovers --------------------------------------------------------------------------


def test_a_picture_that_was_not_taken_is_shown_again_and_answered() -> None:
    world = world_of()
    world.hangs_up = 1
    world.exhibit(shown("What is this?"))
    world.answered()
    assert len(pictures_sent(world)) == 2 and world.opened == 2
    assert replies(world) == ["You said: What is this?"]
    (caption,) = [e for e in world.of("caption") if e["speaker"] == PARTICIPANT]
    assert caption["picture"]["size_bytes"] == 90_000
    assert checks.messages(world)[0].text == f"{WORDS} What is this?"


@pytest.mark.parametrize("text", ["", "What is this?"])
def test_a_picture_that_ends_every_session_is_given_up(text: str) -> None:
    world = world_of()
    world.hangs_up = 9
    world.exhibit(shown(text))
    world.answered()
    world.ask("Still there?")
    assert len(pictures_sent(world)) == 2 and world.opened == 3
    (told,) = [event for event in world.of("error") if event["code"] == "picture_refused"]
    assert "smaller" in told["message"]
    answered = [f"You said: {text}"] if text else []
    assert replies(world) == [*answered, "You said: Still there?"]
    checks.nobody_waits_for_a_reply(world)


def test_a_new_session_sees_recent_pictures_again() -> None:
    world = world_of()
    world.exhibit(shown("What is this?"))
    world.answered()
    world.lose_all()
    world.ask("And now?")
    first, again = pictures_sent(world)
    assert again["item"]["content"][1] == first["item"]["content"][1]
    assert again["item"]["content"][0]["text"] == f"{WORDS} What is this?"
    assert next(i.text for i in checks.messages(world)) == f"{WORDS} What is this?"
    all_is_well(world)


def test_older_pictures_are_told_of_in_words() -> None:
    world = world_of(settings={"image_keep_s": 60})
    world.exhibit(shown("What is this?"))
    world.answered()
    world.run(61_000)
    world.lose_all()
    world.ask("And now?")
    assert len(pictures_sent(world)) == 1
    seeded = [e["item"]["content"][0].get("text") for e in world.sent if "item" in e]
    assert f"{WORDS} What is this?" in seeded


def test_only_the_newest_pictures_are_kept_within_their_bytes() -> None:
    world = world_of(settings={"image_max_bytes": 50_000})
    for size in (20_000, 45_000, 40_000, 60_000):
        world.exhibit(shown(f"{size}", jpeg(10, 10, size)))
        world.answered()
    before = len(pictures_sent(world))
    world.lose_all()
    world.answered()
    texts = [e["item"]["content"][0]["text"] for e in pictures_sent(world)[before:]]
    assert [text.rpartition(" ")[2] for text in texts] == ["40000", "60000"]


def test_a_picture_that_ends_new_sessions_is_told_of_in_words_in_the_end() -> None:
    world = world_of()
    world.exhibit(shown("What is this?"))
    world.answered()
    world.hangs_up = 9
    world.lose_all()
    world.answered()
    world.ask("And now?")
    assert len(pictures_sent(world)) == 3 and replies(world)[-1] == "You said: And now?"


def test_a_new_server_that_refuses_pictures_gets_words_in_their_place() -> None:
    world = world_of(say("Zero"), until("speaking"), until("idle", 20_000))
    world.exhibit(shown("One"))
    world.answered()
    world.ask("Two")
    world.refusal = NO_TYPE
    world.lose_all()
    world.ask("Three")
    engine = next(iter(world.sessions.values())).engine
    people = [item.text for item in engine.conversation.items if item.role == "user"]
    assert people == ["Zero", f"{WORDS} One", "Two", "Three"]
    assert not world.of("error"), "history that is told in words is no problem"


def test_a_rollover_shows_the_next_session_the_picture() -> None:
    scene = Scene("rollover", (wait(300), speak(600)), heard=("Hello.",), session_limit_s=150.0)
    world = _Pictures(scene)
    world.finish()
    world.exhibit(shown("What is this?"))
    world.answered()
    world.run(120_000)
    world.ask("And now?")
    assert world.opened > 1 and len(pictures_sent(world)) >= 2
    all_is_well(world)


@pytest.mark.parametrize("after", range(1, 40))
def test_a_loss_after_any_event_loses_no_picture(after: int) -> None:
    """Once the server has told of the picture, or the next one has."""
    world = _Pictures(Scene("lost", (wait(300),)))
    world.run(1_000)
    world.exhibit(shown("What is this?"))
    world.lose_after = (world.events + after,)
    world.answered()
    said = [item.text for item in checks.messages(world) if item.role == "user"]
    assert said == [f"{WORDS} What is this?"]
    assert replies(world)
    checks.nobody_waits_for_a_reply(world)
    checks.browsers_end_in_a_true_state(world, "ready")
