"""Who said which item of the conversation, and for whom a response is made. Sans-I/O.

The server knows one microphone. What was spoken is matched with the speech timeline by the time of
its turn, what was written with its words, in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from .speech_timeline import Shares, SpeechTimeline

MAX_KEPT = 256
"""Turns, speakers, names and written messages that are kept, the newest."""
PADDING_NS = 400_000_000
"""Speech began so long before the server said so."""
TURN_LIMIT_NS = 60_000_000_000
"""A turn whose begin is not known (push-to-talk) is not longer."""
SECOND_VOICE_SHARE = 0.25
"""Who talked for so much of a turn is named beside the main speaker."""

_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class ExpectedText:
    """A written message whose item has not come yet."""

    event_id: str
    participant: str
    text: str
    wall_ms: int
    shown: str = ""
    """What the record says in its place; empty: the same."""


class Attribution:
    """Attribution of one room's items."""

    def __init__(self, timeline: SpeechTimeline) -> None:
        self.names: dict[str, str] = {}
        """Of everybody who is or was here, by participant."""
        self._timeline = timeline
        self._turns: dict[str, tuple[int, int | None]] = {}
        self._shares: dict[str, Shares] = {}
        self._said: list[ExpectedText] = []
        self._last_turn_ns = 0
        self._asking: Shares = []
        self._answering: dict[str, Shares] = {}

    def forget(self) -> None:
        """What was said is forgotten; names stay."""
        self._turns, self._shares, self._answering = {}, {}, {}
        self._said, self._asking = [], []

    def people(self, names: Mapping[str, str]) -> None:
        """Names of those who are in the room; those who left stay known."""
        for who, name in names.items():
            _keep(self.names, who, name)

    def speech_started(self, item: str, now_ns: int) -> None:
        """A turn began."""
        _keep(self._turns, item, (now_ns - PADDING_NS, None))

    def speech_stopped(self, item: str, now_ns: int) -> None:
        """A turn is over."""
        if item in self._turns:
            self._turns[item] = (self._turns[item][0], now_ns)

    def began_ns(self, item: str) -> int | None:
        """When the turn of ``item`` began; None where the server did not say (push-to-talk)."""
        return self._turns[item][0] if item in self._turns else None

    def measure(self, item: str, now_ns: int) -> None:
        """The turn of ``item`` is complete: see who talked, once."""
        if item in self._shares:
            return
        begin_ns = max(self._last_turn_ns, now_ns - TURN_LIMIT_NS)
        from_ns, to_ns = self._turns.get(item, (begin_ns, None))
        self._last_turn_ns = now_ns
        self._ask(item, self._timeline.who(from_ns, to_ns or now_ns))

    def says(self, said: ExpectedText, name: str) -> None:
        """Somebody writes."""
        _keep(self.names, said.participant, name)
        self._said.append(said)
        del self._said[:-MAX_KEPT]

    def said_again(self, before: str, item: str, words: str | None) -> None:
        """What was to become ``before`` is to become ``item``; ``words``: in place of its own."""
        for at, said in enumerate(self._said):
            if said.event_id == before:
                text, shown = (said.text, said.shown) if words is None else (words, "")
                self._said[at] = replace(said, event_id=item, text=text, shown=shown)

    def take_said(self, item: str, text: str) -> ExpectedText | None:
        """The message that has become ``item``, if somebody wrote it: by its id, else its words."""
        by_id = (said for said in self._said if said.event_id == item)
        by_text = (said for said in self._said if said.text == text)
        said = next(by_id, None) or next(by_text, None)
        if said is not None:
            self._said.remove(said)
            self._ask(item, [(said.participant, 1.0)])
        return said

    def response_started(self, response: str) -> None:
        """A response begins: it answers the newest turns."""
        _keep(self._answering, response, self._asking)

    def shares(self, item: str) -> Shares:
        """Who said an item; empty where it is not known."""
        return self._shares.get(item, [])

    def response_shares(self, response: str) -> Shares:
        """Whose words a response answers; empty: nobody asked."""
        return self._answering.get(response, self._asking)

    def speaker(self, item: str) -> tuple[str, str]:
        """Participant who said most of an item, and the names of all who said much of it."""
        shares = self.shares(item)
        if not shares:
            return "", ""
        named = [who for who, share in shares if share >= SECOND_VOICE_SHARE] or [shares[0][0]]
        return shares[0][0], ", ".join(self.names.get(who, who) for who in named)

    def _ask(self, item: str, shares: Shares) -> None:
        _keep(self._shares, item, shares)
        self._asking = shares or self._asking


def _keep(book: dict[str, _V], key: str, value: _V) -> None:
    """Put an entry at the end; the oldest go."""
    book.pop(key, None)
    book[key] = value
    if len(book) > MAX_KEPT:
        del book[next(iter(book))]
