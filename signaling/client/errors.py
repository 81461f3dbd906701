"""What can go wrong with a call, in words. Sans-I/O.

``CallError`` is the base of all:

- ``Refused``: the gateway does not let this client in;
- ``Unreachable``: nobody answers, or no data gets through;
- ``Lost``: the call was there and is gone;
- ``SentAway``: somebody, or the gateway, has ended the call;
- ``NoAssistant``: the room is open, but nobody answers in it.
"""

from __future__ import annotations


class CallError(Exception):
    """Its text says what is wrong, and what to do where something can be done."""


class Refused(CallError):
    """The gateway's answer to a request was an error (RFC 9457)."""

    def __init__(
        self, status: int, title: str, detail: str, retry_after_s: float = 0.0, ticket: str = ""
    ) -> None:
        """Args:
        status: of HTTP.
        retry_after_s: when to ask again; 0: not told.
        ticket: keeps the place in the line in front of a full gateway; empty: there is no line.
        """
        super().__init__(f"{title}: {detail} (HTTP {status})")
        self.status = status
        self.title = title
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.ticket = ticket

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later."""
        if self.status == 409:
            return self.title != "Name taken"
        return self.status == 429 or self.status >= 500


class Unreachable(CallError):
    """The gateway does not answer, or its answer does not lead to a connection."""


class Lost(CallError):
    """The connection is gone."""


class SentAway(CallError):
    """The call has ended, and not by this client: do not join again by yourself."""

    def __init__(self, code: str, words: str) -> None:
        """``code``: of the gateway, such as ``removed``, ``closed``, ``expired``, ``revoked``."""
        super().__init__(words or code)
        self.code = code


class NoAssistant(CallError):
    """The assistant is not there."""
