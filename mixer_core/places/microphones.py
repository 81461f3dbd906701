"""Which microphones of a room are open: those that hear no echo, and one in each place. Sans-I/O.

A microphone that is held back falls silent within its frame, for everybody, and its voice is not
metered. Whose talk button is held is never held back.
"""

from __future__ import annotations

from collections.abc import Collection

from ..slots import Slot, Stream
from .echo import EchoWatch
from .floor import Floor
from .seating import Seating

HELD_BACK_DB = -100.0


class Microphones:
    """The microphones of one room."""

    def __init__(self, seating: Seating, *, detects_echo: bool) -> None:
        self.held_total = 0
        """Frames that were held back."""
        self.found_total = 0
        """Microphones that were found to hear another device."""
        self._seating = seating
        self._echo = EchoWatch(seating) if detects_echo else None
        self._floors: dict[str, Floor[Stream]] = {}
        self._hears: dict[Stream, Stream] = {}

    @property
    def idle(self) -> bool:
        """Nothing is to be judged: every microphone is open."""
        return self._echo is None and not self._floors

    def judge(self, slot: Slot, now_ns: int) -> list[Stream]:
        """Set the attenuation of each voice of a slot; returns whose findings have changed.

        All of them have been listened to.
        """
        held_back = self._echoes(slot, now_ns)
        for place, floor in self._floors.items():
            self._decide(place, floor, slot, held_back)
        for source, _ in slot:
            chain = source.chain
            if chain is not None:
                duck_db = HELD_BACK_DB if source in held_back else 0.0
                if chain.duck_db != duck_db:
                    chain.duck_db = duck_db
        self.held_total += len(held_back)
        return self._news(slot) if self._echo is not None else []

    def is_held_back(self, stream: Stream) -> bool:
        """Whether the last frame of that voice was held back."""
        return stream.chain is not None and stream.chain.duck_db == HELD_BACK_DB

    def heard_by(self, microphone: Stream) -> Stream | None:
        """Whom it hears from another device, as was last told."""
        return self._hears.get(microphone)

    def reseat(self, streams: Collection[Stream]) -> None:
        """Devices have come, gone, or changed their places: these streams are in the room."""
        hears = self._hears.items()
        self._hears = {m: other for m, other in hears if m in streams and other in streams}
        shared = {devices[0].place for devices in self._seating.shared}
        floors = {place: self._floors.get(place) or Floor[Stream]() for place in shared}
        for place, floor in floors.items():
            floor.keep([d for devices in self._seating.shared for d in devices if d.place == place])
        self._floors = floors
        if self._echo is not None:
            self._echo.reseat(streams)

    def _echoes(self, slot: Slot, now_ns: int) -> set[Stream]:
        """Whose frames are echo. What is sent is heard first."""
        echo = self._echo
        held_back: set[Stream] = set()
        if echo is None:
            return held_back
        for source, entry in slot:
            if source.is_link:
                echo.sent(source, entry.pcm, now_ns)
        for source, entry in slot:
            chain = source.chain
            if chain is not None:
                speaks = chain.is_speech and self._seating.is_shared_room
                is_echo = echo.is_echo(source, entry.pcm, speaks, now_ns)
                if is_echo and not source.info.place.held:
                    held_back.add(source)
        return held_back

    def _decide(self, place: str, floor: Floor[Stream], slot: Slot, held_back: set[Stream]) -> None:
        """Hold back those of a place who have not the floor."""
        frames_db: dict[Stream, float] = {}
        held: Stream | None = None
        for source, _ in slot:
            chain = source.chain
            if chain is None or source.place != place:
                continue
            if source.info.place.held and (held is None or floor.holder is source):
                held = source
            if source not in held_back:
                frames_db[source] = chain.voice_dbfs - chain.floor_dbfs
        holder = floor.hear(frames_db, held)
        if holder is not None:
            held_back.update(s for s, _ in slot if s.place == place and s is not holder)

    def _news(self, slot: Slot) -> list[Stream]:
        assert self._echo is not None
        changed: list[Stream] = []
        for source, _ in slot:
            if source.is_link:
                continue
            heard = self._echo.heard_by(source)
            if heard is self._hears.get(source):
                continue
            changed.append(source)
            if heard is None:
                del self._hears[source]
            else:
                self._hears[source] = heard
                self.found_total += 1
        return changed
