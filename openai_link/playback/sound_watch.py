"""When a reply begins and ends to sound, where the server does not say. Sans-I/O.

OpenAI's server tells over WebRTC when a response is played (``output_audio_buffer.started``,
``stopped``, ``cleared``); many compatible servers only send the sound. Then the sound itself tells:
a reply begins with ``BEGIN_SAMPLES`` of sound while a response waits to be heard, and ends when
the response is over and nothing has sounded for ``END_NS``. Who speaks over it clears it. A server
that does tell is believed, and only what it has forgotten is made up for, after much longer. Sound
while no response is known at all is a reply, too: people hear it, and may speak over it. Over a
WebSocket the replies are played here, and no watch is needed.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

from mixer_core.bus.pcm import SAMPLE_RATE_HZ
from mixer_core.runtime.units import MS_NS, S_NS

from ..facts import (
    Fact,
    ItemVoiced,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
)
from ..realtime.reduce_responses import STRAY

MS_SAMPLES = SAMPLE_RATE_HZ // 1000
BEGIN_SAMPLES = 80 * MS_SAMPLES
"""Sound of this length is a reply; less may be a crackle. It is short enough for the tracker to
count the reply from its first sample."""
FORGOTTEN_SAMPLES = 1_000 * MS_SAMPLES
"""As much from a server that tells when a reply begins: it has forgotten to."""
STRAY_SAMPLES = 500 * MS_SAMPLES
"""As much while no response is known; less may be the tail of the reply before."""
GAP_NS = 300 * MS_NS
"""Sounds further apart are not one."""
END_NS = 1_000 * MS_NS
"""Silence after a complete response that is no pause between two words any more."""
FORGOTTEN_NS = 4 * S_NS
"""As much for a server that tells when a reply ends."""
MAX_WAITING = 16
"""Responses that may wait to be heard; of more the oldest makes no sound."""

What = Literal["started", "stopped", "cleared"]


@dataclass(frozen=True, slots=True)
class Heard:
    """What the server would have said: an ``output_audio_buffer`` event of a response."""

    what: What
    response: str

    def event(self) -> dict[str, str]:
        """As a server event."""
        return {"type": f"output_audio_buffer.{self.what}", "response_id": self.response}


@dataclass(slots=True)
class _Waiting:
    """A response that has not been heard."""

    is_complete: bool = False
    has_sound: bool = False


class SoundWatch:
    """Of one session; methods return what the server would say now.

    ``server_plays``: replies come as sound (WebRTC); else nothing is watched.
    """

    def __init__(self, server_plays: bool = True) -> None:
        self._server_plays = server_plays
        self._is_told = False
        """The server tells by itself when it plays."""
        self._waiting: dict[str, _Waiting] = {}
        """Responses that have not been heard, in order."""
        self._playing = ""
        self._is_complete = False
        """The response that is played is complete."""
        self._run = 0
        """Samples of the sound that goes on."""
        self._loud_ns = 0
        """When there was sound last."""
        self._strays = 0
        """Replies of which nothing but sound came."""

    def told(self) -> None:
        """The server has sent an ``output_audio_buffer`` event."""
        self._is_told = True

    def on_fact(self, fact: Fact, now_ns: int) -> None:
        """Take any fact."""
        match fact:
            case ResponseStarted(response):
                self._expect(response)
            case ItemVoiced(response) if response in self._waiting:
                self._waiting[response].has_sound = True
            case ResponseEnded(response, status):
                self._over(response, status == "cancelled")
            case PlaybackStarted(response):
                self._begin(response, now_ns)
            case PlaybackEnded(response) if response == self._playing:
                self._playing, self._run = "", 0
            case _:
                pass

    def frame(self, samples: int, is_quiet: bool, now_ns: int) -> list[Heard]:
        """A frame of the server's sound has come that is to be heard.

        ``is_quiet``: nobody would miss it; servers may send noise instead of silence.
        """
        if is_quiet or not self._server_plays:
            return []
        if self._is_another(now_ns):
            self._run, self._loud_ns = samples, now_ns
            return [Heard("stopped", self._playing)]
        self._run = samples if now_ns - self._loud_ns > GAP_NS else self._run + samples
        self._loud_ns = now_ns
        if not (self._playing or self._waiting) and self._run >= STRAY_SAMPLES:
            self._strays += 1
            return [Heard("started", f"{STRAY}{self._strays}")]
        least = FORGOTTEN_SAMPLES if self._is_told else BEGIN_SAMPLES
        if self._playing or self._run < least:
            return []
        may_sound = (r for r, w in self._waiting.items() if w.has_sound or not self._is_told)
        return [Heard("started", response) for response in itertools.islice(may_sound, 1)]

    def flushed(self) -> list[Heard]:
        """What is being heard was cut off here."""
        self._run = 0
        if self._is_told or not self._playing or not self._server_plays:
            return []
        return [Heard("cleared", self._playing)]

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        if not (self._playing and self._is_complete and self._server_plays):
            return None
        return self._loud_ns + (FORGOTTEN_NS if self._is_told else END_NS)

    def tick(self, now_ns: int) -> list[Heard]:
        """The time-out was reached, perhaps: the reply is over."""
        timeout_ns = self.next_timeout_ns()
        if timeout_ns is None or now_ns < timeout_ns:
            return []
        return [Heard("stopped", self._playing)]

    def _is_another(self, now_ns: int) -> bool:
        """After a pause, what sounds is the next reply where the one before is complete.

        A reply of which only the sound was known is known by now.
        """
        if self._playing.startswith(STRAY) and self._waiting:
            return True
        has_next = any(waiting.has_sound for waiting in self._waiting.values())
        is_over = bool(self._playing) and self._is_complete and not self._is_told
        return is_over and has_next and now_ns - self._loud_ns > GAP_NS

    def _expect(self, response: str) -> None:
        """A response may be heard; one that is complete and brought no sound will not be."""
        for known in [r for r, w in self._waiting.items() if w.is_complete and not w.has_sound]:
            del self._waiting[known]
        self._waiting[response] = _Waiting()
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]

    def _begin(self, response: str, now_ns: int) -> None:
        """Replies are heard in order: what waited before this one makes no sound."""
        self._is_complete = response.startswith(STRAY)
        while response in self._waiting:
            first = next(iter(self._waiting))
            waiting = self._waiting.pop(first)
            if first == response:
                self._is_complete = waiting.is_complete
        self._playing = response
        self._loud_ns = max(self._loud_ns, now_ns)

    def _over(self, response: str, is_cancelled: bool) -> None:
        if response == self._playing:
            self._is_complete = True
        elif is_cancelled:
            self._waiting.pop(response, None)
        elif response in self._waiting:
            self._waiting[response].is_complete = True
