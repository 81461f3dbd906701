"""One room: its mode, its rules, and who may speak in it. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from mixer_core.bus.control import RuledMode
from mixer_core.bus.events import Mode
from mixer_core.bus.roles import Role
from mixer_core.bus.rules import AdminRules

MAX_GUESTS = 1_000
"""Guests that a room remembers; beyond that, those who came longest ago are forgotten."""


@dataclass(slots=True)
class Room:
    """It exists while somebody is in it."""

    mode: Mode
    rules: AdminRules = field(default_factory=AdminRules)
    ruled_mode: RuledMode = ""
    """The mode that its settings wanted when it got its mode."""
    _guests: dict[str, bool] = field(default_factory=dict)
    """Per subject that was here: whether only an admin can unmute them."""

    @property
    def guests(self) -> dict[str, bool]:
        """Per subject that was here: whether only an admin can unmute them."""
        return dict(self._guests)

    def admits(self, role: Role, subject: str) -> bool:
        """Whether somebody may come in, as far as the room's lock is concerned."""
        return not self.rules.locked or role == "admin" or subject in self._guests

    def silences(self, role: Role, subject: str) -> bool:
        """Whether somebody who comes in is muted until an admin lets them speak.

        Who was here before finds it as it was, so that a reload changes nothing.
        """
        known = self._guests.get(subject)
        return self.rules.enter_muted and role != "admin" if known is None else known

    def note(self, subject: str, silenced: bool) -> None:
        """Somebody is here; ``subject`` is empty for people without an invitation."""
        if subject:
            self._guests.pop(subject, None)
            self._guests[subject] = silenced
        if len(self._guests) > MAX_GUESTS:
            del self._guests[next(iter(self._guests))]
