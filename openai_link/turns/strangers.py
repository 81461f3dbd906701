"""Responses that the server begins by itself, and which of them are wanted. Sans-I/O.

Where the server is told to answer no turn (``create_response``), one that begins after a turn for
which we have not asked is uninvited. The service goes on by itself once people have said whether
it may run a tool of its own: that response is expected, whatever is said meanwhile.
"""

from __future__ import annotations

from collections import deque

from mixer_core.runtime.units import S_NS

GO_ON_NS = 120 * S_NS
"""The service goes on within this: it may run the tool first, and has so long for one."""
MAX_EXPECTED = 8
"""Responses that may be expected at once; of more the oldest is expected no longer."""


class Strangers:
    """Of one call."""

    def __init__(self) -> None:
        self._is_unasked = False
        """A turn is over for which we have not asked: it has no answer."""
        self._expected: deque[int] = deque(maxlen=MAX_EXPECTED)
        """Until when each of the responses may begin with which the service goes on."""

    def committed(self, is_answered: bool) -> None:
        """A turn is over; ``is_answered``: the server is to answer it, or we ask for it."""
        self._is_unasked = not is_answered

    def requested(self) -> None:
        """We ask for an answer."""
        self._is_unasked = False

    def expect(self, now_ns: int) -> None:
        """The service goes on by itself."""
        self._expected.append(now_ns + GO_ON_NS)

    def others_began(self) -> None:
        """A response begins that is ours, or may be."""
        self._is_unasked = False

    def is_uninvited(self, now_ns: int) -> bool:
        """A response begins that is not ours: whether it is not to be."""
        while self._expected:
            if self._expected.popleft() >= now_ns:
                return False
        return self._is_unasked
