"""Ends an interrupted reply where people stopped hearing it. Sans-I/O.

When somebody speaks over a reply, part of it is still waiting in front of the loudspeakers: it was
sent, but nobody will hear it. Browsers report what they have played (``positions``). After a flush
their last reports are waited for, at most ``WAIT_NS``; then the item ends at the furthest position
that any of them reached (``truncation``). A response that was cancelled before it sounded was not
heard at all.

One ``PlaybackTracker`` per session; ``now_ns`` is monotonic:

=======================  ==========================================================================
when                     call
=======================  ==========================================================================
a fact of the reducer    ``on_fact``, before ``TurnPolicy.on_fact``
a frame to the mixer     ``sent``: every frame that passes the gate, with concealed ones and tails
audio over a WebSocket   ``delivered``: its samples, whether or not they will be played
the roster has changed   ``on_roster``, and once at the beginning of a session
``Flush``                ``cut`` with the number of the epoch that has just begun
EVENT ``played``         ``played`` with the participant who sent it, even if it is late
timeout                  ``tick`` at ``next_timeout_ns``
before a caption         ``passes``: words that were cut off must not come back
the session has ended    ``end``, after ``Reducer.close``
=======================  ==========================================================================

``on_fact``, ``cut``, ``played``, ``tick`` and ``end`` return actions: ``Send`` to the server, and
``Truncation``, which goes into the transcript and, once that has been written, to the browsers as
the item's final caption. A later ``Truncation`` of an item replaces an earlier one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..facts import (
    Caption,
    Fact,
    ItemDone,
    ItemTruncated,
    ItemVoiced,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
)
from ..media.quiet import DECODED_SILENCE_PEAK, is_quiet
from ..realtime.client_events import ClientEvents
from .positions import MS_SAMPLES, PlaybackPositions
from .replies import PAUSE_NS, Cut, Reply
from .truncation import GAIN_MS, TrackerAction, Truncation, Truncator

LEAD_SAMPLES = 100 * MS_SAMPLES
"""Sound this close before ``output_audio_buffer.started`` belongs to that reply: the event and the
packets travel separately."""
MAX_OF_REPLY = 64
"""Items of one reply that are told apart."""
MAX_REPLIES = 8
"""Replies that are kept; if there are more, the oldest counts as heard."""


class PlaybackTracker:
    """What was heard of each reply of one session; see the module for how to use it."""

    def __init__(
        self, events: ClientEvents, server_truncates: bool = True, speed: float = 1.0
    ) -> None:
        """Prepare.

        Args:
            events: makes the session's client events.
            server_truncates: the server plays the reply and truncates it by itself (WebRTC).
            speed: of the session's voice, 1.0 is normal.
        """
        self._positions = PlaybackPositions()
        self._items = Truncator(events, server_truncates, speed)
        self._replies: dict[str, Reply] = {}
        self._playing: Reply | None = None
        self._lead = 0
        """Samples of unbroken sound outside of replies, up to now."""
        self._cut: Cut | None = None
        self._loud = 0
        """Position behind the newest sound that is not silence."""
        self._loud_ns = 0
        self._silent_ns: int | None = 0
        """Since when no reply is played; None while one is."""
        self._now_ns = 0
        """When anything last happened."""

    # Sound

    def sent(self, stamp_ns: int, pcm: bytes) -> None:
        """A frame (960 bytes) has been sent to the mixer with this stamp."""
        samples = len(pcm) // 2
        self._positions.sent(stamp_ns, samples)
        quiet = is_quiet(pcm, DECODED_SILENCE_PEAK)
        if not quiet:
            self._loud, self._loud_ns = self._positions.samples, stamp_ns
        if self._playing is None:
            self._lead = 0 if quiet else self._lead + samples

    def delivered(self, item: str, samples: int) -> None:
        """The server has delivered this many more samples of ``item`` (WebSocket)."""
        self._items.delivered(item, samples)

    def on_roster(self, participants: Collection[str]) -> None:
        """Exactly these people are in the room."""
        self._positions.roster(participants)

    def passes(self, caption: Caption) -> bool:
        """Whether a caption may be shown: its item was not cut off, nor is it about to be."""
        if caption.speaker != "assistant":
            return True
        replies = self._cut.replies if self._cut is not None else []
        pending = any(is_cut and caption.item in reply.items for reply, is_cut in replies)
        return not pending and caption.item not in self._items

    # What happens

    def on_fact(self, fact: Fact, now_ns: int) -> list[TrackerAction]:
        """Take any fact."""
        self._now_ns = now_ns
        match fact:
            case Caption():
                self._items.caption(fact)
            case ItemDone(item, content):
                self._items.done(item, content)
            case ItemVoiced(response, item):
                self._voiced(self._reply(response), item)
            case PlaybackStarted(response):
                self._started(self._reply(response), now_ns)
            case PlaybackEnded(response, cleared) if response in self._replies:
                self._ended(self._replies[response], cleared, now_ns)
            case ItemTruncated(item, audio_end_ms):
                return [*self._items.truncated(item, audio_end_ms), *self._decide_if_known()]
            case ResponseEnded(response, status) if response in self._replies:
                return self._generated(response, status, now_ns)
            case _:
                pass
        return []

    def cut(self, epoch: int, now_ns: int) -> list[TrackerAction]:
        """A flush: ``epoch`` has just begun; what was sent before is not played any further."""
        actions, positions = self._decide(), self._positions
        waiting = self._waiting(now_ns)
        replies = [(reply, reply.start is None or reply.end is None) for reply in waiting]
        for reply in waiting:
            reply.end = positions.samples if reply.end is None else reply.end
        self._replies = {
            response: reply
            for response, reply in self._replies.items()
            if reply.start is None and not reply.is_generated
        }
        self._stop(now_ns)
        positions.epoch(epoch)
        if waiting:
            current = positions.current(now_ns)
            is_silent = now_ns - self._loud_ns >= PAUSE_NS
            self._cut = Cut(
                now_ns, positions.samples, epoch, replies, self._loud, is_silent, current
            )
        return actions if positions.all_report else [*actions, *self._decide()]

    def unheard(self, response: str) -> None:
        """A reply came without sound: its words stay as they are."""
        reply = self._replies.pop(response, None)
        if reply is not None and reply is self._playing:
            self._playing = None

    def _waiting(self, now_ns: int) -> list[Reply]:
        """The replies that may not have been heard to the end."""
        replies = self._replies.values()
        return [reply for reply in replies if reply.may_wait(self._silent_ns, now_ns)]

    def _stop(self, now_ns: int) -> None:
        """Nothing is played from now on."""
        self._playing, self._lead, self._silent_ns = None, 0, now_ns

    def played(
        self, participant: str, report: Mapping[str, Any], now_ns: int
    ) -> list[TrackerAction]:
        """A browser reports what it has played: the EVENT ``played``.

        ``last`` in the report says that it answers the flush: its sender is no longer waited for.
        A report about the new epoch says so too.
        """
        position = self._positions.played(participant, report, now_ns)
        if self._cut is None or position is None:
            return []
        self._cut.report(participant, position, report)
        return self._decide_if_known()

    def _decide_if_known(self) -> list[TrackerAction]:
        """Truncate as soon as everybody has reported, and the server has said which item it was."""
        cut = self._cut
        if cut is None or not cut.is_complete(self._positions.reporting):
            return []
        settled = (self._items.is_settled(reply.items) for reply, is_cut in cut.replies if is_cut)
        return self._decide() if all(settled) else []

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None if nothing waits."""
        return None if self._cut is None else self._cut.timeout_ns

    def tick(self, now_ns: int) -> list[TrackerAction]:
        """The timeout has been reached: nobody is waited for any longer."""
        timeout_ns = self.next_timeout_ns()
        return [] if timeout_ns is None or now_ns < timeout_ns else self._decide()

    def end(self) -> list[TrackerAction]:
        """The session has ended. What was sent will be heard; the server cannot truncate it."""
        actions = self._decide()
        waiting = self._waiting(self._now_ns)
        for reply in self._replies.values():
            is_unheard = reply in waiting if reply.is_generated else True
            if reply.start is None and is_unheard:
                actions += self._items.truncate(reply.items, False, 0, 0, 0)
            elif reply.start is not None and reply.end is None:
                sent = self._positions.samples - reply.start
                actions += self._items.truncate(reply.items, False, sent, sent, sent)
        self._replies.clear()
        self._playing = None
        return [action for action in actions if isinstance(action, Truncation)]

    # Replies

    def _reply(self, response: str) -> Reply:
        reply = self._replies.get(response)
        if reply is None:
            reply = self._replies[response] = Reply()
            if len(self._replies) > MAX_REPLIES:
                del self._replies[next(iter(self._replies))]
        return reply

    @staticmethod
    def _voiced(reply: Reply, item: str) -> None:
        if len(reply.items) < MAX_OF_REPLY:
            reply.items.append(item)

    def _started(self, reply: Reply, now_ns: int) -> None:
        """Replies are played in the order in which they are made: those before are over."""
        if reply.start is not None:
            return
        if self._playing is not None and self._playing.end is None:
            self._playing.end, self._playing.ended_ns = self._positions.samples, now_ns
            self._lead = 0
        for response, other in list(self._replies.items()):
            if other is reply:
                break
            if other.start is None and other.is_generated:
                del self._replies[response]
        reply.start = self._positions.samples - min(self._lead, LEAD_SAMPLES)
        self._playing, self._lead, self._silent_ns = reply, 0, None

    def _ended(self, reply: Reply, cleared: bool, now_ns: int) -> None:
        """The reply ends with its last sound, whenever the event comes."""
        if reply is not self._playing or reply.start is None:
            return
        self._stop(now_ns)
        if not cleared:  # If it was, a flush follows and finds the reply cut off.
            has_sound = self._loud > reply.start
            reply.end = self._loud if has_sound else self._positions.samples
            reply.ended_ns = now_ns
            self._items.heard_whole(reply.items, reply.end - reply.start)

    def _generated(self, response: str, status: str, now_ns: int) -> list[TrackerAction]:
        """What was generated by then is played, unless the response was cancelled."""
        reply = self._replies[response]
        reply.is_generated, reply.generated_ns = status != "cancelled", now_ns
        if status != "cancelled" or reply.start is not None:
            return []
        del self._replies[response]
        return self._items.truncate(reply.items, False, 0, 0, 0)

    def _decide(self) -> list[TrackerAction]:
        """Truncate what the pending cut interrupted, by what is known now."""
        cut, self._cut = self._cut, None
        if cut is None:
            return []
        position = cut.furthest() if self._positions.all_report else cut.end
        actions: list[TrackerAction] = []
        for reply, is_cut in cut.replies:
            heard, sent = cut.heard(reply, position)
            sound = cut.sound(reply, sent)
            if self._was_over(cut, reply, heard, sound):
                continue
            if is_cut or heard < sent - GAIN_MS * MS_SAMPLES:
                complete = reply.is_generated
                actions += self._items.truncate(reply.items, complete, heard, sent, sound)
        return actions

    def _was_over(self, cut: Cut, reply: Reply, heard: int, sound: int) -> bool:
        """Whether a reply was over although nobody had said so: all of it was made and heard."""
        is_whole = reply.is_generated and 0 < sound <= heard
        return is_whole and cut.is_silent and not self._items.is_ended(reply.items)
