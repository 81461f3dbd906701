"""What server events say about the items of a conversation: their place, words and calls. Sans-I/O.

Part of the reducer (``events``). Everything is kept by item id, and each fact is told once per id,
in whatever order the events come. Their words are in ``item_words``, messages of ours that are not
acknowledged in ``our_messages``.

A tool is called when ``response.output_item.done`` brings its item with status ``completed``. That
is earlier than ``response.done`` (a message beside the call can go on for seconds), and right: a
complete call is part of the conversation and is owed an output even where its response is
cancelled a moment later. A cancelled call comes as ``incomplete`` and is not told.

Where that event is missing, ``response.done`` stands in: by its ``output``, or, where the response
is completed, by what ``function_call_arguments.done`` and ``conversation.item.done`` brought
(``reduce_calls``). Before that they do not count: the arguments of a call that is being cancelled
come by the former too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mixer_core.runtime.earliest import earliest

from ..facts import (
    CallNameless,
    Fact,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemTruncated,
    ItemVoiced,
    ServerToolEnded,
    ServerToolsMissing,
)
from .event_fields import Once, forget_oldest, map_of, maps_of, text_of, whole_of
from .item_shapes import begun, is_made, message, outline
from .item_words import ItemWords
from .our_messages import OurMessages
from .reduce_calls import CallDrafts, Called

MAX_OPEN = 32
"""Items that may be unfinished at once; of more the oldest is forgotten."""
MAX_RESPONSES = 32
"""Responses whose items are kept apart; of more the oldest is forgotten."""
MAX_OF_RESPONSE = 128
"""Items of one response that are kept together."""

Handler = Callable[[Mapping[str, Any], int], list[Fact]]
_TRANSCRIPTION = "conversation.item.input_audio_transcription"


class ItemBook:
    """The items of one session. ``handlers`` is the table of the event types it knows."""

    def __init__(self) -> None:
        self._words = ItemWords()
        self._messages = OurMessages()
        self._added, self._done, self._deleted = Once(), Once(), Once()
        self._voiced, self._called = Once(), Once()
        self._cuts = Once()
        self._drafts = CallDrafts()
        self._of_response: dict[str, dict[str, None]] = {}
        """Items by the response that makes them."""
        self._lists: dict[str, str] = {}
        """Servers whose tools the server lists, by item."""
        self._announced: dict[str, Mapping[str, Any]] = {}
        """Items that a response has begun, before they have their place."""
        self.handlers: dict[str, Handler] = {
            "conversation.item.added": self._item_added,
            "conversation.item.created": self._item_added,
            "conversation.item.done": self._item_done,
            "conversation.item.deleted": self._item_deleted,
            "conversation.item.truncated": self._item_truncated,
            f"{_TRANSCRIPTION}.delta": self._user_delta,
            f"{_TRANSCRIPTION}.completed": self._user_done,
            f"{_TRANSCRIPTION}.failed": self._user_failed,
            "response.content_part.added": self._part_added,
            "response.content_part.done": self._content_done,
            "response.output_audio.done": self._sound_done,
            "response.output_audio_transcript.delta": self._voice_delta,
            "response.output_audio_transcript.done": self._part_done,
            "response.output_text.delta": self._words.delta,
            "response.output_text.done": self._part_done,
            "response.function_call_arguments.delta": self._arguments_delta,
            "response.function_call_arguments.done": self._arguments_done,
            "response.output_item.added": self._output_added,
            "response.output_item.done": self._output_done,
            "mcp_list_tools.failed": self._tools_missing,
            "response.mcp_call.completed": self._tool_ended,
            "response.mcp_call.failed": self._tool_ended,
        }

    @property
    def awaits_words(self) -> bool:
        """The transcript of something that people said is still to come."""
        return self._words.awaits_transcript

    def has_called(self, call: str) -> bool:
        """Whether the model has made the tool call with this id."""
        return call in self._called

    def is_ours(self, item: str) -> bool:
        """Whether we made this item ourselves."""
        return self._drafts.is_ours(item)

    def spoken(self, item: str, now_ns: int) -> None:
        """A turn of somebody has become an item, or its words begin to come."""
        self._words.spoken(item, now_ns)

    def sent(self, event: Mapping[str, Any], now_ns: int) -> None:
        """A client event of ours: its item is no news, and waits to be taken."""
        self._messages.sent(event, now_ns)
        item = text_of(map_of(event, "item"), "id")
        if text_of(event, "type") == "conversation.item.create" and item:
            self._drafts.ours(item)

    def is_made_by_model(self, item: Mapping[str, Any]) -> bool:
        """Whether only a response can have made this item."""
        of_model = text_of(item, "type") == "function_call" or text_of(item, "role") == "assistant"
        identity = text_of(item, "id")
        return of_model and bool(identity) and not self._drafts.is_ours(identity)

    def refused(self, event_id: str) -> None:
        """The server refused a client event of ours: its item, if it made one, is not taken."""
        self._messages.settled(event_id)

    def answered(self, request: str) -> list[Fact]:
        """The answer to this request of ours begins: what was sent before it is taken."""
        taken = self._messages.answered(request)
        return [fact for content in taken for fact in self._complete(content, "")]

    def tick(self, now_ns: int, heard_ns: int = 0) -> list[Fact]:
        """Captions that were held back, and what is not waited for any longer.

        ``heard_ns``: when anything last came from the server.
        """
        facts: list[Fact] = [*self._words.held_back(now_ns)]
        for content in self._messages.overdue(now_ns, heard_ns):
            facts += self._complete(content, "")
        return facts + self._words.overdue(now_ns)

    def next_timeout_ns(self, heard_ns: int = 0) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        return earliest(self._messages.next_timeout_ns(heard_ns), self._words.next_timeout_ns())

    def close(self) -> list[Fact]:
        """The session is over: unfinished words are final."""
        return self._words.close()

    def response_done(self, response: Mapping[str, Any], identity: str, aside: bool) -> list[Fact]:
        """The response is over: make up for what its items' own events did not tell."""
        facts: list[Fact] = []
        complete = text_of(response, "status") == "completed"
        for item in maps_of(response, "output"):
            if not aside:
                facts += self._complete(item, "")
            facts += self._finished(item, identity, complete)
        return facts + self.response_over(identity, complete, aside)

    def response_over(
        self, response: str, complete: bool = True, aside: bool = False
    ) -> list[Fact]:
        """A response is over, in whatever way: its items are complete as they are."""
        calls = self._drafts.over(response, complete)
        facts = self._news(calls)
        for item in self._of_response.pop(response, ()):
            words = self._words.known(item)
            facts += self._words.end(item)
            if words and not aside:
                facts += self._complete(message(item, words, complete), "")
        return facts

    def belongs(self, event: Mapping[str, Any]) -> None:
        """Remember to which response the item of an event belongs."""
        response = text_of(event, "response_id")
        item = text_of(event, "item_id") or text_of(map_of(event, "item"), "id")
        if response and item and not text_of(event, "type").startswith(_TRANSCRIPTION):
            items = self._of_response.setdefault(response, {})
            items[item] = None
            forget_oldest(items, MAX_OF_RESPONSE)
            forget_oldest(self._of_response, MAX_RESPONSES)

    def grows(self, event: Mapping[str, Any]) -> list[Fact]:
        """More comes of an item of a response of the conversation: by now it has its place.

        A message of which the response says that it is done is done.
        """
        item, kind = text_of(event, "item_id"), text_of(event, "type")
        if kind == "response.output_item.done":
            made = map_of(event, "item")
            return self._complete(made, "") if text_of(made, "type") == "message" else []
        if not item or item in self._added or not kind.startswith("response."):
            return []
        content = self._announced.pop(item, None)
        if content is None and kind.startswith("response.mcp_call"):
            return []
        return self._place(content or begun(item, event), "")

    # Places

    def _item_added(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item = map_of(event, "item")
        facts = self._place(item, text_of(event, "previous_item_id"))
        if event["type"] == "conversation.item.created" and is_made(item):
            facts += self._complete(item, "")  # Nothing else will follow.
            facts += self._words.turn_done(item)
        return facts

    def _item_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item = map_of(event, "item")
        facts = self._complete(item, text_of(event, "previous_item_id"))
        self._drafts.item_done(item)
        return facts + self._words.item_done(item) + self._words.turn_done(item)

    def _place(self, item: Mapping[str, Any], previous: str) -> list[Fact]:
        identity = text_of(item, "id")
        self._messages.settled(identity)
        self._announced.pop(identity, None)
        if text_of(item, "type") == "mcp_list_tools":
            self._lists[identity] = text_of(item, "server_label")
            forget_oldest(self._lists, MAX_OPEN)
        return [ItemAdded(identity, previous, item)] if self._added.first(identity) else []

    def _complete(self, item: Mapping[str, Any], previous: str) -> list[Fact]:
        facts = self._place(item, previous)
        identity = text_of(item, "id")
        return [*facts, ItemDone(identity, item)] if self._done.first(identity) else facts

    def _item_deleted(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item = text_of(event, "item_id")
        self._words.unexpected(item)
        return [ItemDeleted(item)] if self._deleted.first(item) else []

    def _item_truncated(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item, end_ms = text_of(event, "item_id"), max(0, whole_of(event, "audio_end_ms"))
        if not item or not self._cuts.first((item, end_ms)):
            return []
        return [*self._words.end(item), ItemTruncated(item, end_ms)]

    # Calls and words of the assistant

    def _output_added(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item = map_of(event, "item")
        self._drafts.added(item, text_of(event, "response_id"))
        if text_of(item, "id") and text_of(item, "id") not in self._added:
            self._announced[text_of(item, "id")] = outline(item)
            forget_oldest(self._announced, MAX_OPEN)
        return []

    def _tools_missing(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item = text_of(event, "item_id")
        if not self._done.first(("tools", item)):
            return []
        return [ServerToolsMissing(item, self._lists.pop(item, ""))]

    def _tool_ended(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item = text_of(event, "item_id")
        return [ServerToolEnded(item)] if self._done.first(("tool", item)) else []

    def _arguments_delta(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        self._drafts.arguments_delta(event)
        return []

    def _arguments_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        calls = self._drafts.arguments_done(event)
        return self._news(calls)

    def _output_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item = map_of(event, "item")
        complete = text_of(item, "status") in ("completed", "")
        return self._finished(item, text_of(event, "response_id"), complete)

    def _finished(self, item: Mapping[str, Any], response: str, complete: bool) -> list[Fact]:
        if text_of(item, "type") != "function_call":
            return self._words.item_done(item)
        ended = complete and text_of(item, "status") in ("completed", "")
        call = self._drafts.finished(item, response, ended)
        return [] if call is None else self._news([call])

    def _news(self, calls: Sequence[Called]) -> list[Fact]:
        """A call that has an id is told once, whichever items it has."""
        return [
            one for one in calls if isinstance(one, CallNameless) or self._called.first(one.call)
        ]

    def _part_added(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        return self._voice(event) if text_of(map_of(event, "part"), "type") == "audio" else []

    def _voice(self, event: Mapping[str, Any]) -> list[Fact]:
        item = text_of(event, "item_id")
        if not self._voiced.first(item):
            return []
        return [ItemVoiced(text_of(event, "response_id"), item)]

    def _voice_delta(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        return self._voice(event) + self._words.delta(event, now_ns)

    def _content_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        """A part of an item is complete: its words come here too, and whether it has sound."""
        part = map_of(event, "part")
        voice = self._voice(event) if text_of(part, "type") == "audio" else []
        self._words.part_done({**part, **event})
        return voice

    def _sound_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        return self._voice(event)

    def _part_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        self._words.part_done(event)
        return []

    # Words of people

    def _user_delta(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        is_answer = self._is_answer(text_of(event, "item_id"))
        return [] if is_answer else self._words.spoken_delta(event, now_ns)

    def _is_answer(self, item: str) -> bool:
        """Whether a response makes the item: its words are nobody's transcript."""
        return any(item in items for items in self._of_response.values())

    def _user_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        return self._transcribed(event, text_of(event, "transcript").strip(), "")

    def _user_failed(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        error = map_of(event, "error")
        words = (text_of(error, "code") or text_of(error, "type"), text_of(error, "message"))
        return self._transcribed(event, "", ": ".join(filter(None, words)) or "unknown")

    def _transcribed(self, event: Mapping[str, Any], text: str, failure: str) -> list[Fact]:
        item = text_of(event, "item_id")
        self._words.unexpected(item)
        return [] if self._is_answer(item) else self._words.transcribed(event, text, failure)
