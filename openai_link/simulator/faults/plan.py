"""What can be made to go wrong: parsed from one line of text, asked for by name. Sans-I/O.

The text is a comma list of ``name``, ``name=value`` or ``name=value*count``. A count is how many
calls (or requests) are hit before the fault is over; without one, all are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

_FIRST_HTTP_ERROR, _LAST_HTTP_ERROR = 400, 599
_MAX_MS = 24 * 3_600 * 1_000


class FaultError(ValueError):
    """A fault that does not exist, or a value that it cannot have; one line."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Something that happens after a while, to a limited number of calls."""

    after_ms: int
    calls: int | None = None
    """How many calls are hit; None: all."""


@dataclass(frozen=True, slots=True)
class Faults:
    """All switches; the default shows none."""

    drop_udp: bool = False
    """Answers come, and every datagram of the call is dropped, both ways."""
    drop_uplink: int = 0
    """Percentage of the client's RTP packets that is lost on the way here, evenly spread."""
    answer_delay_ms: int = 0
    """Time between an offer and its answer."""
    post: Mapping[int, int | None] = field(default_factory=dict)
    """``post_<status>``: status → how many offers are refused with it (None: all)."""
    no_quota: bool = False
    """Offers and WebSockets are refused with 429 ``insufficient_quota``."""
    websocket_refused: int = 0
    """Status with which WebSockets are refused; 0: they are not."""
    close_channel: Timed | None = None
    """``close_channel_after_ms``: the events' channel (or WebSocket) closes so long after it
    opened."""
    close_mid_response: Timed | None = None
    """The channel (or WebSocket) closes so long after a reply began to be heard."""
    kill_call: Timed | None = None
    """``kill_call_after_ms``: the call is gone so long after it was connected, without a word."""
    duplicate_events: bool = False
    """Every server event is sent twice."""
    unknown_events: bool = False
    """Events of unknown types come in between, and known ones have extra fields."""
    null_previous_item: bool = False
    """``conversation.item.done`` names no previous item."""
    no_rate_limits: bool = False
    """``rate_limits.updated`` is left out."""
    late_transcription_ms: int = 0
    """Transcripts of the user's speech come so much later."""

    def __str__(self) -> str:
        """Return the text that ``parse`` would make these faults of."""
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
)
_NUMBERS = {  # Name → (value without one given, least, most).
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
    """Return the faults that ``text`` asks for; empty: none. Raises FaultError."""
    faults = Faults()
    for part in filter(None, (part.strip() for part in text.replace("\n", ",").split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        faults = _with(faults, name, value if equals else None)
    return faults


def from_mapping(given: Mapping[str, object]) -> Faults:
    """Return the faults of a JSON object: ``{"drop_udp": true, "post_500": 2}``.

    False and null leave a fault out. Raises FaultError.
    """
    parts = []
    for name, value in given.items():
        if value is True:
            parts.append(name)
        elif isinstance(value, int | str) and value is not False:
            parts.append(f"{name}={value}")
        elif value not in (False, None):
            raise FaultError(f"fault {name}: {value!r} is neither true, a number nor a text")
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
    raise FaultError(f"there is no fault {name!r}; there are {', '.join(NAMES)}")


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
        raise FaultError(f"fault {name}: {text!r} is no whole number from {least} to {most}")
    return int(text)
