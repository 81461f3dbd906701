"""Which devices of a room are in one place, and which of them plays. Sans-I/O.

In each place one device plays: the one that was asked to, last; else the one that came first. The
others get no sound, but for headphones. A person's voice is never sent to a device of their own
place, where everybody hears it through the air.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..slots import Stream


class Seating:
    """The places of one room."""

    def __init__(self) -> None:
        self.soundless: frozenset[Stream] = frozenset()
        """Devices that are sent no sound."""
        self.shared: tuple[tuple[Stream, ...], ...] = ()
        """The devices of each place that has several."""

    def update(self, streams: Iterable[Stream]) -> None:
        """These streams are in the room, with what they say of their places."""
        places: dict[str, list[Stream]] = {}
        for stream in streams:
            stream.place = stream.info.place.key
            if stream.place and not stream.is_link:
                places.setdefault(stream.place, []).append(stream)
        self.shared = tuple(tuple(devices) for devices in places.values() if len(devices) > 1)
        self.soundless = frozenset(
            device for devices in self.shared for device in _soundless(devices)
        )

    def described(self, stream: Stream) -> dict[str, object]:
        """What a roster tells of a device: nothing, unless it has a place."""
        place = stream.info.place
        if not place.name:
            return {}
        return {"place": place.name, "plays": stream not in self.soundless}


def _soundless(devices: Iterable[Stream]) -> list[Stream]:
    """All devices of a place but the one that plays and those with headphones."""
    open_air = sorted((d for d in devices if not d.info.place.headphones), key=_turn)
    return open_air[1:]


def _turn(device: Stream) -> tuple[int, int, int]:
    place = device.info.place
    return -place.asked_ns, place.came_ns, device.stream
