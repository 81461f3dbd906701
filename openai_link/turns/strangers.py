"""Responses that the server begins by itself, and which of them are wanted. Sans-I/O.

Where the server is told to answer no turn (``create_response``), one that begins after a turn for
which we have not asked is uninvited. The service goes on by itself once people have said whether
it may run a tool of its own, and once it has run one: that response is expected, whatever is said
meanwhile.
"""

from __future__ import annotations

from typing import Literal

from mixer_core.runtime.units import S_NS

GO_ON_NS = 120 * S_NS
"""The service goes on within this: it may run the tool first, and has so long for one."""
Kind = Literal["wanted", "uninvited", "stopped"]
MAX_EXPECTED = 8
"""Responses that may be expected at once; of more the oldest is expected no longer."""


class Strangers:
    """Of one call."""

    def __init__(self) -> None:
        self._is_unasked = False
        """A turn is over for which we have not asked: it has no answer."""
        self._expected: dict[str, int] = {}
        """Until when each of the responses may begin with which the service goes on.

        By the item of the request for it, or of the tool call.
        """
        self._tools: dict[str, str] = {}
        """What is expected of each tool call that the service makes, unless it was stopped."""
        self.is_stopped = False
        """The assistant was stopped, and nothing was said or asked since."""
        self._turn = ""
        """Item of the newest turn that is over."""

    def turn_over(self, item: str) -> None:
        """Nobody speaks any more, or what was said is an item: what is told first of a turn."""
        if not item or item != self._turn:
            self._turn, self.is_stopped = item, False

    def committed(self, is_answered: bool) -> None:
        """A turn is over; ``is_answered``: the server is to answer it, or we ask for it."""
        self._is_unasked = not is_answered

    def requested(self) -> None:
        """We ask for an answer."""
        self._is_unasked = self.is_stopped = False

    def expect(self, request: str, now_ns: int) -> None:
        """People have said whether a tool may run: the service goes on by itself."""
        self.is_stopped = False
        self._expect(request, now_ns)

    def tool_began(self, item: str, request: str, now_ns: int) -> None:
        """The service runs a tool, after a ``request``, or without one (empty)."""
        if self.is_stopped:
            return
        self._tools[item] = request or item
        if len(self._tools) > MAX_EXPECTED:
            del self._tools[next(iter(self._tools))]
        if not request:
            self._expect(item, now_ns)

    def tool_ended(self, item: str, now_ns: int) -> str:
        """It has the result, and goes on now: what is expected; empty: that was stopped."""
        expected = self._tools.pop(item, "")
        if expected in self._expected:
            self._expect(expected, now_ns)
        return expected

    def went_on(self, expected: str) -> None:
        """The result of a tool is told in another way than by a response of the service."""
        self._expected.pop(expected, None)

    def _expect(self, key: str, now_ns: int) -> None:
        self._expected[key] = now_ns + GO_ON_NS
        if len(self._expected) > MAX_EXPECTED:
            del self._expected[next(iter(self._expected))]

    def stop(self) -> None:
        """Nobody wants to hear an answer to what was said or approved so far."""
        self.is_stopped = True
        self._expected.clear()
        self._tools.clear()

    def others_began(self) -> None:
        """A response begins that is ours, or may be."""
        self._is_unasked = False

    def began(self, now_ns: int) -> Kind:
        """A response begins that is not ours: what it is."""
        if self.is_stopped_answer():
            return "stopped"
        while self._expected:
            if self._expected.pop(next(iter(self._expected))) >= now_ns:
                return "wanted"
        return "uninvited" if self._is_unasked else "wanted"

    def is_stopped_answer(self) -> bool:
        """A response begins that nobody wanted, if it is not ours; asked once for each stop."""
        was_stopped, self.is_stopped = self.is_stopped, False
        return was_stopped
