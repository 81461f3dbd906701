"""A reply that is interrupted ends where it was heard, for people, record and model alike. Sans-I/O.

When people speak over the reply, some of it waits in front of their loudspeakers: it was sent, and
nobody will hear it. Browsers report what they have played (``playout``); after a flush the link
waits for their last reports, at most ``WAIT_NS``, and the item ends at the furthest place that any
of them reached (``shortening``). A response that was cancelled before it sounded was not heard.

How the shell calls it (one ``PlaybackTracker`` per call, ``now_ns`` monotonic everywhere):

=======================  ==========================================================================
when                     do
=======================  ==========================================================================
a fact of the reducer    ``on_fact``, before ``TurnPolicy.on_fact``
a frame to the mixer     ``sent``: every one that passes the gate, concealed ones and tails too
an audio delta (WS)      ``made``: its samples, whether or not they will be played
roster changed           ``on_roster``, also once at the beginning of a call
``Flush`` carried out    ``cut`` with the number of the epoch that has just begun
EVENT ``played``         ``played`` with the participant whose it is, late ones too
time-out                 ``tick`` at ``next_timeout_ns``
a caption to be told     only if ``passes``: words that were cut off must not come back
the call is over         ``end``, after ``Reducer.close``
=======================  ==========================================================================

``on_fact``, ``cut``, ``played``, ``tick`` and ``end`` return actions: ``Send`` upstream, and
``Truncation``, which goes to the chronicle and, once that has been written, to the browsers as the
item's final caption. A later ``Truncation`` of an item replaces an earlier one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..media.quiet import DECODED_SILENCE_PEAK, is_quiet
from ..realtime.captions import Caption
from ..realtime.client_events import ClientEvents
from ..realtime.facts import (
    Fact,
    ItemDone,
    ItemTruncated,
    ItemVoiced,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
)
from .positions import MS_SAMPLES, PlaybackPositions
from .truncation import GAIN_MS, TrackerAction, Truncation, Truncator

__all__ = ["WAIT_NS", "PlaybackTracker", "TrackerAction", "Truncation"]

WAIT_NS = 250_000_000
"""How long the browsers' last reports are waited for after a flush."""
TAIL_NS = 1_000_000_000
"""So long after its end a reply may still be waiting in front of a loudspeaker."""
LEAD_SAMPLES = 100 * MS_SAMPLES
"""Sound this close before ``output_audio_buffer.started`` belongs to that reply: the event and
the packets travel apart."""
MAX_REPLIES = 8
"""Replies that are remembered; of more the oldest is taken to have been heard."""


@dataclass(slots=True)
class _Reply:
    """One response that has sound."""

    items: list[str] = field(default_factory=list)
    start: int | None = None
    """Place of its first sample; None before it sounds."""
    end: int | None = None
    """Place behind its last sample; None while it goes on."""
    ended_ns: int = 0
    generated: bool = False
    """All of it has been made."""

    def is_waiting(self, now_ns: int) -> bool:
        """Whether some of it may not have been heard yet."""
        if self.start is None:
            return self.generated
        return self.end is None or now_ns - self.ended_ns <= TAIL_NS


@dataclass(slots=True)
class _Cut:
    """A flush whose consequences are not known yet."""

    at_ns: int
    end: int
    """Length of the line then: nothing behind it counts."""
    epoch: int
    """The epoch that began."""
    replies: list[tuple[_Reply, bool]]
    """What was on its way, and whether it was broken off (not: only its tail)."""
    places: dict[str, int]
    """Where each listener is: by its last report before, then by those that came since."""
    final: set[str] = field(default_factory=set)
    """Whose last word that was."""


