"""What must hold of a room in the end, whatever happened to it on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mixer_core.journal.records import HistoryItem
from openai_link.simulator.engine.session_engine import SessionEngine
from tests.openai_link.room.world import NAMES, PARTICIPANT, World

LAST = "Still there?"
"""The question that is asked in the end."""


def check_all(world: World) -> None:
    """Ask the last question; then everything must be as it should."""
    conclude(world)
    nobody_waits_for_a_reply(world)


def conclude(world: World) -> None:
    """Ask the last question; then this must hold, whoever spoke over whom."""
    world.finish()
    world.lose_after = ()
    world.ask(LAST)
    the_room_talks_again(world)
    no_tool_runs_twice(world)
    nothing_final_is_missing_or_doubled(world)
    lines_stand_in_the_order_of_the_record(world)
    the_session_knows_what_was_said(world)
    the_session_knows_what_it_said(world)
    the_money_is_counted_once(world)
    browsers_end_in_a_true_state(world, "ready")
    nothing_was_refused(world)


def the_room_talks_again(world: World) -> None:
    captions = list(world.final_captions().values())
    answer = captions[-1].replace(f"{NAMES[PARTICIPANT]}: ", "")
    assert [captions[-2], answer] == [LAST, f"You said: {LAST}"], captions
    asked_ns = max(at for at, event in world.told if event.get("text") == LAST)
    if world.settings.output == "audio":
        heard = [f[3] for f in world.frames if f[0] > asked_ns and f[1] == world.epoch]
        assert sum(any(pcm) for pcm in heard) > 20, "the last answer is not heard"


def nobody_waits_for_a_reply(world: World) -> None:
    """What was asked last, before the last question, has an answer, unless it was stopped."""
    if any(step.do == "interrupt" for step in world.scene.steps):
        return
    items = messages(world)
    asked = [place for place, item in enumerate(items) if item.role == "user"]
    if len(asked) > 1:
        answers = [item.text for item in items[asked[-2] + 1 : asked[-1]]]
        assert any(answers), [(item.role, item.text) for item in items]


def no_tool_runs_twice(world: World) -> None:
    runs = Counter(name for _, name in world.ran)
    assert all(count == 1 for count in runs.values()), runs
    if len(world.scene.tools) == 1 and world.scene.runs_tools:
        assert set(runs) == set(world.scene.tools), "the tool was asked for and never ran"


def nothing_final_is_missing_or_doubled(world: World) -> None:
    written = {item.item: item.text for item in messages(world)}
    for item, text in world.final_captions().items():
        assert written.get(world.first_id(item)) == text, (item, text, written)
    said = Counter(item.text for item in messages(world) if item.role == "user" and item.text)
    assert all(count == 1 for count in said.values()), said
    told = Counter(world.first_id(item) for item in world.final_captions())
    assert all(count == 1 for count in told.values()), told


def lines_stand_in_the_order_of_the_record(world: World) -> None:
    """Whenever their words came: a page puts a line where its place says."""
    places: dict[str, int] = {}
    for _, event in world.told:
        match event["type"]:
            case "caption" if "position" in event:
                places[world.first_id(event["item"])] = event["position"]
            case "places":
                places |= {world.first_id(item): at for item, at in event["places"].items()}
    shown = [world.first_id(item) for item in world.final_captions()]
    assert set(shown) <= set(places), "a line has no place"
    written = [item.item for item in messages(world) if item.item in set(shown)]
    assert sorted(set(shown), key=places.__getitem__) == written


def the_session_knows_what_was_said(world: World) -> None:
    """All that people said with words, in order, and each of it once."""
    (server,) = world.sessions.values()
    named = tuple(f"{name}: " for name in NAMES.values())
    known = [
        text[5:] if text.startswith(named) else text for text in words_of_people(server.engine)
    ]
    said = [item.text for item in messages(world) if item.role == "user" and item.text]
    assert known == said


def the_session_knows_what_it_said(world: World) -> None:
    """Of history what people heard, and no more; of its own replies all that were not cut off."""
    (server,) = world.sessions.values()
    replies = [item for item in messages(world) if item.role == "assistant" and item.text]
    heard = Counter(item.text + (" …" if item.heard_ms is not None else "") for item in replies)
    told = Counter(words_of(server.engine, "assistant", "mm"))
    assert told <= heard, (told - heard, "is not what people heard")
    missing = heard - Counter(words_of(server.engine, "assistant"))
    assert all(text.endswith(" …") for text in missing), (missing, "was not told")


def the_money_is_counted_once(world: World) -> None:
    counted = [usage.key for usage in world.journal.usage() if usage.kind == "response"]
    assert Counter(counted) == Counter(world.responses)


def browsers_end_in_a_true_state(world: World, upstream: str) -> None:
    state = world.state
    assert (state["upstream"], state["assistant"]) == (upstream, "idle"), state
    begun = {event["item"] for event in world.of("caption")}
    assert begun == set(world.final_captions()), "a caption stays unfinished"
    tools = {event["call"]: event["status"] for event in world.of("tool")}
    assert not set(tools.values()) & {"running", "asking"}, tools


def nothing_was_refused(world: World) -> None:
    """No event of ours was wrong, whenever it came."""
    errors = [text for level, text in world.logs if text.startswith("! < error")]
    assert all("session_expired" in text for text in errors), errors


def messages(world: World) -> list[HistoryItem]:
    """What was said and written, by the journal."""
    items = sorted(world.journal.items().values(), key=lambda item: item.position)
    return [item for item in items if item.kind == "message"]


def words_of_people(engine: SessionEngine) -> Iterator[str]:
    return words_of(engine, "user")


def words_of(engine: SessionEngine, role: str, prefix: str = "") -> Iterator[str]:
    """What the items of a role say whose ids begin so (those of history begin with mm)."""
    for item in engine.conversation.items:
        if item.fields.get("role") == role and item.id.startswith(prefix):
            for part in item.fields["content"]:
                if part.get("text") or part.get("transcript"):
                    yield part.get("text") or part.get("transcript")
