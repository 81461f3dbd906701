"""One room: who is in it, and what that means for those who hear each other. Sans-I/O.

Its sound is in ``room_sound``.
"""

from __future__ import annotations

from .bus.frames import FLAG_PAUSE, Frame
from .bus.pcm import SILENCE
from .room_sound import RoomSound, talking_to
from .slots import Stream

MOST_RECENT = 64
"""Events that are remembered for streams that have not announced themselves yet."""


class Room(RoomSound):
    """One conversation. Methods that change it return the messages to publish."""

    def add(self, stream: Stream, now_ns: int) -> list[bytes]:
        """Add a stream. A link that it takes over from falls silent."""
        self.streams.append(stream)
        self._group_of(stream).sources.append(stream)
        return self._retire(now_ns) if stream.is_link else self.seat(now_ns)

    def seat(self, now_ns: int) -> list[bytes]:
        """Devices came, went, or changed their place: see who is sent sound from now on.

        Who was sent somebody's voice and no longer is gets a silent frame with PAUSE.
        """
        before = [stream for stream in self.browsers if self._is_sent_talk(stream)]
        self._seating.update(self.streams)
        self.microphones.reseat(self.streams)
        return [
            self._audio(listener, FLAG_PAUSE, now_ns, SILENCE)
            for listener in before
            if not self._is_sent_talk(listener)
        ]

    def settle(self, now_ns: int) -> list[bytes]:
        """Everybody has announced themselves, if they are still there."""
        self.recent.clear()
        self._seating.settle()
        return self.seat(now_ns)

    def _is_sent_talk(self, browser: Stream) -> bool:
        is_sent = browser not in self._seating.soundless
        return is_sent and talking_to(browser, self._down)

    def _retire(self, now_ns: int) -> list[bytes]:
        """Of several links the one that was opened last is the room's."""
        links = sorted((s for s in self.streams if s.is_link), key=_opened)
        retired, before = frozenset(links[:-1]), self.retired
        self.retired = retired
        self.see_recorder()
        return [m for link in retired - before for m in self.silence(link, now_ns)]

    def see_recorder(self) -> None:
        """A link came, went, or wants something else."""
        self._recorder = next((link for link in self.links if link.info.records), None)

    def remove(self, stream: Stream, now_ns: int) -> list[bytes]:
        """Remove a stream; those who heard it are told that it has ended."""
        ended = self.silence(stream, now_ns)
        self.streams.remove(stream)
        self._group_of(stream).sources.remove(stream)
        if all(other.voice != stream.voice for other in self.streams):
            self._levels.forget(stream.voice)
        return ended + self.seat(now_ns) + (self._retire(now_ns) if stream.is_link else [])

    def remember(self, frame: Frame, *, from_link: bool) -> None:
        """An event whose listeners may not have announced themselves yet; the first ones count."""
        if len(self.recent) < MOST_RECENT:
            self.recent.append((from_link, frame))

    def missed(self, stream: Stream) -> list[bytes]:
        """What was said to a stream before it announced itself."""
        return [
            message
            for from_link, frame in self.recent
            if from_link is not stream.is_link and frame.flags in (0, stream.stream)
            for message in self.forward(frame, [stream])
        ]


def _opened(link: Stream) -> tuple[int, int]:
    return link.info.opened_ns, link.stream
