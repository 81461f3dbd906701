"""The rules of a running room change: what counts now is done, and people are told. Sans-I/O."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields

from mixer_core.runtime.room_rules import RoomRules

from ..room_settings import RoomSettings
from .actions import Log, TellBrowsers
from .parts import RoomParts
from .persona import NAMES, VOICE
from .signals import Outcome, StateNews

_RULES = {
    "persona": "the assistant's name",
    "tools": "the tools",
    "daily_budget_usd": "the budget",
    "address": "when the assistant answers",
    "address_names": "when the assistant answers",
    "address_open_s": "when the assistant answers",
    "transcript": "whether a transcript is kept",
    "transcribe_each": "whether everybody is written down by themselves",
    "recording": "whether the room may be recorded",
}
"""What changes beside the persona, and what people call it."""


class RuleChanges:
    """Of one room; methods return what follows, in order."""

    def __init__(self, parts: RoomParts, settings: RoomSettings) -> None:
        self._parts = parts
        self._settings = settings

    @property
    def rules(self) -> RoomRules:
        """Those that hold."""
        return self._settings.rules

    def change(self, settings: RoomSettings, wall_ms: int, now_ns: int) -> list[Outcome]:
        """They are these from now on."""
        before, self._settings = self._settings, settings
        parts, rules = self._parts, settings.rules
        persona = parts.persona.change(settings.link)
        later = self._later(persona)
        outcomes: list[Outcome] = []
        if rules.tools != before.rules.tools:
            outcomes += parts.tools.allow(rules.tools, now_ns)
        outcomes += parts.sessions.retell()
        outcomes += parts.address.change(rules)
        outcomes += parts.want_own_words(rules.transcribe_each, settings.link)
        outcomes += parts.recording.rules(rules.recording, wall_ms)
        budgets = (settings.link.daily_budget_usd, rules.daily_budget_usd)
        outcomes += parts.record.budgets(*budgets)
        names = [NAMES[key] for key in NAMES if key in persona - later]
        names += _differing(before, settings)
        if rules.address not in (before.rules.address, parts.address.rule):
            names.remove(_RULES["address"])  # It is refused, or an admin has decided otherwise.
        words = told(names, [NAMES[key] for key in NAMES if key in later])
        if not words:
            return outcomes
        news = TellBrowsers({"type": "rules", "message": words})
        return [Log("info", f"= {words}"), *outcomes, StateNews(), news]

    def _later(self, persona: frozenset[str]) -> frozenset[str]:
        """Those keys of the persona that wait for the next session."""
        active = self._parts.sessions.active
        if active is None:
            return frozenset()  # The next session is the next thing that happens.
        return persona & ({"model"} if active.may_change_voice else {"model", *VOICE})


def told(now: Collection[str], later: Collection[str]) -> str:
    """What has changed, and what will with the next session; empty: nothing."""
    first = _listed(now, "changed now")
    second = _listed(later, "", "changes with the next session", "change with the next session")
    sentence = "; ".join(filter(None, (first, second)))
    return f"{sentence[:1].upper()}{sentence[1:]}." if sentence else ""


def _listed(names: Collection[str], past: str, one: str = "", many: str = "") -> str:
    each = [name if " " in name else f"the {name}" for name in dict.fromkeys(names)]
    if not each:
        return ""
    listed = " and ".join(filter(None, (", ".join(each[:-1]), each[-1])))
    return f"{listed} {past or (one if len(each) == 1 else many)}"


def _differing(old: RoomSettings, new: RoomSettings) -> list[str]:
    """Rules that differ, beside the persona and the mode, of which signaling knows."""
    known = [key.name for key in fields(RoomRules) if key.name in _RULES]
    found = [_RULES[key] for key in known if getattr(old.rules, key) != getattr(new.rules, key)]
    if old.link.daily_budget_usd != new.link.daily_budget_usd:
        found.append(_RULES["daily_budget_usd"])
    return found
