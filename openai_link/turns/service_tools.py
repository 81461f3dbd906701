"""Whether people wait for what a tool of the service has found. Sans-I/O.

The service runs tools of its own (MCP). Some servers speak of the result by themselves, in the same
response or in another one; others wait for ``response.create`` once ``response.mcp_call.completed``
has come. So it is asked for where a tool has ended, no response is open, and none has begun within
``GO_ON_NS``.
"""

from __future__ import annotations

from mixer_core.runtime.units import MS_NS

GO_ON_NS = 1_500 * MS_NS
"""A server that speaks of a result by itself begins within this."""


class ServiceTools:
    """Of one call."""

    def __init__(self) -> None:
        self._due_ns: int | None = None
        """When to ask for an answer; None: nobody waits for one."""

    def ended(self, now_ns: int) -> None:
        """A tool has its result, or has failed."""
        self._due_ns = now_ns + GO_ON_NS

    def response_ended(self, now_ns: int) -> None:
        """A response is over: another one may follow."""
        if self._due_ns is not None:
            self._due_ns = now_ns + GO_ON_NS

    def settled(self) -> None:
        """The result is being told, or somebody asks for that; or nobody wants to hear it."""
        self._due_ns = None

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits for a time."""
        return self._due_ns

    def tick(self, now_ns: int, is_busy: bool) -> bool:
        """The time-out was reached, perhaps: whether to ask.

        ``is_busy``: a response is open or asked for.
        """
        if self._due_ns is None or now_ns < self._due_ns:
            return False
        self._due_ns = now_ns + GO_ON_NS if is_busy else None
        return not is_busy
