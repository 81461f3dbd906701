"""What follows for a room from being recorded, or no longer. Sans-I/O."""

from __future__ import annotations

from collections.abc import Sequence

from ..recording.consent import Begin, Deed, End, Left, Refuse, Sound
from .actions import BeginRecording, EndRecording, Log, PlayTone, TellBrowsers
from .record import RoomRecord
from .signals import Outcome, StateNews


def outcomes_of(deeds: Sequence[Deed], record: RoomRecord, wall_ms: int) -> list[Outcome]:
    """Of what ``Consent`` has decided, in order; a change is told to everybody, and noted."""
    outcomes: list[Outcome] = []
    for deed in deeds:
        match deed:
            case Begin(by):
                outcomes += [Log("info", f"= {by} records the room"), BeginRecording(by)]
                outcomes += record.noted(f"{by} records this room.", wall_ms)
            case End(words):
                outcomes += [Log("info", f"= no recording any more: {words}"), EndRecording(words)]
                outcomes += record.noted(f"The recording has ended: {words}.", wall_ms)
            case Left(words):
                outcomes.append(Log("warning", f"! a recording was left and is closed: {words}"))
                outcomes += record.noted(f"The recording has ended: {words}.", wall_ms)
            case Sound(rises):
                outcomes.append(PlayTone(rises))
            case Refuse(stream, code, words):
                refusal = {"type": "error", "code": code, "message": words}
                outcomes.append(TellBrowsers(refusal, stream))
    if any(not isinstance(deed, Refuse) for deed in deeds):
        outcomes.append(StateNews())
    return outcomes
