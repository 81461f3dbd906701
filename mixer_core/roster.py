"""What the event ``participants`` says of the people in a room. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .bus.events import encode_map
from .runtime.errors import FrameError
from .slots import Stream

SHORT_NAME_CHARACTERS = 8
"""Names are cut to this where a roster would be too large for an event."""

Person = dict[str, object]
_LESS = ("place", "plays", "hears", "stream")
"""What is left out where a roster would be too large for an event."""


def person(stream: Stream) -> Person:
    """What everybody may know of a participant."""
    info = stream.info
    return {
        "participant": info.participant,
        "name": info.name,
        "muted": info.muted,
        "role": info.access,
        "verified": info.verified,
        "stream": stream.stream,
    }


def payload(people: Iterable[Person], more: Mapping[str, object]) -> bytes:
    """The event's payload, with ``more`` fields: as much of it as fits.

    Short names without places and streams fit for 190 people; of more, the first ones are told.
    Raises FrameError where ``more`` does not fit.
    """
    known = list(people)
    for shorter in (_short_name, _without_place):
        try:
            return _encoded(known, more)
        except FrameError:
            known = [shorter(one) for one in known]
    while known:
        try:
            return _encoded(known, more)
        except FrameError:
            known = known[: len(known) * 9 // 10]
    return _encoded(known, more)


def _encoded(people: list[Person], more: Mapping[str, object]) -> bytes:
    return encode_map({"type": "participants", "participants": people, **more})


def _short_name(one: Person) -> Person:
    return {**one, "name": str(one["name"])[:SHORT_NAME_CHARACTERS]}


def _without_place(one: Person) -> Person:
    return {key: one[key] for key in one if key not in _LESS}
