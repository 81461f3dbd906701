"""A session whose protocol has no turns: the room needs none of the facts about them."""

from __future__ import annotations

from openai_link.facts import Caption, ItemAdded, ItemDone, ToolCalled
from openai_link.room.actions import TellBrowsers, WriteJournal
from openai_link.room.record import RoomRecord
from openai_link.room.room_tools import RoomTools, Toolset
from openai_link.room.signals import ReplyWanted, ToolAnswered
from openai_link.settings import OpenaiLinkSettings
from openai_link.tools.actions import RunTool
from tests.openai_link.room.world import spec

SETTINGS = OpenaiLinkSettings()


def nobody(response: str) -> tuple[str, str]:
    return "", ""


def test_a_tool_call_gets_its_output_and_nobody_asks_for_a_reply() -> None:
    tools = RoomTools(SETTINGS)
    tools.changed(Toolset({"lights": spec("lights")}), 0)
    called = tools.on_fact(ToolCalled("", "item", "call", "lights", "{}"), nobody, 0)
    assert [action.call for action in called if isinstance(action, RunTool)] == ["call"]
    answered = tools.answered("call", '{"result": "on"}', 1_000_000)
    assert ToolAnswered("call", '{"result": "on"}', True) in answered
    everything = [*called, *answered, *tools.tick(60_000_000_000)]
    assert not any(isinstance(outcome, ReplyWanted) for outcome in everything)
    assert not tools.is_busy and tools.next_timeout_ns() is None


def test_words_are_told_and_written_and_no_reply_is_pending() -> None:
    record = RoomRecord("den", SETTINGS, lambda wall_ms: "day")
    content = {"type": "message", "role": "assistant", "content": []}
    record.on_fact(1, ItemAdded("item", "", content), 0, 0)
    (growing,) = record.on_fact(1, Caption("assistant", "item", "Well", False), 0, 0)
    assert isinstance(growing, TellBrowsers)
    (written,) = record.on_fact(1, Caption("assistant", "item", "Well then.", True), 0, 0)
    assert isinstance(written, WriteJournal) and written.ticket is not None
    (told,) = record.journal_written(written.ticket)
    assert isinstance(told, TellBrowsers) and told.event["text"] == "Well then."
    record.on_fact(1, ItemDone("item", content), 0, 0)
    assert [item.text for item in record.items()] == ["Well then."]
    assert not record.pending_reply.is_pending
