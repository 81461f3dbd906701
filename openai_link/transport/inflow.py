"""What a server may send in a second: more than any conversation has ends the call. Sans-I/O.

Each message costs its reader time, whatever is in it, and a link shares the processor with the
calls of others. A reply comes faster than it is spoken, and the answers to a long history all at
once; nothing of a conversation comes for long at such a rate.
"""

from __future__ import annotations

from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.repeated import Repeated
from mixer_core.runtime.token_bucket import TokenBucket

MESSAGES_PER_S, MESSAGES_AT_ONCE = 500, 20_000
BYTES_PER_S, BYTES_AT_ONCE = 2_000_000, 128_000_000
"""Half an hour of sound at once, as text."""
FLOODED = "flooded"


class Inflow:
    """Of one connection."""

    def __init__(self) -> None:
        self.mistakes = Repeated()
        """Messages that could not be read or handled."""
        self._messages = TokenBucket(MESSAGES_PER_S, MESSAGES_AT_ONCE)
        self._bytes = TokenBucket(BYTES_PER_S, BYTES_AT_ONCE)

    def refusal(self, size_bytes: int, now_ns: int) -> UpstreamError | None:
        """Why the call cannot go on after this message; None: it can."""
        if not self._messages.take(now_ns):
            words = f"more than {MESSAGES_PER_S} events a second came for long"
        elif not self._bytes.take(now_ns, size_bytes):
            words = f"more than {BYTES_PER_S} bytes a second came for long"
        else:
            return None
        return UpstreamError(FLOODED, words)
