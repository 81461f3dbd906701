"""What everybody who is here, or comes, has to know of the gateway. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mixer_core.bus.control import Notice
from mixer_core.runtime.units import MS_NS

from .actions import Action, SendToChild
from .participant import Participant

STOPPING = "stopping"
GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class _Said:
    words: str
    words_of_admins: str
    due_ns: int | None


class Announcements:
    """One for each code; a new one replaces the one before."""

    def __init__(self) -> None:
        self._said: dict[str, _Said] = {}

    def say(
        self,
        code: str,
        words: str,
        words_of_admins: str,
        due_ns: int | None,
        people: Iterable[Participant],
        now_ns: int,
    ) -> list[Action]:
        """Tell those who are connected, and later whoever comes.

        Args:
            words: a sentence; empty: it is over.
            words_of_admins: what those who run the gateway have to know.
            due_ns: when it happens; None: it is so now.
        """
        said = _Said(words, words_of_admins, due_ns)
        if said == self._said.get(code, _Said("", "", None)):
            return []
        if words:
            self._said[code] = said
        else:
            self._said.pop(code, None)
        return [_told(person, code, said, now_ns) for person in people if person.worker]

    def newcomer(self, person: Participant, now_ns: int) -> list[Action]:
        """Somebody is connected now."""
        return [_told(person, code, said, now_ns) for code, said in self._said.items()]


def _told(person: Participant, code: str, said: _Said, now_ns: int) -> Action:
    left_ns = 0 if said.due_ns is None else max(said.due_ns - now_ns, 0)
    words = said.words_of_admins if person.role == "admin" else said.words
    return SendToChild(person.worker, Notice(person.id, code, words, left_ns // MS_NS))
