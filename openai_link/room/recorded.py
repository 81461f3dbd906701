"""Whether a room is recorded, and what follows from it. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mixer_core.runtime.units import S_NS

from ..recording.consent import Begin, Consent, Deed, End, Left, Refuse, Sound
from .actions import BeginRecording, EndRecording, Log, PlayTone, TellBrowsers
from .record import RoomRecord
from .signals import Outcome, StateNews


class RoomRecording:
    """Carries out what ``Consent`` decides for a room; methods return what follows, in order."""

    def __init__(self, is_allowed: bool, max_hours: float, record: RoomRecord) -> None:
        """``is_allowed``: by the rules of the room; ``max_hours``: the longest recording."""
        self._consent = Consent(is_allowed, int(max_hours * 3_600 * S_NS))
        self._record = record

    @property
    def view(self) -> dict[str, str]:
        """For everybody."""
        return self._consent.view

    def keeps(self, participant: str, now_ns: int) -> bool:
        """Whether what a participant says is kept; the assistant (empty) is nobody."""
        return self._consent.keeps(participant, now_ns)

    def asked(self, event: Mapping[str, Any], wall_ms: int, now_ns: int) -> list[Outcome]:
        """A ``record`` message: somebody wants the room recorded, or objects."""
        return self._outcomes(self._consent.asked(event, now_ns), wall_ms)

    def roster(self, people: Iterable[str], wall_ms: int, now_ns: int) -> list[Outcome]:
        """Exactly these participants are in the room."""
        return self._outcomes(self._consent.roster(people, now_ns), wall_ms)

    def rules(self, is_allowed: bool, wall_ms: int) -> list[Outcome]:
        """Whether the rules of the room allow it from now on."""
        return self._outcomes(self._consent.rules(is_allowed), wall_ms)

    def end(self, words: str, wall_ms: int) -> list[Outcome]:
        """It cannot go on. ``words``: why, a sentence for people, without its end."""
        return self._outcomes(self._consent.end(words), wall_ms)

    def left(self, words: str, wall_ms: int) -> list[Outcome]:
        """The room's last process died while it recorded. ``words``: as in ``end``."""
        return self._outcomes(self._consent.left(words), wall_ms)

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        return self._consent.next_timeout_ns()

    def tick(self, wall_ms: int, now_ns: int) -> list[Outcome]:
        """The time-out was reached, perhaps."""
        return self._outcomes(self._consent.tick(now_ns), wall_ms)

    def _outcomes(self, deeds: Sequence[Deed], wall_ms: int) -> list[Outcome]:
        """Of what was decided, in order; a change is told to everybody, and noted."""
        outcomes: list[Outcome] = []
        for deed in deeds:
            match deed:
                case Begin(by):
                    outcomes += [Log("info", f"= {by} records the room"), BeginRecording(by)]
                    outcomes += self._record.noted(f"{by} records this room.", wall_ms)
                case End(words):
                    outcomes += [
                        Log("info", f"= no recording any more: {words}"),
                        EndRecording(words),
                    ]
                    outcomes += self._record.noted(f"The recording has ended: {words}.", wall_ms)
                case Left(words):
                    outcomes.append(
                        Log("warning", f"! a recording was left and is closed: {words}")
                    )
                    outcomes += self._record.noted(f"The recording has ended: {words}.", wall_ms)
                case Sound(rises):
                    outcomes.append(PlayTone(rises))
                case Refuse(stream, code, words):
                    refusal = {"type": "error", "code": code, "message": words}
                    outcomes.append(TellBrowsers(refusal, stream))
        if any(not isinstance(deed, Refuse) for deed in deeds):
            outcomes.append(StateNews())
        return outcomes
