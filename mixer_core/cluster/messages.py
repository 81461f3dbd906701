"""What goes over NATS, without its client. Sans-I/O."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

ERROR_HEADER = "Mixminus-Error"
"""Why a request was not served: one line."""

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """One that came."""

    subject: str
    data: bytes
    headers: Headers
    reply: str = ""
    """Subject at which an answer is awaited; empty: nobody does."""


Handler = Callable[[Message], Awaitable[None]]
"""Hears a message."""
Server = Callable[[Message], Awaitable[bytes]]
"""Answers a request."""
