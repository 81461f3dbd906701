"""What the servers of a room's sessions confirm: the models that are paid for, and differences.

Sans-I/O. A difference is told once in a room, whichever of its sessions shows it.
"""

from __future__ import annotations

from typing import TypeVar

from mixer_core.runtime.foreign_text import one_line

from ..facts import SessionConfirmed
from ..realtime.confirmed import (
    differences,
    is_model,
    is_silent,
    model_of,
    transcription_model_of,
)
from ..settings import OpenaiLinkSettings
from .actions import Log
from .signals import Outcome, ProblemFound

_V = TypeVar("_V")

MAX_TOLD = 64
"""Differences that are remembered; a server that goes on inventing others is not told of."""
MAX_SESSIONS = 16
"""Sessions whose models are known, the newest: what one cost may come after its end."""


class Confirmations:
    """Of one room; methods return what follows, in order."""

    def __init__(self, settings: OpenaiLinkSettings) -> None:
        self._settings = settings
        self._models: dict[int, str] = {}
        self._transcription_models: dict[int, str] = {}
        self._silent: dict[int, bool] = {}
        self._told: set[str] = set()

    def model(self, session: int) -> str:
        """The model of a session (its number), as it is paid for."""
        return self._models.get(session) or self._settings.model

    def transcription_model(self, session: int) -> str:
        """The model that transcribes in a session."""
        return self._transcription_models.get(session) or self._settings.transcription_model

    def is_silent(self, session: int) -> bool:
        """Whether the server of a session says that its answers have no sound."""
        return self._silent.get(session, False)

    def opened(self, session: int, model: str) -> None:
        """A session was opened with that model; its server may name another one, or none."""
        _keep(self._models, session, model)

    def take(self, session: int, fact: SessionConfirmed) -> list[Outcome]:
        """The server of a session tells how it is."""
        model, transcription = model_of(fact.given), transcription_model_of(fact.given)
        if model:
            _keep(self._models, session, model)
        if transcription:
            _keep(self._transcription_models, session, transcription)
        if fact.asked:
            _keep(self._silent, session, is_silent(fact.given))
        return [*self._other_model(fact, model), *self._others(fact)]

    def _other_model(self, fact: SessionConfirmed, model: str) -> list[Outcome]:
        """A deployment on Azure has a name of its own: its model is no surprise."""
        asked = model_of(fact.asked)
        if not (asked and model) or is_model(asked, model) or not self._is_new(f"model {model}"):
            return []
        if self._settings.auth == "azure":
            return [Log("info", f"= the deployment {asked} is the model {one_line(model)}")]
        words = (
            f"The assistant is the model {one_line(model)}, not {one_line(asked)} as asked for: "
            "it may answer otherwise, and its prices count."
        )
        return [Log("warning", f"! {words}"), ProblemFound("other_model", words)]

    def _others(self, fact: SessionConfirmed) -> list[Outcome]:
        found = differences(fact.asked, fact.given, fact.answers_tools)
        news = [difference for difference in found if self._is_new(difference)]
        if not news:
            return []
        words = f"The server runs the session otherwise than asked for: {'; '.join(news)}."
        return [Log("warning", f"! {words}"), ProblemFound("session_differs", words)]

    def _is_new(self, difference: str) -> bool:
        if difference in self._told or len(self._told) >= MAX_TOLD:
            return False
        self._told.add(difference)
        return True


def _keep(known: dict[int, _V], session: int, value: _V) -> None:
    known[session] = value
    if len(known) > MAX_SESSIONS:
        del known[min(known)]
