"""What somebody typed or showed, until the server has taken it. Sans-I/O.

Its caption waits as long. A session that ends takes with it what it has not taken: the next one is
told again, if it comes before nobody expects an answer any more.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from ..pictures import Picture
from ..turns.actions import TypedText
from .actions import Event
from .waiting_lines import MAX_WAIT_NS

MAX_CAPTION_BYTES = 15_000
"""Words and thumbnail of a caption: a frame holds 16 KiB."""
MAX_SHOWN = 2
"""Sessions that a picture is shown to before one takes it."""
MAX_TYPED = 64
"""Typed messages that wait for the server to take them; of more the oldest are told as they are."""


@dataclass(frozen=True, slots=True)
class Untaken:
    """What somebody typed or showed, and no session has taken yet."""

    session: int
    """The session that was told last."""
    caption: Event
    until_ns: int
    """Nobody expects an answer any more."""
    picture: Picture | None = None
    told: int = 1
    """Sessions that were told."""
    is_answered: bool = True
    """A picture is answered when it is taken, unless the assistant was stopped since."""

    @property
    def is_hopeless(self) -> bool:
        """A picture with which sessions end again and again."""
        return self.picture is not None and self.told >= MAX_SHOWN

    def in_words(self, text: str) -> Untaken:
        """The same without the picture: as if only ``text`` had been typed."""
        caption = {k: v for k, v in self.caption.items() if k not in ("picture", "thumbnail")}
        words = {**caption, "text": text}
        return Untaken(self.session, words, self.until_ns, is_answered=self.is_answered)

    @property
    def item(self) -> str:
        """Its id in the session that was told last."""
        return str(self.caption["item"])

    @property
    def line(self) -> Event:
        """The words that somebody typed, if there are any, as their browser sent them."""
        words = self.caption["text"] if self.picture is None else self.picture.text
        sender = {"participant": self.caption["speaker"]}
        return {"type": "say", "text": words, **sender} if words else {"type": "show", **sender}


class UntakenTexts:
    """Of one room, by item."""

    def __init__(self) -> None:
        self._typed: dict[str, Untaken] = {}

    def __len__(self) -> int:
        return len(self._typed)

    def __contains__(self, item: object) -> bool:
        return item in self._typed

    def typed(self, session: int, text: TypedText, name: str, now_ns: int) -> list[Event]:
        """``session`` is told of it; ``name``: of who typed it, or empty.

        Returns the captions of the oldest ones that nothing is waited for any longer.
        """
        picture = text.picture
        caption = _with_thumbnail({**text.event, **({"name": name} if name else {})}, picture)
        self._typed[text.item] = Untaken(session, caption, now_ns + MAX_WAIT_NS, picture)
        oldest = list(self._typed)[:-MAX_TYPED]
        return [self._typed.pop(item).caption for item in oldest]

    def withdrawn(self) -> None:
        """Nobody waits for an answer to any of it; sessions are told it all the same."""
        self._typed = {i: replace(typed, is_answered=False) for i, typed in self._typed.items()}

    def forget(self) -> None:
        """No session is told any of it any more."""
        self._typed.clear()

    def without(self, sessions: Collection[int], now_ns: int | None = None) -> list[Untaken]:
        """What none of the ``sessions`` that there are can take; it is forgotten here.

        ``now_ns``: only what has waited for too long by then; None: all.
        """
        lost = [
            item
            for item, typed in self._typed.items()
            if typed.session not in sessions and (now_ns is None or typed.until_ns <= now_ns)
        ]
        return [self._typed.pop(item) for item in lost]

    def until_ns(self, sessions: Collection[int]) -> int | None:
        """When the first of ``without`` has waited for too long; None: there is none."""
        if not self._typed:
            return None
        lost = (typed for typed in self._typed.values() if typed.session not in sessions)
        return min((typed.until_ns for typed in lost), default=None)

    def told_again(self, session: int, typed: Untaken, item: str) -> None:
        """What was typed or shown before is told again in ``session``, as ``item``."""
        caption = {**typed.caption, "item": item}
        self._typed[item] = replace(typed, session=session, caption=caption, told=typed.told + 1)

    def is_picture(self, item: str) -> bool:
        """Whether that is a picture which the server has not taken yet."""
        return item in self._typed and self._typed[item].picture is not None

    def take(self, item: str) -> Untaken | None:
        """It is taken, or refused; None: it is not known here."""
        return self._typed.pop(item, None)


def _with_thumbnail(caption: Event, picture: Picture | None) -> Event:
    """The caption of a picture, with its thumbnail where there is room for it."""
    if picture is None or not picture.thumbnail:
        return caption
    size_bytes = len(picture.shown.encode("utf-8", "replace")) + len(picture.thumbnail)
    return (
        caption if size_bytes > MAX_CAPTION_BYTES else {**caption, "thumbnail": picture.thumbnail}
    )
