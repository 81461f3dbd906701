"""What the conversation costs: by modality, response, room, day and person; and the daily budget.

Sans-I/O. Prices come from the table in the settings, by the beginning of the model's name. Every
response bills the whole conversation again; what was cached costs less. Where a model has a price
by the minute, the sound that it heard is billed by its length, whether the server counts seconds
or audio tokens (ten a second); else seconds count as that many tokens.

What a simulator counts is money in no account but its own: ``day_of`` names another day then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mixer_core.journal.records import SIMULATED, Tokens, UsageKind, UsageRecord
from mixer_core.runtime.foreign_text import one_line

from ..prices import Price
from ..realtime.problems import Problem
from ..settings import OpenaiLinkSettings
from ..transcript.speech_timeline import Shares
from .budget import Budget, Stop, Warn

MAX_PEOPLE = 64
"""Names with an account of their own; whoever comes later is one of the ``OTHERS``."""
MAX_UNKNOWN = 16
"""Models without a price that people are told of."""
MAX_TOLD = 20
"""Names of an event: the dearest, and the rest as ``OTHERS``; an event has 16 KiB."""
OTHERS = "others"
REMEMBERED = 256
"""Responses and items that are known to be counted: an event that comes twice counts once."""
_MILLION = 1e6
_MARKS = frozenset("-_:@/ ")
"""What separates the parts of a model's name; a dot is part of a version."""


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by model."""

    prices: Mapping[str, Price]
    date: str
    """When they were true."""

    @staticmethod
    def of(settings: OpenaiLinkSettings) -> PriceTable:
        """The table of the settings."""
        return PriceTable(settings.prices, settings.prices_date)

    def price(self, model: str) -> Price | None:
        """Of the longest name with which ``model`` begins; None where there is none.

        What follows the name begins with a mark: ``gpt-realtime-2`` is no beginning of
        ``gpt-realtime-2.1``. A proxy's name of the provider before a slash is left out.
        """
        model = model.rsplit("/", 1)[-1]
        names = [name for name in self.prices if _begins(model, name)]
        return self.prices[max(names, key=len)] if names else None

    def cost_usd(self, usage: Tokens | Mapping[str, Any] | None, model: str) -> float | None:
        """What ``usage`` costs; None where the price of ``model`` is not known."""
        tokens = usage if isinstance(usage, Tokens) else Tokens.of(usage)
        price = self.price(model)
        if price is None:
            return None
        return (
            (tokens.text_in - tokens.text_cached) * price.text_in
            + tokens.text_cached * price.text_cached
            + _sound(tokens, price)
            + (tokens.image_in - tokens.image_cached) * price.image_in
            + tokens.image_cached * price.image_cached
            + tokens.text_out * price.text_out
            + tokens.audio_out * price.audio_out
        ) / _MILLION


def _begins(model: str, name: str) -> bool:
    rest = model.removeprefix(name)
    return model.startswith(name) and (not rest or rest[0] in _MARKS or name[-1:] in _MARKS)


def _sound(tokens: Tokens, price: Price) -> float:
    """What the sound that came in costs, in millionths of a dollar."""
    if price.minute:
        return tokens.billed_seconds / 60 * price.minute * _MILLION
    uncached = tokens.billed_audio_in - tokens.audio_cached
    return uncached * price.audio_in + tokens.audio_cached * price.audio_cached


@dataclass(frozen=True, slots=True)
class WriteUsage:
    """Put this into the journal."""

    record: UsageRecord


@dataclass(frozen=True, slots=True)
class TellUsage:
    """Tell the browsers; ``event`` is the whole EVENT of type ``usage``."""

    event: dict[str, Any]


SpendingAction = WriteUsage | TellUsage | Warn | Stop


class Spending:
    """The account of one room, with the day's totals, its own and that of all rooms, as the journal
    knows them."""

    def __init__(
        self,
        prices: PriceTable,
        budget_usd: float,
        day_of: Callable[[int], str],
        names: Callable[[], Mapping[str, str]] = dict,
        room: str = "",
        room_budget_usd: float = 0.0,
    ) -> None:
        """Start at nothing.

        Args:
            prices: the table.
            budget_usd: for a local day over all rooms; 0: no limit.
            day_of: local day of a Unix time in ms (``journal_file.local_day``).
            names: of participants (``Transcript.names``).
            room: its name.
            room_budget_usd: for a local day in this room; 0: no limit of its own.
        """
        self._prices = prices
        self._all = Budget(budget_usd, "[openai_link] daily_budget_usd")
        setting = f"[rooms.{room}] daily_budget_usd"
        self._own = Budget(room_budget_usd, setting, "of this room")
        self._day_of = day_of
        self._names = names
        self.tokens = Tokens()
        """Of the room."""
        self.cost_usd = 0.0
        """Of the room, as far as prices are known."""
        self.unpriced = 0
        """Responses and transcriptions whose price is not known."""
        self.people: dict[str, float] = {}
        """Dollars by name, at most ``MAX_PEOPLE`` and the ``OTHERS``; the empty name: what nobody
        asked for."""
        self._day = ""
        self._unknown: set[str] = set()
        self._counted: deque[tuple[UsageKind, str, str]] = deque(maxlen=REMEMBERED)
        self._elsewhere: dict[str, float] = {}

    def add(
        self,
        usage: Mapping[str, Any] | None,
        model: str,
        shares: Shares,
        wall_ms: int,
        key: str = "",
        kind: UsageKind = "response",
        status: str = "",
        session: str = "",
    ) -> list[SpendingAction]:
        """Count a response or a transcription.

        Args:
            usage: as the server gave it; None: it did not say, nothing is counted.
            model: that was used. shares: whose words it answers, parts that sum up to 1.
            wall_ms: Unix time. key: id of the response or the item. status: of a response.
            session: names the session in which ``key`` is unique.

        Returns:
            What to do, in order: the journal first, the browsers' figures last.
        """
        if not usage or (kind, session, key) in self._counted:
            return []
        if key:
            self._counted.append((kind, session, key))
        tokens = Tokens.of(usage)
        cost_usd = self._prices.cost_usd(tokens, model)
        self._turn_to(self._day_of(wall_ms))
        named = tuple((who, self._names().get(who, who), part) for who, part in shares)
        record = UsageRecord(key, kind, model, wall_ms, self._day, tokens, cost_usd, named, status)
        actions: list[SpendingAction] = [WriteUsage(record)]
        self.tokens += tokens
        if cost_usd is None:
            actions += self._count_unpriced(model)
        else:
            self._count(cost_usd, named)
        return [*actions, *self._check(), TellUsage(self._event(record))]

    def day_total(self, day: str, cost_usd: float, room_usd: float = 0.0) -> list[SpendingAction]:
        """What the journal knows of a local day over all rooms; call it at the start, too.

        ``room_usd``: of it in this room, by the processes that had it before.
        """
        if day < self._day:
            return []
        self._turn_to(day)
        self._all.spent_usd = max(self._all.spent_usd, cost_usd)
        self._own.spent_usd = max(self._own.spent_usd, room_usd)
        return self._check()

    def spent_elsewhere(self, amounts: Mapping[str, float]) -> list[SpendingAction]:
        """What the other nodes of a cluster have spent, by day; of a day without, nothing."""
        self._elsewhere = dict(amounts)
        self._all.elsewhere_usd = self._elsewhere.get(self._day, 0.0)
        return self._check()

    def change(self, budget_usd: float, room_budget_usd: float) -> list[SpendingAction]:
        """Other budgets count from now on."""
        self._all.change(budget_usd)
        self._own.change(room_budget_usd)
        return self._check()

    def blocked(self, wall_ms: int) -> Problem | None:
        """Why no call may be made now; ask before each. None: it may."""
        self._turn_to(self._day_of(wall_ms))
        return self._all.blocked() or self._own.blocked()

    def metrics(self) -> dict[str, int | float]:
        """Counters for the link's metrics: tokens by modality, dollars."""
        counts: dict[str, int | float] = {
            f"tokens_{name}_total": count
            for name, count in self.tokens.as_dict().items()
            if name != "seconds"
        }
        return counts | {"spent_usd_total": self.cost_usd, "unpriced_total": self.unpriced}

    def _turn_to(self, day: str) -> None:
        if day > self._day:
            self._day = day
            self._all.new_day()
            self._all.elsewhere_usd = self._elsewhere.get(day, 0.0)
            self._own.new_day()

    def _count(self, cost_usd: float, shares: tuple[tuple[str, str, float], ...]) -> None:
        self.cost_usd += cost_usd
        self._all.spent_usd += cost_usd
        self._own.spent_usd += cost_usd
        for _, name, part in shares or (("", "", 1.0),):
            account = name if name in self.people or len(self.people) < MAX_PEOPLE else OTHERS
            self.people[account] = self.people.get(account, 0.0) + cost_usd * part

    def _count_unpriced(self, model: str) -> list[SpendingAction]:
        self.unpriced += 1
        if model in self._unknown or len(self._unknown) >= MAX_UNKNOWN:
            return []
        self._unknown.add(model)
        budget = " and does not count for the budget" if self._has_budget else ""
        words = (
            f"The price of the model {one_line(model)!r} is not in the price table of "
            f"{self._prices.date}: what it costs is not known{budget}. "
            "Add it to [openai_link.prices]."
        )
        return [Warn("price_unknown", words)]

    @property
    def _has_budget(self) -> bool:
        return bool(self._all.limit_usd or self._own.limit_usd)

    def _check(self) -> list[SpendingAction]:
        found = self._all.check()
        if any(isinstance(action, Stop) for action in found):
            return list(found)
        return [*found, *self._own.check()]

    def _event(self, record: UsageRecord) -> dict[str, Any]:
        """What browsers are told."""
        event: dict[str, Any] = {
            "type": "usage",
            "kind": record.kind,
            "response": _entry(record.tokens, record.cost_usd),
            "room": _entry(self.tokens, self.cost_usd) | {"unpriced": self.unpriced},
            "day": {
                "cost_usd": _rounded(self._all.total_usd),
                "day": self._day.removesuffix(SIMULATED),
            },
            "people": {name: _rounded(usd) for name, usd in _dearest(self.people).items()},
        }
        if self._all.limit_usd:
            event["day"]["budget_usd"] = self._all.limit_usd
        if self._own.limit_usd:
            event["room"]["day_usd"] = _rounded(self._own.spent_usd)
            event["room"]["budget_usd"] = self._own.limit_usd
        return event


def _dearest(people: Mapping[str, float]) -> Mapping[str, float]:
    """At most ``MAX_TOLD`` accounts with the same sum."""
    if len(people) <= MAX_TOLD:
        return people
    named = sorted((name for name in people if name != OTHERS), key=lambda name: -people[name])
    told = {name: people[name] for name in named[: MAX_TOLD - 1]}
    return told | {OTHERS: sum(people.values()) - sum(told.values())}


def _entry(tokens: Tokens, cost_usd: float | None) -> dict[str, Any]:
    cost = None if cost_usd is None else _rounded(cost_usd)
    return {"tokens": tokens.as_dict(), "cost_usd": cost}


def _rounded(cost_usd: float) -> float:
    return round(cost_usd, 6)
