"""What a session waits for, and for how long. Sans-I/O.

Alive means answering: a connection that stays up says nothing. Whatever waits for the server has a
limit of its own, and what happens at the limit depends on what is missing:

=============================  =======================  ===========================================
waits for                      limit                    then
=============================  =======================  ===========================================
a response that was asked for  ``answer_timeout_ms``    the call is lost
more of an open response       ``answer_timeout_ms``    the call is lost
… while a tool of the server   ``SERVER_TOOL_NS``       the call is lost
runs
the response to a turn         ``answer_timeout_ms``    we ask for it, once; the call is lost where
                                                        the server says nothing any more
the end of a turn              ``QUIET_TURN_NS`` of     the turn is over (``TurnLost``)
                               quiet; ``TURN_NS``
the end of a reply             ``PLAYED_NS`` without    it was played (``PlayedOut``)
                               sound
any event at all               ``liveness``             the call is lost
=============================  =======================  ===========================================

What of a response counts is its events and its sound, but sound alone for ``SERVER_TOOL_NS`` only.
A session in which nobody waits has no limit. The limits of a session that is being opened are in
``confirmation``, those of its seeding in ``seeding``; acknowledgements and words are inferred by
the reducer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.units import S_NS

from ..realtime.event_fields import text_of
from .durations import in_seconds
from .liveness import DUE_NS, Liveness, Probe, ServerHabits, Silent

SERVER_TOOL_NS = 120 * S_NS
"""Longest silence of a response that waits for a tool of the server, or only sounds."""
QUIET_TURN_NS = 10 * S_NS
"""A turn whose end the server does not tell is over after so much quiet in the room."""
PAUSE_NS = 2 * S_NS
"""Quiet for so long is no pause within a sentence."""
TURN_NS = 300 * S_NS
"""Longest turn that is shown."""
PLAYED_NS = 6 * S_NS
"""A generated reply without sound for so long was played to its end."""
MAX_REQUESTS = 16
"""Requests whose times are kept."""


class Waiting(NamedTuple):
    """What a session waits for now."""

    request: str | None = None
    """Id of the ``response.create`` that is neither answered nor refused."""
    generated_ns: int | None = None
    """Newest event of a response that is open; None: none is."""
    runs_server_tool: bool = False
    """It waits for a tool of the server."""
    unanswered_ns: int | None = None
    """When a turn ended that no response answers; None: there is none."""
    hears_ns: int | None = None
    """When the turn began that the server hears; None: it hears none."""
    plays_ns: int | None = None
    """When the reply began that the server says is heard; None: there is none."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The call is lost: ``words`` say what did not come."""

    words: str


@dataclass(frozen=True, slots=True)
class CoverTurn:
    """Ask for the response that the server should have begun by itself."""


@dataclass(frozen=True, slots=True)
class TurnLost:
    """A turn is over, though the server does not say so."""

    was_quiet: bool
    """It is quiet in the room, so that an answer is due; else it only takes too long."""


@dataclass(frozen=True, slots=True)
class PlayedOut:
    """The reply was played, though the server does not say so."""


Verdict = Lost | Probe | CoverTurn | TurnLost | PlayedOut


