"""Replies that are over and of which no sound came: their words are all there is. Sans-I/O.

A server may send no sound, or sound that nobody can decode, under names that nobody knows, or on a
track that carries nothing. People then see words and wait for a voice; the next thing that they say
would cut the reply to nothing. Such a reply is told (``Unheard``) and counts as a written one.

It is known by the sound that went to the mixer, not by what the server says:

- a reply that waits to be heard while no other is played has ``start_ns`` to begin, and
  ``INFERRED_NS`` where its end was only inferred: the server may be late with everything;
- one that is played must have sounded by its end;
- when people speak or stop the assistant, one that could have begun for ``PATIENCE_NS`` is one;
  one that could not was interrupted before it began.
"""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.bus.pcm import SAMPLE_RATE_HZ
from mixer_core.runtime.units import S_NS

from ..facts import Fact, PlaybackEnded, PlaybackStarted, ResponseEnded, ResponseStarted, Unheard
from ..realtime.reduce_responses import NAMELESS

LEAST_SAMPLES = SAMPLE_RATE_HZ // 25
"""Sound of a reply: less, 40 ms, may be a crackle."""
PATIENCE_NS = S_NS
"""Somebody who speaks after so much silence has waited for the reply in vain."""
INFERRED_NS = 30 * S_NS
MAX_REPLIES = 16
"""Replies that are followed; of more the oldest counts as heard."""


@dataclass(slots=True)
class _Reply:
    items: tuple[str, ...] = ()
    samples: int = 0
    """Sound of it that was sent to people."""
    generated_ns: int | None = None
    """When it was complete; None: it goes on."""
    start_ns: int = 0
    """Longest time from where it may begin to its first sound."""


class UnheardReplies:
    """Of one session; methods return the replies that turn out to be without sound."""

    def __init__(self, start_ns: int) -> None:
        """``start_ns``: longest time from where a reply may begin to its first sound."""
        self._start_ns = start_ns
        self._replies: dict[str, _Reply] = {}
        """Responses that were not heard, in order."""
        self._playing = ""
        self._nameless = 0
        """Sound of a reply whose response has not been named."""
        self._silent_ns = 0
        """Since when no reply is played."""

    def sound(self, samples: int) -> None:
        """Sound of a reply that is no silence goes to people."""
        name = self._playing or next(iter(self._replies), "")
        reply = self._replies.get(name)
        if not name or name.startswith(NAMELESS):
            self._nameless += samples
        if reply is None:
            return
        reply.samples += samples
        if reply.samples >= LEAST_SAMPLES and reply.generated_ns is not None:
            self._forget(reply)

    def on_fact(self, fact: Fact, now_ns: int) -> list[Unheard]:
        """Take any fact."""
        match fact:
            case ResponseStarted(response):
                is_named = not response.startswith(NAMELESS)
                self._replies.setdefault(response, _Reply(samples=self._nameless * is_named))
                self._nameless = 0 if is_named else self._nameless
                if len(self._replies) > MAX_REPLIES:
                    del self._replies[next(iter(self._replies))]
            case ResponseEnded():
                self._ended(fact, now_ns)
            case PlaybackStarted(response):
                self._playing = response
            case PlaybackEnded(response, cleared):
                self._playing, self._silent_ns = "", now_ns
                return self._over(response, now_ns, PATIENCE_NS if cleared else 0)
            case _:
                pass
        return []

    def flushed(self, now_ns: int) -> list[Unheard]:
        """Whatever waits or is played is not heard any further."""
        found: list[Unheard] = []
        for response in list(self._replies):
            found += self._over(response, now_ns, PATIENCE_NS)
        self._playing, self._silent_ns = "", now_ns
        return found

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        if self._playing:
            return None
        return min(
            (
                max(reply.generated_ns, self._silent_ns) + reply.start_ns
                for reply in self._replies.values()
                if reply.generated_ns is not None
            ),
            default=None,
        )

    def tick(self, now_ns: int) -> list[Unheard]:
        """The time-out was reached, perhaps: what waits does not begin any more."""
        timeout_ns = self.next_timeout_ns()
        if timeout_ns is None or now_ns < timeout_ns:
            return []
        found: list[Unheard] = []
        for response, reply in list(self._replies.items()):
            if reply.generated_ns is None:
                continue
            if now_ns >= max(reply.generated_ns, self._silent_ns) + reply.start_ns:
                found += self._over(response, now_ns, 0)
        return found

    def _ended(self, ended: ResponseEnded, now_ns: int) -> None:
        """Only of a reply that is complete, and has more than written words, is sound due."""
        reply = self._replies.get(ended.response)
        if reply is None:
            return
        is_due = ended.status in ("completed", "") and ended.in_conversation
        is_told = ended.is_written or ended.is_empty or (ended.has_other and not ended.items)
        if not is_due or is_told or reply.samples >= LEAST_SAMPLES:
            del self._replies[ended.response]
            return
        reply.items, reply.generated_ns = ended.items, now_ns
        reply.start_ns = INFERRED_NS if ended.inferred else self._start_ns

    def _over(self, response: str, now_ns: int, patience_ns: int) -> list[Unheard]:
        """A reply is not waited for any longer; it was, if for as long as ``patience_ns``."""
        reply = self._replies.get(response)
        if reply is None or reply.generated_ns is None:
            return []
        del self._replies[response]
        waited_ns = now_ns - max(reply.generated_ns, self._silent_ns)
        could_begin = not self._playing or self._playing == response
        if not could_begin or (patience_ns and waited_ns < patience_ns):
            return []
        return [Unheard(response, reply.items)]

    def _forget(self, heard: _Reply) -> None:
        for response in [known for known, reply in self._replies.items() if reply is heard]:
            del self._replies[response]
