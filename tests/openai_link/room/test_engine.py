"""What people do in a room, and what the server, the page and the journal get of it."""

from __future__ import annotations

from typing import Any

import pytest

from mixer_core.journal.records import ClosedRecord, SessionRecord
from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.units import MS_NS
from openai_link.playback.truncation import Truncation
from openai_link.room.actions import TellBrowsers, WriteJournal
from openai_link.room.record import RoomRecord
from openai_link.settings import OpenaiLinkSettings
from tests.openai_link.room import checks
from tests.openai_link.room.scenes import ANSWERED, PRESS, RELEASE
from tests.openai_link.room.world import (
    BUSY,
    PARTICIPANT,
    Scene,
    Step,
    World,
    say,
    speak,
    until,
    wait,
)
from tests.openai_link.simulator.support import LOUD

STORY = ("Tell me a story.", "Thank you.")
PTT = {"turn_detection": "push_to_talk"}


def world_of(*steps: Step, **keys: Any) -> World:
    return World(Scene("any", (wait(300), *steps), **keys))


def sent(world: World, kind: str) -> list[Any]:
    return [event for event in world.sent if event["type"] == kind]


@pytest.mark.parametrize("page_ms", [40, 85, 130, 222, 300])
@pytest.mark.parametrize(("talk_ms", "deaf"), [(600, ()), (2_220, ()), (600, ("p-2",))])
def test_a_barge_in_ends_the_item_where_the_page_was(
    page_ms: int, talk_ms: int, deaf: tuple[str, ...]
) -> None:
    """``deaf``: another device in the same place, which is sent no sound and reports nothing."""
    steps = (speak(800), until("speaking"), wait(talk_ms), speak(800), *ANSWERED)
    world = world_of(*steps, heard=STORY)
    world.page_ns = page_ms * MS_NS
    world.deaf = deaf
    world.roster(PARTICIPANT)
    world.finish()
    (flush_ns,) = world.flushes
    played_ms = world.played_ms(flush_ns + 15 * MS_NS)
    truncated = sent(world, "conversation.item.truncate")[-1]
    assert abs(truncated["audio_end_ms"] - played_ms) <= 20
    (item,) = [item for item in checks.messages(world) if item.heard_ms is not None]
    assert item.heard_ms == truncated["audio_end_ms"]
    assert world.final_captions()[item.item] == item.text != ""
    checks.check_all(world)


