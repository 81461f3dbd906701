"""What the mixer and the links do not know yet, told in reply to signs of life. Sans-I/O."""

from __future__ import annotations

from mixer_core.bus.control import (
    Heartbeat,
    LifeSign,
    LinkState,
    LoadLevel,
    Message,
    SpentElsewhere,
)

from .http.health import MIXER

MAX_KNOWN = 1_024
"""Processes that are remembered; beyond that, those told longest ago are told again."""


class Told:
    """Which value of one thing every process knows, as a number; it begins with 0."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[int, int]] = {}
        """By identity: process and value."""

    def is_due(self, identity: str, pid: int, value: int) -> bool:
        """Whether that process has to be told now; it counts as told after that."""
        known_pid, known = self._told.get(identity, (pid, 0))
        if known_pid != pid:
            known = 0
        if known == value:
            return False
        self._told.pop(identity, None)
        self._told[identity] = (pid, value)
        if len(self._told) > MAX_KNOWN:
            del self._told[next(iter(self._told))]
        return True


class News:
    """How loaded the gateway is, and what the rest of the cluster has spent."""

    def __init__(self) -> None:
        self.level = 0
        """Of the load, from 0 to 3, as of the last measurement."""
        self._spent = SpentElsewhere("", 0.0)
        self._spent_version = 0
        """0: nothing was heard of it, and nobody is told."""
        self._levels, self._sums = Told(), Told()

    def spent_elsewhere(self, spent: SpentElsewhere) -> None:
        """What the other nodes of the cluster have spent: each link hears it within a second."""
        self._spent, self._spent_version = spent, self._spent_version + 1

    def due(self, identity: str, sign: LifeSign) -> list[Message]:
        """What to send to the process that has just given this sign."""
        is_link = isinstance(sign, LinkState)
        if not is_link and not (isinstance(sign, Heartbeat) and sign.program == MIXER):
            return []
        found: list[Message] = []
        if self._levels.is_due(identity, sign.pid, self.level):
            found.append(LoadLevel(self.level))
        if is_link and self._sums.is_due(identity, sign.pid, self._spent_version):
            found.append(self._spent)
        return found