class PlaybackTracker:
    """What was heard of each reply of one call; see the module for how it is used."""

    def __init__(
        self, events: ClientEvents, server_truncates: bool = True, speed: float = 1.0
    ) -> None:
        """``server_truncates``: the server plays, and truncates by itself (WebRTC).

        ``speed``: that of the session's voice.
        """
        self._playout = PlaybackPositions()
        self._items = Truncator(events, server_truncates, speed)
        self._replies: dict[str, _Reply] = {}
        self._playing: _Reply | None = None
        self._lead = 0
        """Samples of sound outside of replies, up to now without a pause."""
        self._cut: _Cut | None = None

    # Sound

    def sent(self, stamp_ns: int, pcm: bytes) -> None:
        """A frame (960 bytes) was sent to the mixer with this stamp."""
        self._playout.sent(stamp_ns, len(pcm) // 2)
        if self._playing is None:
            self._lead = 0 if is_quiet(pcm, DECODED_SILENCE_PEAK) else self._lead + len(pcm) // 2

    def made(self, item: str, samples: int) -> None:
        """The server has delivered so many more samples of ``item`` (WebSocket)."""
        self._items.made(item, samples)

    def on_roster(self, participants: Collection[str]) -> None:
        """Exactly these people are in the room."""
        self._playout.roster(participants)

    def passes(self, caption: Caption) -> bool:
        """Whether a caption may be told: its item was not cut off, nor is it about to be."""
        if caption.speaker != "assistant":
            return True
        replies = self._cut.replies if self._cut is not None else []
        pending = any(broken and caption.item in reply.items for reply, broken in replies)
        return not pending and caption.item not in self._items

    # What happens

    def on_fact(self, fact: Fact, now_ns: int) -> list[TrackerAction]:
        """Take what a server event meant."""
        match fact:
            case Caption():
                self._items.caption(fact)
            case ItemDone(item, content):
                self._items.done(item, content)
            case ItemVoiced(response, item):
                self._reply(response).items.append(item)
            case PlaybackStarted(response):
                self._started(self._reply(response), now_ns)
            case PlaybackEnded(response, cleared) if response in self._replies:
                self._ended(self._replies[response], cleared, now_ns)
            case ItemTruncated(item, audio_end_ms):
                return self._items.truncated(item, audio_end_ms)
            case ResponseEnded(response, status) if response in self._replies:
                return self._generated(response, status)
            case _:
                pass
        return []

    def cut(self, epoch: int, now_ns: int) -> list[TrackerAction]:
        """A flush: ``epoch`` has just begun, and what was sent before will not be played."""
        actions, playout = self._decide(), self._playout
        waiting = [reply for reply in self._replies.values() if reply.is_waiting(now_ns)]
        broken = [(reply, reply.start is None or reply.end is None) for reply in waiting]
        for reply in waiting:
            reply.end = playout.samples if reply.end is None else reply.end
        self._replies = {
            response: reply
            for response, reply in self._replies.items()
            if reply.start is None and not reply.generated
        }
        self._playing, self._lead = None, 0
        playout.epoch(epoch)
        if waiting:
            places = playout.places(now_ns)
            self._cut = _Cut(now_ns, playout.samples, epoch, broken, places)
        return actions if playout.all_report else [*actions, *self._decide()]

    def played(
        self, participant: str, report: Mapping[str, Any], now_ns: int
    ) -> list[TrackerAction]:
        """A browser tells what it has played.

        ``last`` in the report says that it is the answer to the flush: who has sent it is not
        waited for. A report of the new epoch says so too.
        """
        place = self._playout.played(participant, report, now_ns)
        cut = self._cut
        if cut is None or place is None:
            return []
        if report.get("epoch") == cut.epoch:
            cut.final.add(participant)
        elif participant not in cut.final:
            cut.places[participant] = min(place, cut.end)
            if report.get("last") is True:
                cut.final.add(participant)
        return self._decide() if cut.final >= self._playout.reporting else []

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        return None if self._cut is None else self._cut.at_ns + WAIT_NS

    def tick(self, now_ns: int) -> list[TrackerAction]:
        """The time-out was reached: who has not reported by now is not waited for."""
        timeout_ns = self.next_timeout_ns()
        return [] if timeout_ns is None or now_ns < timeout_ns else self._decide()

    def end(self) -> list[TrackerAction]:
        """The call is over. What was sent of a reply will be heard; nothing can be truncated."""
        actions = self._decide()
        for reply in self._replies.values():
            if reply.start is None or reply.end is None:
                sent = 0 if reply.start is None else self._playout.samples - reply.start
                actions += self._items.shorten(reply.items, False, sent, sent)
        self._replies.clear()
        self._playing = None
        return [action for action in actions if isinstance(action, Truncation)]

    # Replies

    def _reply(self, response: str) -> _Reply:
        reply = self._replies.get(response)
        if reply is None:
            reply = self._replies[response] = _Reply()
            if len(self._replies) > MAX_REPLIES:
                del self._replies[next(iter(self._replies))]
        return reply

    def _started(self, reply: _Reply, now_ns: int) -> None:
        if reply.start is not None:
            return
        if self._playing is not None and self._playing.end is None:
            self._playing.end, self._playing.ended_ns = self._playout.samples, now_ns
            self._lead = 0
        reply.start = self._playout.samples - min(self._lead, LEAD_SAMPLES)
        self._playing, self._lead = reply, 0

    def _ended(self, reply: _Reply, cleared: bool, now_ns: int) -> None:
        if reply is not self._playing or reply.start is None:
            return
        self._playing = None
        if not cleared:  # Where it was, a flush follows and finds the reply broken off.
            reply.end, reply.ended_ns = self._playout.samples, now_ns
            self._items.heard_whole(reply.items, reply.end - reply.start)

    def _generated(self, response: str, status: str) -> list[TrackerAction]:
        reply = self._replies[response]
        reply.generated = status in ("completed", "incomplete")
        if status != "cancelled" or reply.start is not None:
            return []
        del self._replies[response]
        return self._items.shorten(reply.items, False, 0, 0)

    def _decide(self) -> list[TrackerAction]:
        """End what the pending cut interrupted, by what is known now."""
        cut, self._cut = self._cut, None
        if cut is None:
            return []
        place = cut.end
        if self._playout.all_report:
            place = max(cut.places.values(), default=cut.end)
        actions: list[TrackerAction] = []
        for reply, broken in cut.replies:
            start = cut.end if reply.start is None else reply.start
            sent = (cut.end if reply.end is None else reply.end) - start
            heard = max(0, min(place - start, sent))
            if broken or heard < sent - GAIN_MS * MS_SAMPLES:
                actions += self._items.shorten(reply.items, reply.generated, heard, sent)
        return actions
