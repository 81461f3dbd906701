"""What server events say about the items of a conversation: their place, words and calls. Sans-I/O.

Part of the reducer (``events``). Everything is kept by item id, and each fact is told once per id,
in whatever order the events come. The words of an item of the assistant are final when the item is
done or cut; deltas that come later are ignored.

A tool is called when ``response.output_item.done`` brings its item with status ``completed``. That
is earlier than ``response.done`` (a message beside the call can go on for seconds), and right: a
complete call is part of the conversation and is owed an output even where its response is
cancelled a moment later. A cancelled call comes as ``incomplete`` and is not told.

Where that event is missing, ``response.done`` stands in: by its ``output``, or, where the response
is completed, by what ``function_call_arguments.done`` and ``conversation.item.done`` brought
(``reduce_calls``). Before that they do not count: the arguments of a call that is being cancelled
come by the former too.

A message of ours that the server neither acknowledges nor refuses counts as taken when the answer
begins that was asked for after it, or after ``TAKEN_NS``, if the server has said anything since.
Words of people that do not come within ``WORDS_NS`` are what was understood of them by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..facts import (
    Fact,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemTruncated,
    ItemVoiced,
    ServerToolsMissing,
    Transcribed,
)
from .bounds import MAX_FIELD_CHARS
from .captions import CaptionBook
from .event_fields import Once, map_of, maps_of, text_of, whole_of
from .reduce_calls import CallDrafts

MAX_OPEN = 32
"""Items of the assistant that may be unfinished at once; of more the oldest is forgotten."""

TAKEN_NS = 3_000_000_000
"""A message that is not refused by then was taken."""
WORDS_NS = 30_000_000_000
"""Longest time between two signs of the words of an item."""
MAX_RESPONSES = 32
"""Responses whose items are kept apart; of more the oldest is forgotten."""
MAX_OF_RESPONSE = 128
"""Items of one response that are kept together."""
MAX_PARTS = 64
"""Parts of one item whose texts are kept apart."""

Handler = Callable[[Mapping[str, Any], int], list[Fact]]
_TRANSCRIPTION = "conversation.item.input_audio_transcription"


class ItemBook:
    """The items of one session. ``handlers`` is the table of the event types it knows."""

    def __init__(self) -> None:
        self._captions = CaptionBook()
        self._added, self._done, self._deleted = Once(), Once(), Once()
        self._voiced, self._worded, self._called = Once(), Once(), Once()
        self._cuts = Once()
        self._unwritten: dict[str, int] = {}
        """Spoken items whose transcripts have not come, and when anything last came of them."""
        self._given_up: dict[str, None] = {}
        """Spoken items whose transcripts are not waited for any more."""
        self._drafts = CallDrafts()
        self._untaken: dict[str, tuple[Mapping[str, Any], int]] = {}
        """Messages of ours that are not acknowledged, and when they were sent."""
        self._asked: dict[str, tuple[str, ...]] = {}
        """Messages of ours that were not acknowledged when an answer was asked for, by request."""
        self._growing: dict[str, int] = {}
        """Items of the assistant whose words come, and when they last did."""
        self._of_response: dict[str, dict[str, None]] = {}
        """Items by the response that makes them."""
        self._lists: dict[str, str] = {}
        """Servers whose tools the server lists, by item."""
        self._announced: dict[str, Mapping[str, Any]] = {}
        """Items that a response has begun, before they have their place."""
        self._parts: dict[str, dict[int, str]] = {}
        """Whole texts of the parts of unfinished items, by item and content index."""
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
            "response.output_text.delta": self._text_delta,
            "response.output_text.done": self._part_done,
            "response.function_call_arguments.delta": self._arguments_delta,
            "response.function_call_arguments.done": self._arguments_done,
            "response.output_item.added": self._output_added,
            "response.output_item.done": self._output_done,
            "mcp_list_tools.failed": self._tools_missing,
        }

    @property
    def awaits_words(self) -> bool:
        """The transcript of something that people said is still to come."""
        return bool(self._unwritten)

    def has_called(self, call: str) -> bool:
        """Whether the model has made the tool call with this id."""
        return call in self._called

    def spoken(self, item: str, now_ns: int) -> None:
        """A turn of somebody has become an item, or its words begin to come."""
        if item not in self._worded:
            self._unwritten[item] = now_ns
            _forget(self._unwritten, MAX_OPEN)

    def sent(self, event: Mapping[str, Any], now_ns: int) -> None:
        """A client event of ours: its item is no news, and waits to be taken."""
        item = map_of(event, "item")
        if text_of(event, "type") == "response.create":
            self._asked[text_of(event, "event_id")] = tuple(self._untaken)
            _forget(self._asked, MAX_OPEN)
        if text_of(event, "type") != "conversation.item.create" or not text_of(item, "id"):
            return
        self._drafts.ours(text_of(item, "id"))
        if text_of(item, "type") == "message" and text_of(item, "role") == "user":
            self._untaken[text_of(item, "id")] = item, now_ns
            _forget(self._untaken, MAX_OPEN)

    def is_made_by_model(self, item: Mapping[str, Any]) -> bool:
        """Whether only a response can have made this item."""
        of_model = text_of(item, "type") == "function_call" or text_of(item, "role") == "assistant"
        identity = text_of(item, "id")
        return of_model and bool(identity) and not self._drafts.is_ours(identity)

    def refused(self, event_id: str) -> None:
        """The server refused a client event of ours: its item, if it made one, is not taken."""
        self._untaken.pop(event_id, None)

    def answered(self, request: str) -> list[Fact]:
        """The answer to this request of ours begins: what was sent before it is taken."""
        asked = self._asked.pop(request, ())
        taken = [self._untaken[item][0] for item in asked if item in self._untaken]
        return [fact for content in taken for fact in self._complete(content, "")]

    def tick(self, now_ns: int, heard_ns: int = 0) -> list[Fact]:
        """Captions that were held back, and what is not waited for any longer.

        ``heard_ns``: when anything last came from the server.
        """
        facts: list[Fact] = [*self._captions.tick(now_ns)]
        for content, sent_ns in list(self._untaken.values()):
            if now_ns >= sent_ns + TAKEN_NS and heard_ns > sent_ns:
                facts += self._complete(content, "")
        for item, sign_ns in list(self._unwritten.items()):
            if now_ns >= sign_ns + WORDS_NS:
                facts += self._give_up(item)
        for item, sign_ns in list(self._growing.items()):
            if now_ns >= sign_ns + WORDS_NS:
                facts += self._final(item, "")
        return facts

    def next_timeout_ns(self, heard_ns: int = 0) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        if not (self._untaken or self._unwritten or self._growing):
            return self._captions.next_timeout_ns()
        waiting = [ns + TAKEN_NS for _, ns in self._untaken.values() if heard_ns > ns]
        waiting += [ns + WORDS_NS for ns in (*self._unwritten.values(), *self._growing.values())]
        captions_ns = self._captions.next_timeout_ns()
        return min(waiting if captions_ns is None else [*waiting, captions_ns], default=None)

    def close(self) -> list[Fact]:
        """The session is over: unfinished words are final."""
        facts: list[Fact] = []
        for item in list(self._parts):
            facts += self._final(item, "")
        return [*facts, *self._captions.clear()]

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
        facts: list[Fact] = [call for call in calls if self._called.first(call.call)]
        for item in self._of_response.pop(response, ()):
            words = self._known_words(item)
            facts += self._final(item, "")
            if words and not aside:
                facts += self._complete(_message(item, words, complete), "")
        return facts

    def belongs(self, event: Mapping[str, Any]) -> None:
        """Remember to which response the item of an event belongs."""
        response = text_of(event, "response_id")
        item = text_of(event, "item_id") or text_of(map_of(event, "item"), "id")
        if response and item and not text_of(event, "type").startswith(_TRANSCRIPTION):
            items = self._of_response.setdefault(response, {})
            items[item] = None
            _forget(items, MAX_OF_RESPONSE)
            _forget(self._of_response, MAX_RESPONSES)

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
        return self._place(content or _begun(item, event), "")

    # Places

    def _item_added(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item = map_of(event, "item")
        facts = self._place(item, text_of(event, "previous_item_id"))
        if event["type"] == "conversation.item.created" and _is_made(item):
            facts += self._complete(item, "")  # Nothing else will follow.
        return facts

    def _item_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item = map_of(event, "item")
        facts = self._complete(item, text_of(event, "previous_item_id"))
        self._drafts.item_done(item)
        return facts + self._words_of(item)

    def _place(self, item: Mapping[str, Any], previous: str) -> list[Fact]:
        identity = text_of(item, "id")
        self._untaken.pop(identity, None)
        self._announced.pop(identity, None)
        if text_of(item, "type") == "mcp_list_tools":
            self._lists[identity] = text_of(item, "server_label")
            _forget(self._lists, MAX_OPEN)
        return [ItemAdded(identity, previous, item)] if self._added.first(identity) else []

    def _complete(self, item: Mapping[str, Any], previous: str) -> list[Fact]:
        facts = self._place(item, previous)
        identity = text_of(item, "id")
        return [*facts, ItemDone(identity, item)] if self._done.first(identity) else facts

    def _item_deleted(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item = text_of(event, "item_id")
        self._unwritten.pop(item, None)
        return [ItemDeleted(item)] if self._deleted.first(item) else []

    def _item_truncated(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item, end_ms = text_of(event, "item_id"), max(0, whole_of(event, "audio_end_ms"))
        if not item or not self._cuts.first((item, end_ms)):
            return []
        return [*self._final(item, ""), ItemTruncated(item, end_ms)]

    # Calls and words of the assistant

    def _output_added(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item = map_of(event, "item")
        self._drafts.added(item, text_of(event, "response_id"))
        if text_of(item, "id") and text_of(item, "id") not in self._added:
            self._announced[text_of(item, "id")] = _outline(item)
            _forget(self._announced, MAX_OPEN)
        return []

    def _tools_missing(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item = text_of(event, "item_id")
        if not self._done.first(("tools", item)):
            return []
        return [ServerToolsMissing(item, self._lists.pop(item, ""))]

    def _arguments_delta(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        self._drafts.arguments_delta(event)
        return []

    def _arguments_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        calls = self._drafts.arguments_done(event)
        return [call for call in calls if self._called.first(call.call)]

    def _output_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item = map_of(event, "item")
        complete = text_of(item, "status") in ("completed", "")
        return self._finished(item, text_of(event, "response_id"), complete)

    def _finished(self, item: Mapping[str, Any], response: str, complete: bool) -> list[Fact]:
        if text_of(item, "type") != "function_call":
            return self._words_of(item)
        ended = complete and text_of(item, "status") in ("completed", "")
        call = self._drafts.finished(item, response, ended)
        if call is None or not self._called.first(call.call):
            return []
        return [call]

    def _words_of(self, item: Mapping[str, Any]) -> list[Fact]:
        """The item is done; where it was cut off, this ends it instead of its text's ``done``."""
        if text_of(item, "role") != "assistant":
            return []
        parts = maps_of(item, "content")
        words = [text_of(part, "transcript") or text_of(part, "text") for part in parts]
        return self._final(text_of(item, "id"), "".join(words))

    def _known_words(self, item: str) -> str:
        """What its parts or its deltas say, whichever says more."""
        parts = self._parts.get(item, {})
        known = "".join(text for _, text in sorted(parts.items()))
        return max(known, self._captions.collected(item) or "", key=len)

    def _final(self, item: str, words: str) -> list[Fact]:
        """The final caption: of the item's content, its parts and its deltas what says most.

        An end without a word, of an item of which none was shown, is none: they may come yet.
        """
        self._growing.pop(item, None)
        words = max(words, self._known_words(item), key=len)[:MAX_FIELD_CHARS]
        self._parts.pop(item, None)
        if item in self._worded or not (words or self._captions.collected(item) is not None):
            return []
        self._worded.first(item)
        return list(self._captions.done("assistant", item, words))

    def _part_added(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        return self._voice(event) if text_of(map_of(event, "part"), "type") == "audio" else []

    def _voice(self, event: Mapping[str, Any]) -> list[Fact]:
        item = text_of(event, "item_id")
        if not self._voiced.first(item):
            return []
        return [ItemVoiced(text_of(event, "response_id"), item)]

    def _voice_delta(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        return self._voice(event) + self._text_delta(event, now_ns)

    def _text_delta(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item, delta = text_of(event, "item_id"), text_of(event, "delta")
        if not delta or not item or item in self._worded:
            return []
        self._growing[item] = now_ns
        _forget(self._growing, MAX_OPEN)
        return list(self._captions.delta("assistant", item, delta, now_ns))

    def _content_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        """A part of an item is complete: its words come here too, and whether it has sound."""
        part = map_of(event, "part")
        voice = self._voice(event) if text_of(part, "type") == "audio" else []
        return [*voice, *self._part_done({**part, **event}, now_ns)]

    def _sound_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        return self._voice(event)

    def _part_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item = text_of(event, "item_id")
        text = text_of(event, "transcript") or text_of(event, "text")
        if item and item not in self._worded:
            self._part(self._parts.setdefault(item, {}), whole_of(event, "content_index"), text)
            _forget(self._parts, MAX_OPEN)
        return []

    @staticmethod
    def _part(parts: dict[int, str], index: int, text: str) -> None:
        """Keep the text of one part, within what is kept of the item."""
        known = sum(len(other) for place, other in parts.items() if place != index)
        if index in parts or len(parts) < MAX_PARTS:
            parts[index] = text[: max(0, MAX_FIELD_CHARS - known)]

    # Words of people

    def _user_delta(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item, delta = text_of(event, "item_id"), text_of(event, "delta")
        if not delta or not item or item in self._worded or self._is_answer(item):
            return []
        self.spoken(item, now_ns)
        return list(self._captions.delta("user", item, delta, now_ns))

    def _is_answer(self, item: str) -> bool:
        """Whether a response makes the item: its words are nobody's transcript."""
        return any(item in items for items in self._of_response.values())

    def _give_up(self, item: str) -> list[Fact]:
        """The words of a turn do not come, or not all: what was understood are its words."""
        del self._unwritten[item]
        text = self._captions.collected(item)
        if text is None or not self._worded.first(item):
            return []
        self._given_up[item] = None
        _forget(self._given_up, MAX_OPEN)
        return [Transcribed(item, text.strip()), *self._captions.done("user", item, None)]

    def _user_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        return self._transcribed(event, text_of(event, "transcript").strip(), "")

    def _user_failed(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        error = map_of(event, "error")
        words = (text_of(error, "code") or text_of(error, "type"), text_of(error, "message"))
        return self._transcribed(event, "", ": ".join(filter(None, words)) or "unknown")

    def _transcribed(self, event: Mapping[str, Any], text: str, failure: str) -> list[Fact]:
        item = text_of(event, "item_id")
        self._unwritten.pop(item, None)
        if self._is_answer(item):
            return []
        if not self._worded.first(item) and item not in self._given_up:
            return []
        self._given_up.pop(item, None)
        shown = self._captions.collected(item) is not None
        captions = self._captions.done("user", item, None if failure else text)
        usage = map_of(event, "usage") or None
        fact = Transcribed(item, text, usage, failure)
        return [fact, *captions] if text or shown else [fact]


def _forget(book: dict[Any, Any], limit: int) -> None:
    """Of more than ``limit`` entries the oldest goes."""
    if len(book) > limit:
        del book[next(iter(book))]


_OUTLINE = ("id", "type", "role", "status", "name", "call_id", "server_label", "arguments")


def _outline(item: Mapping[str, Any]) -> dict[str, str]:
    """What an item is that is only being made."""
    return {key: item[key] for key in _OUTLINE if isinstance(item.get(key), str)}


def _is_made(item: Mapping[str, Any]) -> bool:
    """Whether an item is complete; where it has no status, one that no response makes is."""
    status = text_of(item, "status")
    is_reply = text_of(item, "role") == "assistant" or text_of(item, "type") == "function_call"
    return status == "completed" or not (status or is_reply)


def _begun(item: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """An item of which nothing is known but that it grows."""
    if text_of(event, "type").startswith("response.function_call_arguments."):
        call = {key: text_of(event, key) for key in ("call_id", "name")}
        return {"id": item, "type": "function_call", "status": "in_progress", **call}
    status = {"role": "assistant", "status": "in_progress"}
    return {"id": item, "type": "message", **status, "content": []}


def _message(item: str, words: str, complete: bool) -> dict[str, Any]:
    """A message of the assistant of which only the words are known."""
    return {
        "id": item,
        "type": "message",
        "role": "assistant",
        "status": "completed" if complete else "incomplete",
        "content": [{"type": "output_audio", "transcript": words}],
    }
