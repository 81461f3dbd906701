"""The state of all programs, as it is told to people, to operators and to the log. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mixer_core.bus.control import Heartbeat
from mixer_core.bus.roles import Role
from mixer_core.runtime.errors import ProblemError

from .http import given_up
from .http.health import NO_FAULTS, WORKER, Health, ProgramView, Watch

GIVEN_UP_RETRY_S = 10


@dataclass(frozen=True, slots=True)
class Findings:
    """What a look at the machine has found, by program."""

    faults: Mapping[str, str] = field(default_factory=dict)
    """Why nobody new reaches it."""
    given_up: Mapping[str, str] = field(default_factory=dict)
    """Why it is not started any more."""


class Programs:
    """Fed with heartbeats, and with what looks at the machine have found."""

    def __init__(self, counts: Callable[[], Mapping[str, int]], url: str) -> None:
        """``counts``: ``Registry.counts``. ``url``: the page's address, for the log."""
        self._counts = counts
        self._url = url
        self._health = Health()
        self._watch = Watch()
        self._faults = NO_FAULTS

    @property
    def restarts(self) -> Mapping[str, int]:
        """By program: how often another process has taken its place."""
        return self._health.restarts

    def heard(self, beat: Heartbeat, now_ns: int) -> None:
        """Take a heartbeat."""
        self._health.heard(beat, now_ns)

    def looked(self, found: Findings) -> None:
        """Take what the latest look has found."""
        self._faults = found.faults
        self._health.given_up = found.given_up

    def states(self, now_ns: int) -> tuple[dict[str, ProgramView], list[str]]:
        """Every program's state, and what is missing."""
        state = self._counts(), now_ns, self._faults
        return self._health.programs(*state), self._health.missing(*state)

    def warnings(self, now_ns: int) -> list[str]:
        """What the gateway works without, but less surely."""
        return self._health.warnings(now_ns)

    def losses(self, now_ns: int) -> tuple[str, str]:
        """What people lose by programs that are not started any more, as ``given_up.words``."""
        programs = self._health.programs(self._counts(), now_ns, self._faults)
        failed = self._health.given_up.items()
        return given_up.words({name: why for name, why in failed if not programs[name].ready})

    def line(self, now_ns: int) -> str:
        """What the log is to say of readiness now; mostly nothing."""
        missing = self._health.missing(self._counts(), now_ns, self._faults)
        words = self._watch.update(missing, now_ns)
        if words is None:
            return ""
        return f"= waiting for {words}" if words else f"= mixminus is ready: open {self._url}"

    def check_offer(self, role: Role) -> None:
        """Raise ProblemError (503) where nobody will answer an offer; admins are told why."""
        why = self._health.given_up.get(WORKER)
        if why is not None and not self._counts()["workers_idle"]:
            told, told_to_admins = given_up.words({WORKER: why})
            words = told_to_admins if role == "admin" else told
            raise ProblemError(503, "Out of order", words, GIVEN_UP_RETRY_S)
