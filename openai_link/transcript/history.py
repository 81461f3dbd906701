"""What a new session is told of the conversation so far. Sans-I/O.

The Realtime API has no resume: history is sent as ``conversation.item.create`` events, oldest
first. Sound cannot be sent, so both sides become text. Each item gets a new id, so that the
transcript knows its echo: that of its event, whose prefix must be new for each session. A tool call
and its result stay together; a call without a result is sent alone, as it still runs here, and
nothing ever makes a tool run from history: the link executes calls that a response makes, not
items that it created itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from mixer_core.journal.records import HistoryItem

from ..pictures import Picture
from ..realtime.client_events import MAX_ITEM_ID_CHARS, ClientEvents
from ..settings import OpenaiLinkSettings

_CUT = " …"
"""Ends a reply that was interrupted."""


@dataclass(frozen=True, slots=True)
class SeedLimits:
    """How much history a session is seeded with."""

    max_items: int = 100
    max_chars: int = 60_000
    """Of words, arguments and results."""

    @staticmethod
    def of(settings: OpenaiLinkSettings) -> SeedLimits:
        """The limits that the settings ask for."""
        return SeedLimits(settings.history_max_items, settings.history_max_chars)


class Seed(NamedTuple):
    """What to send, and how to know it again."""

    events: list[dict[str, Any]]
    """``conversation.item.create`` events in order."""
    new_ids: dict[str, str]
    """Id of an item in the transcript to its id in the new session (``Transcript.seeded``)."""
    ignored: list[str]
    """Ids of the results of tools, which are no items of the transcript."""


def seed_events(
    items: Sequence[HistoryItem],
    events: ClientEvents,
    limits: SeedLimits,
    names: Iterable[str] = (),
    pictures: Mapping[str, Picture] = MappingProxyType({}),
) -> Seed:
    """The events that tell a new session of ``items``.

    Args:
        items: the conversation in order; what has no words is left out.
        events: makes the events of the new session.
        limits: the newest items that fit are told, without a gap; items are single here: a
            call with its result counts as two.
        names: everybody who is in the room; several people, there or in ``items``, have their
            names put before their words.
        pictures: those that are shown again, by item; others are told of in words.
    """
    chosen = _newest(items, limits)
    people = {name for name in names if name}
    people |= {item.name for item in chosen if item.role == "user" and item.name}
    seed = Seed([], {}, [])
    for item in chosen:
        if item.kind == "tool":
            _tell_tool(seed, item, events)
        else:
            picture = pictures.get(item.item)
            event = message_event(item, events, len(people) > 1, picture=picture)
            _tell(seed, item, event)
    return seed


def _newest(items: Sequence[HistoryItem], limits: SeedLimits) -> list[HistoryItem]:
    chosen: list[HistoryItem] = []
    count = chars = 0
    for item in reversed(items):
        if not _is_told(item):
            continue
        count += 2 if item.kind == "tool" and not item.pending else 1
        chars += len(item.text) + len(item.arguments) + len(item.output)
        if count > limits.max_items or chars > limits.max_chars:
            break
        chosen.append(item)
    return chosen[::-1]


def _is_told(item: HistoryItem) -> bool:
    if item.kind == "tool":
        broken_off = item.ok is False and not item.output
        return bool(item.call and item.tool) and not broken_off
    return bool(item.text.strip())


def message_event(
    item: HistoryItem,
    events: ClientEvents,
    with_name: bool = False,
    after: str = "",
    picture: Picture | None = None,
) -> dict[str, Any]:
    """The event that tells of a message, behind the item ``after`` (empty: as the last one)."""
    text = item.text
    if item.role == "user" and with_name and item.name:
        text = f"{item.name}: {text}"
    if item.role == "assistant" and item.heard_ms is not None:
        text += _CUT
    if picture is not None:
        return events.user_picture(picture.url, text, after=after)
    return events.message(item.role, text, after=after)


def seeded_call(call: str) -> str:
    """The id under which a session is told of the tool call ``call``."""
    return call[:MAX_ITEM_ID_CHARS]


def _tell_tool(seed: Seed, item: HistoryItem, events: ClientEvents) -> None:
    call = seeded_call(item.call)
    _tell(seed, item, events.function_call(call, item.tool, item.arguments or "{}"))
    if not item.pending:
        result = events.function_output(call, item.output)
        seed.events.append(result)
        seed.ignored.append(result["item"]["id"])


def _tell(seed: Seed, item: HistoryItem, event: dict[str, Any]) -> None:
    seed.events.append(event)
    seed.new_ids[item.item] = event["item"]["id"]
