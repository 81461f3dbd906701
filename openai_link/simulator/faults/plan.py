"""The faults that can be injected, and their notation as text. Sans-I/O.

The text is a comma list of ``name``, ``name=value`` or ``name=value*count``. The count is the
number of calls (or requests) that the fault hits; without it, the fault hits all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

_FIRST_HTTP_ERROR, _LAST_HTTP_ERROR = 400, 599
_MAX_MS = 24 * 3_600 * 1_000


class FaultError(ValueError):
    """An unknown fault, or an invalid value; the message is one line."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A fault that strikes after a delay, in a limited number of calls."""

    after_ms: int
    calls: int | None = None
    """Number of calls that it hits; None: all."""


@dataclass(frozen=True, slots=True)
class Faults:
    """All faults; by default none is on."""

    drop_udp: bool = False
    """Offers are answered, but every datagram of a call is dropped, in both directions."""
    drop_uplink: int = 0
    """Percentage of the client's RTP packets that is lost, evenly spread."""
    answer_delay_ms: int = 0
    """Time between an offer and its answer."""
    post: Mapping[int, int | None] = field(default_factory=dict)
    """``post_<status>``: status → number of offers that are refused with it (None: all)."""
    no_quota: bool = False
    """Offers and WebSockets are refused with 429 ``insufficient_quota``."""
    websocket_refused: int = 0
    """HTTP status with which WebSockets are refused; 0: they are accepted."""
    close_channel: Timed | None = None
    """``close_channel_after_ms``: time from the opening of the event channel (or WebSocket) to its
    end."""
    close_mid_response: Timed | None = None
    """Time from the first sound or text of a reply to the end of the channel (or WebSocket)."""
    kill_call: Timed | None = None
    """``kill_call_after_ms``: time from the connection to the moment the call just vanishes."""
    duplicate_events: bool = False
    """Every server event is sent twice."""
    unknown_events: bool = False
    """Events of unknown types are inserted, and known ones have extra fields."""
    null_previous_item: bool = False
    """``conversation.item.done`` names no previous item."""
    no_rate_limits: bool = False
    """``rate_limits.updated`` is left out."""
    answers_every_turn: bool = False
    """Calls that begin from now on ignore ``create_response: false`` of the turn detection."""
    late_transcription_ms: int = 0
    """Extra delay of the transcripts of the user's speech."""

    def __str__(self) -> str:
        """Return the text from which ``parse`` makes these faults."""
        parts = []
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Mapping):
                for status, count in value.items():
                    parts.append(f"post_{status}" if count is None else f"post_{status}={count}")
            elif isinstance(value, Timed):
                name = next(key for key, known in _TIMED.items() if known == entry.name)
                calls = "" if value.calls is None else f"*{value.calls}"
                parts.append(f"{name}={value.after_ms}{calls}")
            elif value:
                parts.append(entry.name if value is True else f"{entry.name}={value}")
        return ",".join(parts)


_SWITCHES = (
    "drop_udp",
    "no_quota",
    "duplicate_events",
    "unknown_events",
    "null_previous_item",
    "no_rate_limits",
    "answers_every_turn",
)
_NUMBERS = {  # Name → (default value, least, most).
    "drop_uplink": (100, 1, 100),
    "answer_delay_ms": (None, 0, _MAX_MS),
    "late_transcription_ms": (None, 0, _MAX_MS),
    "websocket_refused": (503, _FIRST_HTTP_ERROR, _LAST_HTTP_ERROR),
}
_TIMED = {
    "close_channel_after_ms": "close_channel",
    "close_mid_response": "close_mid_response",
    "kill_call_after_ms": "kill_call",
}
_DEFAULT_MID_RESPONSE_MS = 300
NAMES = (*_SWITCHES, *_NUMBERS, *_TIMED, "post_<status>")


def parse(text: str) -> Faults:
    """Return the faults named in ``text``; empty: none. Raises FaultError."""
    faults = Faults()
    for part in filter(None, (part.strip() for part in text.replace("\n", ",").split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        faults = _with(faults, name, value if equals else None)
    return faults


def from_mapping(given: Mapping[str, object]) -> Faults:
    """Return the faults of a JSON object: ``{"drop_udp": true, "post_500": 2}``.

    False and null mean off. Raises FaultError.
    """
    parts = []
    for name, value in given.items():
        if value is True:
            parts.append(name)
        elif isinstance(value, int | str) and value is not False:
            parts.append(f"{name}={value}")
        elif value not in (False, None):
            raise FaultError(f"fault {name}: {value!r} must be true, a number or a string")
    return parse(",".join(parts))


def _with(faults: Faults, name: str, value: str | None) -> Faults:
    if name in _SWITCHES:
        if value is not None:
            raise FaultError(f"fault {name} takes no value, not {value!r}")
        return _replaced(faults, name, True)
    if name in _NUMBERS:
        default, least, most = _NUMBERS[name]
        number = default if value is None else _number(name, value, least, most)
        if number is None:
            raise FaultError(f"fault {name} needs a value: {name}=1000")
        return _replaced(faults, name, number)
    if name in _TIMED:
        return _replaced(faults, _TIMED[name], _timed(name, value))
    status = name.removeprefix("post_")
    if name.startswith("post_") and status.isdecimal():
        code = _number("post_<status>", status, _FIRST_HTTP_ERROR, _LAST_HTTP_ERROR)
        count = None if value is None else _number(name, value, 0, _MAX_MS)
        return replace(faults, post={**faults.post, code: count})
    raise FaultError(f"unknown fault {name!r}; known are {', '.join(NAMES)}")


def _replaced(faults: Faults, name: str, value: Any) -> Faults:
    return replace(faults, **{name: value})


def _timed(name: str, value: str | None) -> Timed:
    if value is None:
        if name != "close_mid_response":
            raise FaultError(f"fault {name} needs a value: {name}=1000")
        return Timed(_DEFAULT_MID_RESPONSE_MS)
    after, star, count = value.partition("*")
    calls = _number(f"{name} (calls)", count, 1, _MAX_MS) if star else None
    return Timed(_number(name, after, 0, _MAX_MS), calls)


def _number(name: str, text: str, least: int, most: int) -> int:
    text = text.strip()
    if not text.isdecimal() or not least <= int(text) <= most:
        raise FaultError(f"fault {name}: {text!r} must be a whole number from {least} to {most}")
    return int(text)
