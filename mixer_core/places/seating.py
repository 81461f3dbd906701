"""Which devices of a room are in one place, and which of them plays. Sans-I/O.

In each place one device plays: the one that was asked to, last; else the one that came first. The
others get no sound, but for headphones. A person's voice is never sent to a device of their own
place, where everybody hears it through the air.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..slots import Stream


class Seating:
    """The places of one room."""

    def __init__(self, remembered: frozenset[int] = frozenset()) -> None:
        """``remembered``: streams that are sent no sound before ``settle``, whoever is there."""
        self._remembered = remembered
        self.soundless: frozenset[Stream] = frozenset()
        """Devices that are sent no sound."""
        self.shared: tuple[tuple[Stream, ...], ...] = ()
        """The devices of each place that has several."""
        self._players: dict[str, Stream] = {}
        self.is_shared_room = False
        """Several devices are in the room, in whatever places."""

    def update(self, streams: Collection[Stream]) -> None:
        """These streams are in the room, with what they say of their places."""
        places: dict[str, list[Stream]] = {}
        self.is_shared_room = sum(not stream.is_link for stream in streams) > 1
        for stream in streams:
            stream.place = stream.info.place.key
            if stream.place and not stream.is_link:
                places.setdefault(stream.place, []).append(stream)
        self.shared = tuple(tuple(devices) for devices in places.values() if len(devices) > 1)
        open_air = {devices[0].place: _open_air(devices) for devices in self.shared}
        self.soundless = frozenset(
            device for devices in open_air.values() for device in devices[1:]
        ).union(_open_air(s for s in streams if s.place and s.stream in self._remembered))
        self._players = {place: devices[0] for place, devices in open_air.items() if devices}

    def settle(self) -> None:
        """From the next ``update`` on only those count who are there."""
        self._remembered = frozenset()

    def hears_its_place(self, microphone: Stream, sent: Stream) -> bool:
        """Whether a microphone is where another device plays that stream."""
        player = self._players.get(microphone.place)
        return player not in (None, microphone) and microphone.place != sent.place

    def described(self, stream: Stream) -> dict[str, object]:
        """What a roster tells of a device: nothing, unless it has a place."""
        place = stream.info.place
        if not place.name:
            return {}
        return {"place": place.name, "plays": stream not in self.soundless}


def _open_air(devices: Iterable[Stream]) -> list[Stream]:
    """The devices of a place without headphones; the first of them plays."""
    return sorted((d for d in devices if not d.info.place.headphones), key=_turn)


def _turn(device: Stream) -> tuple[int, int, int]:
    place = device.info.place
    return -place.asked_ns, place.came_ns, device.stream
