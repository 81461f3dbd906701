"""Readiness: which programs are up, what is missing, and when to log it. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mixer_core.bus.control import Heartbeat
from mixer_core.runtime.units import S_NS

FRESH_NS = 3 * S_NS
"""Age of a heartbeat after which its program is gone."""
PATIENCE_NS = S_NS
"""Time after which a missing program is logged."""
START_NS = 10 * S_NS
"""The same at the start: programs take some seconds, and nobody needs to read of that."""
MIXER, WORKER, LINK = "mixer_core", "media_worker", "openai_link"
SIGNALING = "signaling"
NO_FAULTS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class ProgramView:
    """One program as ``/readyz`` shows it."""

    ready: bool
    """It is up and can do its work."""
    pid: int
    """0: no heartbeat yet."""
    detail: str
    """What it does, or what it is missing."""


class Health:
    """The latest heartbeat of every program."""

    def __init__(self) -> None:
        self._beats: dict[str, tuple[Heartbeat, int]] = {}
        self.restarts: dict[str, int] = {}
        """By program: how often another process has taken its place."""
        self.given_up: Mapping[str, str] = NO_FAULTS
        """By program, why it is not started any more."""

    def heard(self, beat: Heartbeat, now_ns: int) -> None:
        """Take a heartbeat."""
        before, _ = self._beats.get(beat.program, (beat, 0))
        again = self.restarts.get(beat.program, 0) + (before.pid != beat.pid)
        self.restarts[beat.program] = again
        self._beats[beat.program] = (beat, now_ns)

    def programs(
        self, counts: Mapping[str, int], now_ns: int, faults: Mapping[str, str] = NO_FAULTS
    ) -> dict[str, ProgramView]:
        """Every needed or wanted program, and those at fault.

        ``counts``: those of ``Registry.counts``. ``faults``: by program, why nobody reaches it.
        """
        beats = [beat for beat, _ in self._beats.values()]
        more = [name for beat in beats for name in (*beat.needs, *beat.wants)]
        needed = dict.fromkeys((MIXER, WORKER, LINK, *more, *faults, *self.given_up))
        return {name: self._view(name, counts, now_ns, faults.get(name, "")) for name in needed}

    def missing(
        self, counts: Mapping[str, int], now_ns: int, faults: Mapping[str, str] = NO_FAULTS
    ) -> list[str]:
        """The programs that are not ready, with their reasons; empty: the gateway is ready."""
        wanted = self._wanted()
        return [
            f"{name}: {view.detail}" if view.detail else name
            for name, view in self.programs(counts, now_ns, faults).items()
            if not view.ready and name not in wanted
        ]

    def warnings(self, now_ns: int) -> list[str]:
        """What the gateway works without, but less surely."""
        views = {name: self._view(name, {}, now_ns, "") for name in self._wanted()}
        return [
            f"{name}: {view.detail}; if the other one ends, people hear nothing for a second or two"
            for name, view in views.items()
            if not view.ready
        ]

    def _wanted(self) -> set[str]:
        return {name for beat, _ in self._beats.values() for name in beat.wants}

    def _view(self, name: str, counts: Mapping[str, int], now_ns: int, fault: str) -> ProgramView:
        beat, seen_ns = self._beats.get(name, (None, 0))
        if beat is None or now_ns - seen_ns >= FRESH_NS:
            if name in self.given_up:
                return ProgramView(False, 0, f"not started any more: {self.given_up[name]}")
            if beat is not None:
                return ProgramView(False, beat.pid, "no heartbeat")
            return ProgramView(False, 0, fault if name == SIGNALING else "not started")
        if not beat.ready:
            return ProgramView(False, beat.pid, beat.detail or "starting")
        if fault:
            return ProgramView(False, beat.pid, fault)
        if name == WORKER and not counts["workers_idle"]:
            return ProgramView(False, beat.pid, "no idle child")
        if name == LINK and not counts["links_idle"] + counts["links_active"]:
            return ProgramView(False, beat.pid, "no idle child")
        return ProgramView(True, beat.pid, beat.detail)


class Watch:
    """Decides when readiness is logged: on changes that last."""

    def __init__(self) -> None:
        self._ready = False
        self._was_ready = False
        self._missing_since_ns: int | None = None
        self._told = ""

    def update(self, missing: list[str], now_ns: int) -> str | None:
        """What to log: what is missing, ``""`` for ready, None for nothing."""
        if not missing:
            self._missing_since_ns, self._told = None, ""
            fresh, self._ready, self._was_ready = not self._ready, True, True
            return "" if fresh else None
        if self._missing_since_ns is None:
            self._missing_since_ns = now_ns
        words = ", ".join(missing)
        patience_ns = PATIENCE_NS if self._was_ready else START_NS
        if now_ns - self._missing_since_ns < patience_ns or words == self._told:
            return None
        self._ready, self._told = False, words
        return words


def as_json(programs: Mapping[str, ProgramView]) -> dict[str, dict[str, object]]:
    """The states of the programs, for ``/readyz``."""
    return {
        name: {"ready": view.ready, "pid": view.pid, "detail": view.detail}
        for name, view in programs.items()
    }
