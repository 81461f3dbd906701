"""Events that no server and no page of ours would send: the room survives them and talks on.

What a server means by its events is not for us to decide; fields may be missing, of any type, or
of any size. The events come before, while and after the session is seeded.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from openai_link.realtime.event_kinds import IGNORED
from openai_link.realtime.reducer import Reducer
from tests.openai_link.room import checks
from tests.openai_link.room.world import Scene, World, say, wait
from tests.support.tables import examples

Json = dict[str, Any]
KINDS = sorted({*Reducer().handlers, *IGNORED})
KEYS = (
    *("id", "type", "role", "content", "item", "item_id", "previous_item_id", "response"),
    *("response_id", "status", "status_details", "error", "code", "message", "usage"),
    *("input_tokens", "output_tokens", "input_token_details", "cached_tokens_details"),
    *("text_tokens", "audio_tokens", "seconds", "session", "expires_at", "audio_start_ms"),
    *("audio_end_ms", "content_index", "transcript", "text", "delta", "part", "output"),
    *("call_id", "name", "arguments", "metadata", "conversation_id", "reason"),
)
IDS = ("mmt1_1", "item_1", "item_2", "resp_1", "", "root")
WORDS = (
    *("function_call", "message", "mcp_call", "user", "assistant", "system", "completed"),
    *("incomplete", "cancelled", "failed", "tokens", "duration", "audio", "\ud83d", "lights"),
)
NUMBERS = (0, -1, 7, 2**63, 10**400, 1.5, float("nan"), float("inf"))
LEAVES = st.sampled_from([None, True, *NUMBERS, *IDS, *WORDS])


def objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.dictionaries(st.sampled_from(KEYS), values, max_size=5)


VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=3) | objects(v), max_leaves=12)
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(IDS),
        "type": st.sampled_from(["message", "function_call", "function_call_output", "mcp_call"]),
        "role": st.sampled_from(["user", "assistant", "system"]) | VALUES,
        "status": st.sampled_from(["completed", "incomplete", "in_progress"]) | VALUES,
        "content": VALUES,
        "call_id": st.sampled_from(IDS) | VALUES,
        "name": st.just("lights") | VALUES,
        "arguments": st.just("{}") | VALUES,
    },
)
RESPONSES = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(IDS),
        "status": st.sampled_from(["completed", "cancelled", "failed"]) | VALUES,
        "output": st.lists(ITEMS | VALUES, max_size=2) | VALUES,
        "usage": objects(VALUES) | VALUES,
        "status_details": objects(VALUES) | VALUES,
    },
)
SERVER_EVENTS = st.builds(
    lambda kind, rest, more: {**rest, **more, "type": kind},
    st.sampled_from(KINDS),
    objects(VALUES),
    st.fixed_dictionaries(
        {},
        optional={
            "item": ITEMS,
            "response": RESPONSES,
            "item_id": st.sampled_from(IDS),
            "response_id": st.sampled_from(IDS),
        },
    ),
)
FIELDS = (
    *("participant", "name", "stream", "text", "down", "call", "allow", "epoch", "stamp_ns"),
    *("offset_samples", "played_ms", "last"),
)
BROWSER_EVENTS = st.builds(
    lambda kind, rest, more: {**rest, **more, "type": kind},
    st.sampled_from(["say", "interrupt", "ptt", "played", "confirm", "unknown"]) | VALUES,
    objects(VALUES),
    st.dictionaries(st.sampled_from(FIELDS), VALUES),
)
ROSTERS = st.fixed_dictionaries(
    {"type": st.just("participants"), "participants": VALUES | st.lists(objects(VALUES))}
)


@settings(max_examples=examples(80))
@given(st.lists(SERVER_EVENTS, min_size=1, max_size=8), st.sampled_from([40, 80, 100, 300]))
def test_any_server_event_is_survived(events: list[Json], at_ms: int) -> None:
    world = World(Scene("odd", (), tools=("lights",), settings={"daily_budget_usd": 1e6}))
    world.run(at_ms)
    for event in events:
        session = world.engine.active_session
        world.do(world.engine.server_event(session, event, world.now_ns))
        world.run(40)
    world.lose_all()
    world.run(1_000)
    assert world.state["upstream"] in ("ready", "reconnecting", "failed")


@settings(max_examples=examples(50))
@given(
    st.lists(st.tuples(BROWSER_EVENTS | ROSTERS, st.integers(0, 30)), min_size=1, max_size=10),
    st.sampled_from(["server_vad", "push_to_talk"]),
)
def test_any_browser_event_is_survived(events: list[tuple[Json, int]], mode: str) -> None:
    scene = Scene("odd", (), tools=("lights",), confirm=True, settings={"turn_detection": mode})
    world = World(scene)
    world.run(300)
    world.browser(type="say", text="call lights")
    for event, slots in events:
        if event["type"] == "participants":
            world.do(world.engine.roster(event, world.now_ns))
        else:
            world.do(world.engine.browser_event(event, world.now_ns))
        world.run(20 * slots)
    assert world.state["upstream"] == "ready" or world.exited == "the room is empty"


def test_numbers_that_nobody_can_mean_count_nothing() -> None:
    """As the length of a session, as the end of an item, as what a response cost."""
    world = World(Scene("odd", (wait(300), say("Good morning."), wait(500))))
    world.run(100)
    huge = 10**400
    for event in (
        {"type": "session.updated", "session": {"expires_at": huge}},
        {"type": "conversation.item.truncated", "item_id": "i", "audio_end_ms": huge},
        {"type": "response.done", "response": {"id": "r", "usage": {"input_tokens": huge}}},
        {"type": "conversation.item.added", "item": {"id": "i", "role": {"user": True}}},
    ):
        world.do(world.engine.server_event(1, event, world.now_ns))
    world.lose_all()
    world.finish()
    checks.the_session_knows_what_was_said(world)
    assert world.engine.counters()["spent_usd_total"] < 1
