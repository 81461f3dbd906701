"""A server that counts its items, responses and calls, and begins again with each session."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from mixer_core.journal.records import HistoryItem, SessionRecord
from openai_link.room.actions import SendEvent
from openai_link.room.server_ids import ServerIds
from tests.openai_link.room.scenes import ANSWERED, ROLLOVERS
from tests.openai_link.room.world import Scene, Step, World, say, speak, wait

Json = dict[str, Any]
_ID = re.compile(r'"(item|resp|call|sess)_(?!id")[0-9A-Za-z]+"')
ASKED = (say("call lights"), *ANSWERED)
LOST = (Step("lose"), wait(1_000))


class Counting(World):
    """Its servers count in each session; all calls of a session have one id."""

    def __init__(self, scene: Scene, recovered: tuple[HistoryItem, ...] = ()) -> None:
        self._counted: dict[int, dict[str, str]] = {}
        self._meant: dict[int, dict[str, str]] = {}
        super().__init__(scene, recovered)

    def _receive(self, session: int, event: Json) -> None:
        counted = self._counted.setdefault(session, {})
        meant = self._meant.setdefault(session, {})

        def shown(found: re.Match[str]) -> str:
            name, kind = found[0].strip('"'), found[1]
            number = sum(key.startswith(kind) for key in counted) if kind != "call" else 0
            counted.setdefault(name, f"{kind}_{number}")
            meant[counted[name]] = name
            return f'"{counted[name]}"'

        super()._receive(session, json.loads(_ID.sub(shown, json.dumps(event))))

    def _send(self, session: int, event: Mapping[str, Any]) -> None:
        meant = self._meant.get(session, {})

        def known(found: re.Match[str]) -> str:
            name = found[0].strip('"')
            return f'"{meant.get(name, name)}"'

        super()._send(session, json.loads(_ID.sub(known, json.dumps(event))))


def held(kind: type[World], *steps: Step, **more: Any) -> World:
    world = kind(Scene("counting", (wait(300), *steps), **more))
    world.finish()
    return world


def record(world: World) -> list[tuple[str, str, str]]:
    items = sorted(world.journal.items().values(), key=lambda item: item.position)
    return [(item.role, item.text, item.output) for item in items]


def test_after_a_loss_nothing_is_overwritten_and_all_is_paid_for() -> None:
    steps = (say("One."), *ANSWERED, *LOST, say("Two."), *ANSWERED, speak(800), *ANSWERED)
    counting, usual = (held(kind, *steps, heard=("Three.",)) for kind in (Counting, World))
    assert counting.opened == 2 and record(counting) == record(usual)
    assert len(record(usual)) == 6
    started = [r.session for r in counting.journal.records if isinstance(r, SessionRecord)]
    assert len(set(started)) == 2
    assert counting.engine.counters()["spent_usd_total"] > 0
    costs = [[usage.cost_usd for usage in world.journal.usage()] for world in (counting, usual)]
    assert costs[0] == costs[1]


def test_a_rollover_and_an_interruption_are_as_with_any_server() -> None:
    for scene in ROLLOVERS:
        worlds = [kind(scene) for kind in (Counting, World)]
        for world in worlds:
            world.finish()
        assert record(worlds[0]) == record(worlds[1]), scene


def test_a_call_id_that_was_seen_before_is_run_for_each_new_item() -> None:
    for between in ((), LOST):
        world = held(Counting, *ASKED, *between, *ASKED, tools=("lights",))
        assert [name for _, name in world.ran] == ["lights", "lights"]
        assert len({call for call, _ in world.ran}) == 2
        assert [out for _, _, out in record(world) if out] == ['{"result": "lights done"}'] * 2
        assert not world.engine._record.pending_reply.is_pending


def test_ids_of_a_conversation_that_goes_on_are_taken() -> None:
    said = HistoryItem("item_0", 1 << 20, "message", "assistant", text="Before.", final=True)
    world = Counting(Scene("goes on", (wait(300), say("Now."), *ANSWERED)), (said,))
    world.finish()
    said_all = [(item.role, item.text) for item in world.engine._record.items()]
    assert said_all[:2] == [("assistant", "Before."), ("user", "Now.")] and len(said_all) == 3


class Nameless(World):
    """Its servers give calls no id: in no event, or not in the one that completes the item."""

    is_told_before = False

    def _receive(self, session: int, event: Json) -> None:
        kind, hidden = event["type"], event
        if not (self.is_told_before and kind == "response.function_call_arguments.done"):
            words = json.dumps(event)
            hidden = json.loads(re.sub(r'"call_id": "[^"]*"', '"call_id": ""', words))
        super()._receive(session, hidden)


class NamedBefore(Nameless):
    is_told_before = True


@pytest.mark.parametrize("kind", [Nameless, NamedBefore])
def test_people_hear_of_a_call_that_cannot_be_answered_and_of_no_other(kind: type[World]) -> None:
    world = held(kind, say("call lights"), wait(4_000), tools=("lights",))
    told = [event["message"] for event in world.of("error") if event["code"] == "tool_failed"]
    if kind is Nameless:
        assert not world.ran and len(told) == 1 and "lights" in told[0]
    else:
        assert [name for _, name in world.ran] == ["lights"] and not told


def test_a_server_gets_back_its_own_ids() -> None:
    world = held(World, say("Hello."), *ANSWERED)
    parts = world.engine._parts
    ids = ServerIds(parts.sessions, parts.record, "t")
    assert ids.arrived(1, {"item_id": "i", "response_id": "i"}) == {
        "item_id": "i", "response_id": "i",
    }  # fmt: skip
    here = ids.arrived(2, {"item": {"id": "i"}, "previous_item_id": "root"})["item"]["id"]
    assert here != "i" and ids.item(2, "i") == here and ids.item(1, "i") == "i"
    sent = SendEvent(2, {"item_id": here, "previous_item_id": "root"})
    assert ids.leaves(sent).event == {"item_id": "i", "previous_item_id": "root"}


class Busy(Counting):
    """Its second server refuses something, for the answer that it is giving."""

    open_then: tuple[list[str], ...] = ()
    """The responses that were open before and after the refusal."""

    def _receive(self, session: int, event: Json) -> None:
        super()._receive(session, event)
        active = self.engine._sessions.active
        begins = event["type"] == "response.output_item.added"
        if session == 1 or not begins or self.open_then or active is None:
            return
        responses = active._reducer._responses
        before = list(responses._open)
        words = "Conversation already has an active response in progress: resp_0. Wait."
        code = "conversation_already_has_active_response"
        error = {"type": "invalid_request_error", "code": code, "message": words}
        super()._receive(session, {"type": "error", "event_id": "refusal", "error": error})
        self.open_then = before, list(responses._open)


def test_the_response_that_a_refusal_names_is_the_one_of_this_session() -> None:
    world = held(Busy, say("One."), *ANSWERED, *LOST, speak(800), *ANSWERED, heard=("Two.",))
    assert isinstance(world, Busy) and world.opened == 2
    before, after = world.open_then
    assert len(before) == 1 and before == after


def test_a_refusal_of_an_unknown_response_names_it_as_its_events_will() -> None:
    parts = held(World, say("Hello."), *ANSWERED).engine._parts
    ids = ServerIds(parts.sessions, parts.record, "t")
    ids.arrived(1, {"response_id": "resp_1"})
    words = {"type": "error", "error": {"message": "It waits for resp_1, not for item_1."}}
    assert ids.arrived(1, words) is words
    told = ids.arrived(2, words)["error"]["message"]
    here = ids.arrived(2, {"response_id": "resp_1"})["response_id"]
    assert here != "resp_1" and told == f"It waits for {here}, not for item_1."
    ids.arrived(1, {"response_id": "r1"})
    here = ids.arrived(2, {"response_id": "r1"})["response_id"]
    assert ids.arrived(2, {"type": "error", "error": {"message": "r1!"}}) == {
        "type": "error", "error": {"message": f"{here}!"},
    }  # fmt: skip


def test_the_result_of_a_call_names_its_request_as_it_is_known_here() -> None:
    parts = held(World, say("Hello."), *ANSWERED).engine._parts
    ids = ServerIds(parts.sessions, parts.record, "t")
    ids.arrived(1, {"item": {"id": "item_1"}})
    asked = ids.arrived(2, {"item": {"id": "item_1", "type": "mcp_approval_request"}})["item"]["id"]
    done = {"id": "item_2", "type": "mcp_call", "approval_request_id": "item_1"}
    assert ids.arrived(2, {"item": done})["item"]["approval_request_id"] == asked != "item_1"
