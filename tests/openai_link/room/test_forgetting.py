"""Somebody deletes the conversation while it runs: nothing of it comes back, whenever that is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mixer_core.journal.records import ForgottenRecord, ItemRecord, Record
from openai_link.room.actions import SendEvent, TellBrowsers, WriteJournal
from tests.openai_link.room.scenes import ANSWERED
from tests.openai_link.room.test_websocket import WebsocketWorld
from tests.openai_link.room.world import MS_NS, Scene, World, say, speak, until, wait

SECRETS = ("Zimtschnecke", "Perlhuhn", "lights")
"""Words of the conversation that is deleted."""
STEPS = (
    wait(300),
    speak(900),
    *ANSWERED,
    say("The Perlhuhn."),
    *ANSWERED,
    say("call lights"),
    until("speaking"),
    wait(6_000),
)


def world_of(kind: type[World] = World, **more: Any) -> World:
    """Words that come 4 s late, a question in writing, a tool."""
    options = {"transcription_delay_ms": 4_000}
    scene = Scene(
        "deleted", STEPS, heard=("Die Zimtschnecke.",), tools=("lights",), options=options, **more
    )
    return kind(scene)


def forget(world: World) -> tuple[int, int, int]:
    """Delete the conversation; returns where records, events and lines of after it begin."""
    before = len(world.sent), len(world.told)
    world.do(world.engine.forget("Ada", world.now_ns))
    places = [n for n, r in enumerate(world.journal.records) if isinstance(r, ForgottenRecord)]
    told = [event["type"] for _, event in world.told[before[1] :]]
    return places[-1] + 1, before[0], before[1] + told.index("forgotten")


def secrets_in(content: object) -> list[str]:
    text = json.dumps(content, default=str)
    return [word for word in SECRETS if word in text]


def words_of(records: list[Record]) -> list[Any]:
    return [record for record in records if isinstance(record, ItemRecord)]


@pytest.mark.parametrize("kind", [World, WebsocketWorld])
@pytest.mark.parametrize("at_ms", [700, 1_350, 2_000, 3_300, 4_600, 5_300, 6_400, 7_200, 8_900])
def test_whenever_it_is_deleted_nothing_of_it_comes_back(kind: type[World], at_ms: int) -> None:
    world = world_of(kind)
    while world.now_ns < at_ms * MS_NS:
        world.step()
    world.scene = Scene(**{**world.scene.__dict__, "steps": world.scene.steps[: world._step]})
    world._step_ns, world.loud_until_ns = None, 0  # What is said after it is not deleted.
    records, sent, told = forget(world)
    assert world.engine._record.items() == []
    world.run(8_000)
    world.scene = Scene(**{**world.scene.__dict__, "tools": ()})
    world.ask("Still there?")
    after = words_of(world.journal.records[records:])
    assert not secrets_in([record.item for record in after])
    definitions = {"session.update"}  # They name the tools, which stay.
    events = [event for event in world.sent[sent:] if event["type"] not in definitions]
    assert not secrets_in(events)
    assert not secrets_in([event for _, event in world.told[told:]])
    assert [item.text for item in world.engine._record.items()] == [
        "Still there?",
        "You said: Still there?",
    ]


def test_everybody_is_told_and_the_money_stays_counted() -> None:
    world = world_of()
    world.finish()
    spent = sum(record.cost_usd or 0 for record in world.journal.usage())
    assert spent > 0
    forget(world)
    assert [event["name"] for event in world.of("forgotten")] == ["Ada"]
    world.finish()
    assert world.state["upstream"] == "ready", "another session has the room"
    world.ask("Still there?")
    day = world.of("usage")[-1]["day"]["cost_usd"]
    assert day == pytest.approx(sum(r.cost_usd or 0 for r in world.journal.usage()), abs=1e-5)
    assert day > spent


def test_a_conversation_is_deleted_while_nobody_answers_at_the_servers_address() -> None:
    world = world_of()
    world.finish()
    world.refuse = None
    world.lose_all()
    records, sent, _ = forget(world)
    world.run(8_000)
    world.ask("Still there?")
    assert not secrets_in([record.item for record in words_of(world.journal.records[records:])])
    assert not secrets_in(world.sent[sent:])


def test_what_is_deleted_is_written_after_all_that_it_deletes() -> None:
    """The order of the actions: the journal has nothing of it behind the deletion."""
    world = world_of()
    world.finish()
    actions = world.engine.forget("", world.now_ns)
    writes = [action.records for action in actions if isinstance(action, WriteJournal)]
    (place,) = [n for n, group in enumerate(writes) if isinstance(group[0], ForgottenRecord)]
    assert not [r for group in writes[place:] for r in group if isinstance(r, ItemRecord)]
    kinds = [a.event["type"] for a in actions if isinstance(a, TellBrowsers)]
    assert kinds.index("forgotten") == max(
        n for n, kind in enumerate(kinds) if kind in ("forgotten", "caption", "tool", "places")
    )
    assert not [action for action in actions if isinstance(action, SendEvent)]