class SessionWaits:
    """The limits of one session; ``due`` says which are reached."""

    def __init__(self, answer_ns: int, habits: ServerHabits, hears_turns: bool = True) -> None:
        """Prepare.

        Args:
            answer_ns: longest time without any sign of an answer.
            habits: what is known of the room's server.
            hears_turns: the server detects turns, so that speech has an event to expect.
        """
        self._answer_ns = answer_ns
        self._answer_s = in_seconds(answer_ns)
        self._liveness = Liveness(habits, hears_turns)
        self._requests: dict[str, int] = {}
        """When each request was sent, by its id."""
        self._covered_ns: int | None = None
        """End of the newest turn whose answer was asked for here."""
        self._loud_ns = 0
        """When somebody in the room was last heard."""
        self._sound_ns = 0
        """When the reply last had sound."""

    # -- what happens -----------------------------------------------------------------------------

    def sent(self, event: Mapping[str, Any], now_ns: int) -> None:
        """A client event goes out."""
        self._liveness.sent(event, now_ns)
        if text_of(event, "type") == "response.create":
            self._requests[text_of(event, "event_id")] = now_ns
            if len(self._requests) > MAX_REQUESTS:
                del self._requests[next(iter(self._requests))]

    def received(self, event: Mapping[str, Any], now_ns: int) -> None:
        """An event has come from the server."""
        self._liveness.received(event, now_ns)

    def delivered(self, now_ns: int) -> None:
        """Sound of a reply has come from the server, ahead of its time (WebSocket)."""
        self._liveness.heard(now_ns)
        self._sound_ns = now_ns

    def room_sound(self, is_quiet: bool, now_ns: int) -> None:
        """20 ms of the room went to the server."""
        if not is_quiet:
            self._loud_ns = now_ns
            self._liveness.speech(now_ns)

    def is_quiet(self, now_ns: int) -> bool:
        """Whether nobody in the room has made a sound for longer than within a sentence."""
        return now_ns >= self._loud_ns + PAUSE_NS

    def reply_sound(self, is_quiet: bool, now_ns: int) -> None:
        """20 ms of a reply have arrived."""
        if not is_quiet:
            self._sound_ns = now_ns

    def is_answer_of_probe(self, event_id: str, words: str, now_ns: int) -> bool:
        """Whether a refusal (of this client event; empty: it does not say) is one we wanted."""
        return self._liveness.takes_answer(event_id, words, now_ns)

    def hear_turns(self, are_detected: bool) -> None:
        """Whether speech in the room has an event to expect from now on."""
        self._liveness.hear_turns(are_detected)

    def closed(self, now_ns: int) -> None:
        """The session is over."""
        self._liveness.closed(now_ns)

    # -- limits -----------------------------------------------------------------------------------

    def next_timeout_ns(self, waiting: Waiting) -> int | None:
        """When to call ``due``; None where nothing waits."""
        liveness_ns = self._liveness.next_timeout_ns(
            self._waiting_ns(waiting), waiting.hears_ns is not None
        )
        return earliest(liveness_ns, *[time_ns for time_ns, _ in self._limits(waiting)])

    def due(self, waiting: Waiting, now_ns: int) -> list[Verdict]:
        """The limits that are reached."""
        verdicts: list[Verdict] = []
        for time_ns, verdict in self._limits(waiting):
            if time_ns > now_ns:
                continue
            if isinstance(verdict, Lost):
                return [verdict]
            verdicts.append(verdict)
            if isinstance(verdict, CoverTurn):
                self._covered_ns = waiting.unanswered_ns
            if isinstance(verdict, TurnLost | CoverTurn):
                verdicts += self._liveness.doubt(now_ns)
        hears = waiting.hears_ns is not None
        match self._liveness.due(self._waiting_ns(waiting), now_ns, hears):
            case Probe() as probe:
                verdicts.append(probe)
            case Silent():
                return [Lost("it keeps the connection up and says nothing")]
        return verdicts

    def _waiting_ns(self, waiting: Waiting) -> int | None:
        """Since when people wait for an answer; None: they do not."""
        asked_ns = self._requests.get(waiting.request or "")
        return earliest(asked_ns, waiting.generated_ns, waiting.unanswered_ns)

    def _limits(self, waiting: Waiting) -> list[tuple[int, Verdict]]:
        limits: list[tuple[int, Verdict]] = []
        answer_ns, seconds = self._answer_ns, self._answer_s
        if waiting.request is not None and waiting.request in self._requests:
            words = f"no answer began within {seconds} of asking for it"
            limits.append((self._requests[waiting.request] + answer_ns, Lost(words)))
        if waiting.generated_ns is not None:
            limit_ns = answer_ns
            if waiting.runs_server_tool:
                limit_ns = max(SERVER_TOOL_NS, answer_ns)
                seconds = in_seconds(limit_ns)
            words = f"its answer broke off: nothing came of it for {seconds}"
            until_ns = max(waiting.generated_ns, self._sound_ns) + limit_ns
            longest_ns = waiting.generated_ns + max(SERVER_TOOL_NS, limit_ns)
            limits.append((min(until_ns, longest_ns), Lost(words)))
        is_asked = waiting.request is not None or waiting.generated_ns is not None
        turn_ns = None if is_asked else waiting.unanswered_ns
        if turn_ns is not None and turn_ns != self._covered_ns:
            is_alive = self._liveness.is_heard_since(turn_ns + DUE_NS)
            words = f"no answer to a turn began within {seconds}"
            limits.append((turn_ns + answer_ns, CoverTurn() if is_alive else Lost(words)))
        if waiting.hears_ns is not None:
            quiet_ns = max(self._loud_ns, waiting.hears_ns) + QUIET_TURN_NS
            limits.append((quiet_ns, TurnLost(True)))
            limits.append((waiting.hears_ns + TURN_NS, TurnLost(False)))
        if waiting.plays_ns is not None and waiting.generated_ns is None:
            limits.append((max(self._sound_ns, waiting.plays_ns) + PLAYED_NS, PlayedOut()))
        return limits