@pytest.mark.parametrize("epoch", [65_535, 700])
def test_the_epoch_of_the_mixer_goes_on_and_wraps_around(epoch: int) -> None:
    world = world_of(speak(800), until("speaking"), wait(1_500), speak(800), *ANSWERED, heard=STORY)
    world.run(100)
    for number in (epoch // 3, 2 * epoch // 3, epoch, epoch - 3):  # The last one is late.
        world.engine.mixer_epoch(number)
    world.epoch = epoch
    world.finish()
    assert world.epoch == world.engine.epoch == (epoch + 1) & 0xFFFF
    (item,) = [item for item in checks.messages(world) if item.heard_ms is not None]
    assert abs(item.heard_ms - world.played_ms(world.flushes[0] + 15 * MS_NS)) <= 20
    checks.check_all(world)


def test_a_stop_by_hand_ends_the_item_too() -> None:
    world = world_of(speak(800), until("speaking"), wait(1_000), Step("interrupt"), heard=STORY)
    world.finish()
    (flush_ns,) = world.flushes
    (item,) = [item for item in checks.messages(world) if item.heard_ms is not None]
    assert abs(item.heard_ms - world.played_ms(flush_ns + 15 * MS_NS)) <= 20
    checks.check_all(world)


def test_a_line_that_is_lost_after_a_stop_need_not_wait_for_the_tool_that_still_runs() -> None:
    steps = (wait(300), say("call lights"), wait(1_000), Step("interrupt"), wait(500))
    world = World(Scene("stop", steps, tools=("lights",), tool_ms=8_000))
    world.run(1_800)
    assert len(world.ran) == 1 and len(world.open_tools) == 1
    world.browser(type="say", text="Are you there?")
    world.lose_all()
    world.run(6_000)
    assert world.open_tools and "You said: Are you there?" in world.final_captions().values()


def test_who_typed_while_the_button_is_held_is_owed_an_answer_by_the_third_session_too() -> None:
    world = world_of(PRESS, wait(500), settings=PTT)
    world.run(1_000)
    world.browser(type="say", text="Are you there?")
    for _ in range(2):
        world.lose_all()
        world.run(500)
    world.browser(type="ptt", down=False, held_ms=40)
    world.lose_all()
    world.run(6_000)
    assert "You said: Are you there?" in world.final_captions().values()


@pytest.mark.parametrize("tools", [(), ("lights",)])
def test_a_stop_in_the_moment_of_a_loss_reaches_the_answer_that_is_owed(
    tools: tuple[str, ...],
) -> None:
    steps = (wait(300), say("call lights"), wait(700), Step("refuse", "1000"), Step("lose"))
    world = World(Scene("stop", (*steps, Step("interrupt"), wait(6_000)), tools=tools))
    world.finish()
    assert world.opened > 1 and not world.open_tools
    assert all(event["event_id"].startswith("mmt1_") for event in sent(world, "response.create"))
    assert world.state["upstream"] == "ready" and world.assistant == "idle"


def test_a_stop_while_a_tool_runs_is_followed_by_no_answer() -> None:
    """The model is told what came of the tool, and speaks of it when somebody asks."""
    steps = (wait(300), say("call lights"), wait(1_000), Step("interrupt"), wait(6_000))
    world = World(Scene("stop", steps, tools=("lights",), tool_ms=2_000))
    world.finish()
    assert len(world.ran) == 1 and not world.open_tools
    assert [item.role for item in checks.messages(world)] == ["user"]
    assert "lights done" in str([event for event in world.sent if "output" in str(event)])


def test_a_tap_withdraws_a_line_that_waits_for_its_answer() -> None:
    lines = (say("Tell me a story."), wait(60), say("No, a poem."), wait(60))
    steps = (*lines, PRESS, RELEASE, wait(1_500), Step("lose"), wait(6_000))
    world = world_of(*steps, settings={**PTT, "output": "text"})
    world.finish()
    assert world.opened == 2
    assert len(sent(world, "response.create")) == 1


def test_push_to_talk_stops_the_reply_and_makes_one_turn() -> None:
    turn = (PRESS, speak(800), wait(800), RELEASE)
    world = world_of(
        speak(400),
        wait(600),
        *turn,
        until("speaking"),
        wait(500),
        *turn,
        *ANSWERED,
        heard=STORY,
        settings=PTT,
    )
    world.finish()
    assert len(sent(world, "input_audio_buffer.commit")) == 2, "nothing is heard without the button"
    assert len(world.flushes) == 1
    checks.check_all(world)


def test_a_tap_on_the_button_leaves_no_trace() -> None:
    world = world_of(PRESS, wait(40), RELEASE, wait(600), settings=PTT)
    world.finish()
    assert not world.of("caption") and not world.responses
    assert not sent(world, "input_audio_buffer.commit")


def test_written_answers_need_no_sound() -> None:
    world = world_of(say("Hello?"), wait(1_500), settings={"output": "text"})
    world.finish()
    assert list(world.final_captions().values()) == ["Hello?", "You said: Hello?"]
    assert world.frames == []


def test_a_final_caption_is_told_after_it_is_written() -> None:
    world = world_of(say("Hello?"), *ANSWERED)
    while not world.final_captions():
        before = [item.text for item in checks.messages(world)]
        world.step()
    assert "Hello?" in before


def test_an_empty_room_ends_and_its_end_is_the_last_record() -> None:
    world = world_of(say("Good night."), until("speaking"), wait(500), Step("leave"))
    world.run(12_000)
    assert world.exited == "the room is empty" and not world.sessions
    *earlier, ended, closed = world.journal.records
    assert isinstance(ended, SessionRecord) and ended.reason == "the room is empty"
    assert isinstance(closed, ClosedRecord) and closed.reason == "the room is empty"
    texts = {item.role: item.text for item in checks.messages(world)}
    assert texts["user"] == "Good night." and texts["assistant"], "what was heard is written"
    assert not any(isinstance(record, ClosedRecord) for record in earlier)


def test_a_room_that_is_stopped_has_no_end_and_goes_on() -> None:
    first = world_of(say("Good morning."), *ANSWERED)
    first.finish()
    first.do(first.engine.stop(first.now_ns))
    assert first.exited == "stopped"
    assert not any(isinstance(record, ClosedRecord) for record in first.journal.records)
    items = sorted(first.journal.items().values(), key=lambda item: item.position)
    scene = Scene("again", (wait(300),), settings={"greet": True})
    second = World(scene, recovered=items)
    second.finish()
    second.ask(checks.LAST)
    (server,) = second.sessions.values()
    said = list(checks.words_of_people(server.engine))
    assert said == ["Good morning.", checks.LAST], "it is not greeted again, and knows the past"
    assert next(iter(second.final_captions().values())) == checks.LAST, "history is told again"


def test_a_fatal_refusal_is_told_once_and_tried_again_for_a_newcomer() -> None:
    world = world_of()
    world.refuse = UpstreamError("invalid_api_key", "Incorrect API key.", 401)
    world.run(20_000)
    assert world.opened == 1 and world.state["code"] == "invalid_api_key"
    assert [event["code"] for event in world.of("error")] == ["invalid_api_key"]
    world.refuse = None
    world.run(20_000)
    world.roster("p-1", "p-2")
    checks.check_all(world)


def test_what_is_typed_while_the_connection_dies_is_said_in_the_next_session() -> None:
    world = world_of(wait(500))
    world.finish()
    world.browser(type="say", text="Are you there?")
    world.inputs.clear()  # The server never took it.
    world.lose_all()
    checks.check_all(world)
    assert list(world.final_captions().values())[:2] == [
        "Are you there?",
        "You said: Are you there?",
    ]


def test_an_open_question_is_asked_again_when_somebody_comes() -> None:
    world = world_of(tools=("lights",))
    world.run(600)
    world.confirms("lights")
    world.browser(type="say", text="call lights")
    world.run(2_000)
    (first,) = [event for event in world.of("tool") if event["status"] == "asking"]
    world.roster("p-1", "p-2")
    world.run(500)
    later = [event for event in world.of("tool") if event["status"] == "asking"][-1]
    assert later["call"] == first["call"] and later["timeout_ms"] < first["timeout_ms"]
    world.browser(type="confirm", call=first["call"], allow=True)
    checks.check_all(world)
    asked = len([event for event in world.of("tool") if event["status"] == "asking"])
    world.roster("p-1", "p-2", "p-3")
    world.run(500)
    assert len([e for e in world.of("tool") if e["status"] == "asking"]) == asked


def test_what_was_typed_while_a_tool_worked_is_in_the_next_session_before_its_answer() -> None:
    """The session is lost; the tool answers before the next one is there."""
    world = world_of(wait(500), tools=("lights",), tool_ms=200)
    world.run(500)
    world.browser(type="say", text="call lights")
    while not world.ran:
        world.step()
    world.run(100)
    world.browser(type="say", text="And who are you?")
    world.inputs.clear()  # The server never took it.
    world.lose_all()
    checks.check_all(world)
    session = [event for event in world.sent if event["event_id"].startswith("mmt2")]
    kinds = [event["item"]["type"] if "item" in event else event["type"] for event in session]
    assert kinds[:4] == ["message", "function_call", "function_call_output", "message"]
    assert kinds[4] == "response.create" and session[3]["item"]["role"] == "user"


def test_an_answer_that_was_asked_for_by_the_button_is_asked_for_again() -> None:
    world = world_of(
        speak(800),
        wait(1_500),
        PRESS,
        RELEASE,
        wait(100),
        heard=("Good morning.",),
        settings={"create_response": False},
    )
    while not sent(world, "response.create"):
        world.step()
    world.lose_all()
    checks.check_all(world)
    texts = [item.text for item in checks.messages(world)]
    assert texts.count("You said: Good morning.") == 1


def test_a_button_that_there_is_not_is_explained_once() -> None:
    world = world_of(PRESS, wait(500))
    world.finish()
    world.lose_all()
    world.finish()
    assert [event["code"] for event in world.of("error")] == ["not_available"]


def test_a_connection_of_which_nothing_is_known_yet_is_not_silent() -> None:
    world = world_of(wait(4_000))
    world.finish()
    world.engine.session_received(world.engine.active_session, 0, world.now_ns)
    world.do(world.engine.tick(world.now_ns))
    assert world.state["upstream"] == "ready"


def test_a_session_in_standby_is_not_heard() -> None:
    world = World(Scene("any", (wait(13_500), speak(3_000)), session_limit_s=20))
    world.run(15_000)
    assert set(world.sessions) == {1, 2} and world.engine.active_session == 1
    heard = [world.engine.reply_audio(number, LOUD, 1, False, world.now_ns) for number in (1, 2)]
    assert heard[0] is not None and heard[1] is None


def test_the_caption_of_a_very_long_reply_that_was_cut_off_fits_into_an_event() -> None:
    record = RoomRecord("den", OpenaiLinkSettings(), lambda wall_ms: "day")
    (written,) = record.truncated(Truncation("item", "word " * 10_000, 100), 0, 0)
    assert isinstance(written, WriteJournal) and written.ticket is not None
    (told,) = record.journal_written(written.ticket)
    assert isinstance(told, TellBrowsers)
    assert len(told.event["text"]) <= 4_000


def test_refusals_in_a_row_are_told_once_and_the_room_is_served_in_the_end() -> None:
    """More than the link tries at first: then it tries again every half minute."""
    world = world_of(wait(500))
    world.refuse = BUSY
    world.schedule(40_000 * MS_NS, "_serve_again")
    world.run(20_000)
    assert world.opened == 4 and world.state["upstream"] == "failed"
    world.run(20_000)
    assert [event["code"] for event in world.of("error")] == ["server_error"]
    checks.check_all(world)


def test_a_server_that_falls_silent_is_left() -> None:
    world = world_of(say("Good morning."), until("speaking"), wait(500))
    world.finish()
    world.is_cut_off = True
    world.run(2_800)
    assert world.opened == 1
    world.run(200)
    assert world.of("state")[-1]["upstream"] == "reconnecting" and not world.sessions
    world.is_cut_off = False
    checks.check_all(world)


def test_the_journal_fails_while_the_room_recovers() -> None:
    """Nothing is known of the past, the disk is full, and the connection is lost."""
    world = world_of(say("Good morning."), *ANSWERED)
    world.scheduled = [entry for entry in world.scheduled if entry[2] != "_recovered"]
    world.journal.fails_at = frozenset(range(4))
    world.run(5_400)
    world.lose_all()
    checks.check_all(world)
    assert [event["code"] for event in world.of("error")].count("journal_failed") >= 1
