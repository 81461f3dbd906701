"""What answers and transcriptions cost, by what the server says of them. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..facts import ResponseEnded, Transcribed
from ..transcript.speech_timeline import Shares
from .actions import Log, TellBrowsers, WriteJournal
from .budget import Stop, Warn
from .confirmations import Confirmations
from .money import Spending, SpendingAction, TellUsage, WriteUsage
from .signals import BudgetSpent, Outcome, ProblemFound


class RoomCosts:
    """Of one room; methods return what follows, in order."""

    def __init__(self, spending: Spending, confirmations: Confirmations) -> None:
        """``confirmations``: the models that the sessions' servers say they use."""
        self._spending = spending
        self._confirmations = confirmations

    def day_total(self, day: str, cost_usd: float, room_usd: float) -> list[Outcome]:
        """What the journal knows of a day's spending, over all rooms and in this one."""
        return _outcomes(self._spending.day_total(day, cost_usd, room_usd))

    def spent_elsewhere(self, amounts: Mapping[str, float]) -> list[Outcome]:
        """What the other nodes of a cluster have spent, by day."""
        return _outcomes(self._spending.spent_elsewhere(amounts))

    def budgets(self, budget_usd: float, room_budget_usd: float) -> list[Outcome]:
        """The budgets for a day are these from now on."""
        return _outcomes(self._spending.change(budget_usd, room_budget_usd))

    def response(
        self, session: int, ended: ResponseEnded, shares: Shares, wall_ms: int
    ) -> list[Outcome]:
        """A response is over; ``shares``: of those whom it answers."""
        model, key = self._confirmations.model(session), ended.response
        return _outcomes(
            self._spending.add(
                ended.usage, model, shares, wall_ms, key, status=ended.status, session=str(session)
            )
        )

    def transcription(
        self, session: int, fact: Transcribed, shares: Shares, wall_ms: int
    ) -> list[Outcome]:
        """Speech was written down; ``shares``: of those who spoke."""
        model = self._confirmations.transcription_model(session)
        return _outcomes(
            self._spending.add(
                *(fact.usage, model, shares, wall_ms, fact.item, "transcription"),
                session=str(session),
            )
        )

    def voice(
        self, who: str, session: str, item: str, usage: Mapping[str, Any], model: str, wall_ms: int
    ) -> list[Outcome]:
        """What one person said was written down by itself, as an item of a session of its own."""
        shares = [(who, 1.0)]
        return _outcomes(
            self._spending.add(
                usage, model, shares, wall_ms, item, "transcription", session=session
            )
        )


def _outcomes(actions: Sequence[SpendingAction]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for action in actions:
        match action:
            case WriteUsage(record):
                outcomes.append(WriteJournal((record,)))
            case TellUsage(event):
                outcomes.append(TellBrowsers(event))
            case Warn(code, message):
                outcomes += [Log("warning", f"! {message}"), ProblemFound(code, message)]
            case Stop(problem):
                outcomes.append(BudgetSpent(problem))
    return outcomes
