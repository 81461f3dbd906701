"""What must hold at every moment, and what it counts."""

from __future__ import annotations

from typing import Any

from mixer_core.runtime.units import MS_NS

STALE_NS = 500 * MS_NS
"""Audio that is played is younger: the worker's limit, and the way."""
LATE_UPSTREAM_NS = 5_000 * MS_NS
"""What a frozen process has not read is not thrown away: it may be the end of a sentence."""


class Watch:
    """Faults are collected, so that one run tells all of them."""

    def __init__(self, house: Any) -> None:
        self._house = house
        self.faults: list[str] = []
        self.frames = 0
        """Frames of replies that were played."""
        self.states: set[tuple[Any, ...]] = set()
        """Situations of the whole gateway that were seen."""
        self._newest: dict[int, tuple[int, int]] = {}
        """Per page: link and session of the newest frame."""
        self._epochs: dict[tuple[str, int, int], int] = {}
        """Per room, link and session: the epoch of each reply that anybody played."""
        self._ended: dict[str, set[tuple[int, int]]] = {}

    def fault(self, words: str) -> None:
        """Something does not hold."""
        at_s = self._house.elapsed_ns / 1e9
        if len(self.faults) < 20:
            self.faults.append(f"{at_s:.3f} s: {words}")

    def played(
        self, page: Any, link: int, session: int, number: int, epoch: int, age_ns: int
    ) -> None:
        """A page plays a frame of a reply."""
        self.frames += 1
        if age_ns > STALE_NS:
            self.fault(f"page {page.number} plays audio {age_ns // MS_NS} ms old")
        source, before = (link, session), self._newest.get(page.number)
        ended = self._ended.setdefault(page.room, set())
        if source in ended:
            self.fault(
                f"page {page.number} hears link {link} again, session {session}, epoch {epoch}"
            )
        if before is not None and before != source and before[0] != link:
            ended.add(before)
        self._newest[page.number] = source

    def heard_upstream(self, age_ns: int) -> None:
        """The room's sound reaches the server."""
        if age_ns > LATE_UPSTREAM_NS:
            self.fault(f"the server hears audio {age_ns // MS_NS} ms old")
