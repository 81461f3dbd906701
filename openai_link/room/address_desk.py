"""Which spoken turns the room's assistant answers, and what follows from it. Sans-I/O.

The engine's part around ``AddressPolicy``: facts of all sessions come in. A turn that is for the
assistant is owed an answer from then on, like one that was asked for by hand, so that it survives
the end of its session; one that is not costs no response.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast, get_args

from mixer_core.runtime.room_rules import USUAL_NAME, Address, RoomRules
from mixer_core.runtime.units import S_NS

from ..facts import (
    Caption,
    Fact,
    PlaybackEnded,
    PlaybackStarted,
    SpeechStarted,
    Transcribed,
    TurnCommitted,
)
from ..settings import OpenaiLinkSettings
from ..turns.address import AddressPolicy, Verdict
from ..turns.calling import can_call
from .actions import Log, TellBrowsers
from .record import RoomRecord
from .signals import AnswerTurn, Outcome, ProblemFound, RuleChanged

NO_WORDS = (
    "What was just said could not be written down, so the assistant does not know whether it was "
    "meant, and does not answer. Please say it again."
)
NOT_TRANSCRIBED = (
    "The assistant cannot know when it is addressed, since nothing that is said is written down "
    "([openai_link] transcription_model is empty): when it answers stays as it was."
)


class AddressDesk:
    """Of one room; methods return what follows, in order."""

    def __init__(self, rules: RoomRules, settings: OpenaiLinkSettings, record: RoomRecord) -> None:
        """``rules``: of the room, by its settings."""
        self._rules = rules
        self._chosen: Address | None = None
        """What an admin has chosen in place of the settings."""
        self._record = record
        self._is_transcribed = bool(settings.transcription_model)
        self._has_button = settings.turn_detection == "push_to_talk"
        rule = self._wanted()
        self._refused = None if self._is_possible(rule) else rule
        """The rule that was asked for and cannot be."""
        start: Address = "always" if self._refused else rule
        self._policy = AddressPolicy(start, _names(rules), _open_ns(rules))
        self._said = ""
        """The newest words of the assistant."""
        self._asker = ""
        """Whom the newest reply answers."""
        self._replying = 0
        """The session whose reply is heard, or was last."""
        self._is_told = False
        """People know that words do not come."""

    @property
    def rule(self) -> Address:
        """The rule that holds."""
        return self._policy.rule

    def open(self) -> list[Outcome]:
        """The room opens."""
        return [ProblemFound("not_transcribed", NOT_TRANSCRIBED)] if self._refused else []

    def change(self, rules: RoomRules) -> list[Outcome]:
        """The room's settings are these from now on."""
        self._rules = rules
        return self._apply()

    def choose(self, rule: object) -> list[Outcome]:
        """An admin chooses a rule for now; what is none: that of the settings."""
        chosen = cast(Address, rule) if rule in get_args(Address) else None
        if chosen == self._chosen:
            return []
        self._chosen = chosen
        return self._apply()

    def people(self, names: Mapping[str, str]) -> None:
        """Names of those who are in the room, by participant."""
        self._policy.people(list(names.values()))

    def session_over(self, session: int, now_ns: int) -> None:
        """A session has ended, and with it the reply that was heard of it: nothing stays open."""
        if self._policy.is_replying and session == self._replying:
            self._policy.reply_ended(self._said, self._asker, True, now_ns)

    def stopped(self) -> list[Outcome]:
        """Somebody has stopped the assistant, which has the room."""
        return self._follow(self._policy.stopped())

    def on_fact(
        self, session: int, fact: Fact, now_ns: int, is_stopped: bool = False
    ) -> list[Outcome]:
        """What happens in a session that has the room, or is draining; after the record.

        ``is_stopped``: it is about a response that we have stopped, which opens nothing.
        """
        policy = self._policy
        match fact:
            case SpeechStarted(item):
                return self._follow([policy.speech_started(item, now_ns)])
            case TurnCommitted(item):
                return self._follow([policy.committed(item, self._record.speakers(item), now_ns)])
            case Transcribed(item, text):
                return self._follow([policy.words(item, text, now_ns)])
            case Caption("assistant", text=text):
                self._said = text
            case PlaybackStarted(response) if not is_stopped:
                policy.reply_began()
                self._replying = session
                self._asker = self._record.asker(response)[0]
            case PlaybackEnded(cleared=cleared) if policy.is_replying and session == self._replying:
                policy.reply_ended(self._said, self._asker, cleared, now_ns)
        return []

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        return self._policy.next_timeout_ns()

    def tick(self, now_ns: int) -> list[Outcome]:
        """The time-out was reached, perhaps."""
        return self._follow(self._policy.tick(now_ns))

    def _apply(self) -> list[Outcome]:
        rules, before, wanted = self._rules, self._policy.rule, self._wanted()
        if not self._is_possible(wanted):
            told, self._refused = self._refused, wanted
            return [] if told == wanted else [ProblemFound("not_transcribed", NOT_TRANSCRIBED)]
        self._refused = None
        verdicts = self._policy.change(wanted, _names(rules), _open_ns(rules))
        changed: list[Outcome] = [] if wanted == before else [RuleChanged()]
        return [*changed, *self._follow(verdicts)]

    def _wanted(self) -> Address:
        return "push_to_talk" if self._has_button else self._chosen or self._rules.address

    def _is_possible(self, rule: Address) -> bool:
        return self._is_transcribed or rule not in ("addressed", "open")

    def _follow(self, verdicts: Iterable[Verdict | None]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for verdict in verdicts:
            if verdict is None:
                continue
            words = "answered" if verdict.is_answered else "not answered"
            outcomes.append(Log("debug", f"= a turn is {words}: {verdict.reason}"))
            if verdict.is_answered:
                outcomes.append(AnswerTurn(verdict.item))
            outcomes += self._tell(verdict)
        return outcomes

    def _tell(self, verdict: Verdict) -> list[Outcome]:
        """People are told once that words do not come, until some do."""
        if verdict.reason in ("called", "not_called"):
            self._is_told = False
        if verdict.reason != "no_words" or self._is_told:
            return []
        self._is_told = True
        return [TellBrowsers({"type": "error", "code": "no_words", "message": NO_WORDS})]


def _names(rules: RoomRules) -> tuple[str, ...]:
    """What the assistant answers to: a name that nobody can say, such as a picture, is none."""
    return tuple(filter(can_call, rules.called)) or (USUAL_NAME,)


def _open_ns(rules: RoomRules) -> int:
    return int(rules.address_open_s * S_NS)
