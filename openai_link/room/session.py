"""What a room needs of a session with its server, whatever protocol the session speaks. Sans-I/O.

==========  ==================================================  ==========================
stage       means                                               the room's microphones
==========  ==================================================  ==========================
connecting  the server has not confirmed the session            are not heard
confirmed   it waits to be seeded with history                  are not heard
seeding     history is being sent and acknowledged              are not heard
standby     it knows the history; another session has the room  are not heard
active      it has the room                                     are heard
draining    the room has moved on; the last reply is finished   are not heard
closed      nothing that still arrives counts                   are not heard
==========  ==================================================  ==========================

A session turns what its server says into facts (``openai_link.facts``) and signals. It may leave
out any fact that its protocol does not have: one without turns tells of no ``TurnCommitted``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, Protocol

from mixer_core.journal.records import HistoryItem
from mixer_core.runtime.errors import UpstreamError

from ..facts import Assistant
from ..media.downlink_gate import DownlinkFrame
from ..pictures import Picture
from ..settings import OpenaiLinkSettings
from ..tools.blame import Blame
from ..transport.interface import TransportKind
from .approvals import Answer
from .signals import Outcome

NO_PICTURES: Mapping[str, Picture] = MappingProxyType({})
Stage = Literal["connecting", "confirmed", "seeding", "standby", "active", "draining", "closed"]
"""How far a session has come; see the module."""


class Session(Protocol):
    """One session; every input returns what follows, in order. ``now_ns`` is monotonic."""

    number: int
    """From 1, unique in the room."""
    kind: TransportKind
    stage: Stage
    answered: bool
    """The server has taken the call."""
    must_be_told: bool
    """The session object did not go with the call: it follows by an update."""
    simulated: bool
    """The server says that it is a simulator."""
    session_id: str
    """The server's name of the session; empty before it is confirmed."""
    expires_at_s: int
    """When the server will end the session (Unix time); 0: it does not say."""
    hears_room: bool
    """Whether the model is to hear the room (push-to-talk shuts the microphone)."""

    @property
    def settings(self) -> OpenaiLinkSettings:
        """What its server was told of the room's settings, less what it refused."""

    @property
    def may_change_voice(self) -> bool:
        """It has not answered yet."""

    @property
    def assistant(self) -> Assistant:
        """What the assistant is doing."""

    @property
    def is_settled(self) -> bool:
        """Nobody speaks, and no reply is pending or being heard."""

    @property
    def has_said_everything(self) -> bool:
        """The assistant neither speaks nor is about to."""

    @property
    def has_heard(self) -> bool:
        """A reply has begun or ended to sound: ``tick`` is due."""

    @property
    def awaits_words(self) -> bool:
        """The transcript of something that people said is still to come."""

    @property
    def missing(self) -> str:
        """The event that a session waits for to be confirmed; empty: it is not connected."""

    @property
    def seeded_ids(self) -> tuple[Mapping[str, str], Sequence[str]]:
        """Ids of history items by ids in this session; and ids that are no part of the record."""

    def describe(self, tools: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """The session object to open it with; ``tools``: definitions of what it may call."""

    def counters(self) -> dict[str, int]:
        """What was counted so far; names end in ``_total``."""

    def has_stopped(self, response: str) -> bool:
        """Whether a response was stopped by us: what still comes of it is no reply."""

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""

    def tick(self, now_ns: int) -> list[Outcome]:
        """The time-out was reached, perhaps."""

    def server_event(self, event: Mapping[str, Any], now_ns: int) -> list[Outcome]:
        """One event of the server."""

    def reply_audio(
        self, pcm: bytes, stamp_ns: int, concealed: bool, now_ns: int
    ) -> DownlinkFrame | None:
        """20 ms of a reply (960 bytes) that arrived at ``stamp_ns``: the frame for the mixer."""

    def delivered(self, item: str, samples: int, now_ns: int) -> None:
        """The server has delivered more samples of an item ahead of their time (WebSocket)."""

    def up(self, now_ns: int) -> None:
        """Media can flow: the server is to speak."""

    def room_sound(self, is_quiet: bool, now_ns: int) -> None:
        """20 ms of the room went to the server."""

    def sent(self, event: Mapping[str, Any], now_ns: int) -> None:
        """A client event of this session goes out."""

    def seed(
        self,
        items: Sequence[HistoryItem],
        names: Iterable[str],
        note: str,
        now_ns: int,
        after: str = "",
        pictures: Mapping[str, Picture] = NO_PICTURES,
    ) -> list[Outcome]:
        """Tell the session what it does not know of ``items``.

        ``SessionSeeded`` follows when a confirmed session has acknowledged it.

        Args:
            items: the conversation in order, or a late part of it.
            names: everybody who is in the room.
            note: what the model is to know about this history, if there is any; empty: nothing.
            now_ns: monotonic.
            after: id in this session of the item behind which they belong; empty: at the end.
            pictures: those that are shown again, by item.
        """

    def note(self, text: str, now_ns: int) -> list[Outcome]:
        """Tell the model something that is no part of the record; see ``seeded_ids``."""

    def correct(self, item: HistoryItem, now_ns: int, after: str = "") -> list[Outcome]:
        """A reply ends earlier than the session was told; if it was not, it is told now."""

    def activate(self) -> list[Outcome]:
        """The room is here from now on."""

    def drain(self, now_ns: int) -> list[Outcome]:
        """The room has moved on. What the assistant is saying is still heard."""

    def silence(self, now_ns: int) -> list[Outcome]:
        """Stop the assistant: what is still to be heard of this session is void."""

    def finish(self, now_ns: int) -> list[Outcome]:
        """End what is open; nothing counts afterwards."""

    def ask(self, overrides: Mapping[str, Any] | None, now_ns: int) -> list[Outcome]:
        """Have the model answer as soon as it is free."""

    def answer_turn(self, item: str, now_ns: int, *, goes_on: bool) -> list[Outcome]:
        """A spoken turn is for the assistant: have the model answer once nobody speaks.

        Nothing follows where the answer that was asked for last is to this turn, too. ``goes_on``:
        another session has heard it, and whoever spoke may be about to be heard here.
        """

    def take_turns(self, settings: OpenaiLinkSettings, now_ns: int) -> list[Outcome]:
        """Turns are taken as ``settings`` say from now on."""

    def greet(self, now_ns: int) -> list[Outcome]:
        """Somebody in a fresh room hears what is sent: say hello, once."""

    def type_text(self, text: str) -> tuple[str, list[Outcome]]:
        """Say what somebody has typed: the id of its item, and what follows."""

    def show(self, picture: Picture, now_ns: int) -> list[Outcome]:
        """Somebody shows a picture: it is answered when the server has taken it."""

    def show_again(self, picture: Picture, *, is_answered: bool) -> tuple[str, list[Outcome]]:
        """Show what a session before did not take: the id of its item, and what follows.

        ``is_answered``: when the server has taken it.
        """

    def approve(self, answer: Answer, now_ns: int) -> list[Outcome]:
        """Tell the service whether it may run one of its own tools."""

    def tool_output(self, call: str, output: str) -> list[Outcome]:
        """Tell the model what a tool call has returned."""

    def set_tools(self, definitions: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """The session's tools are these from now on."""

    def retell(
        self, settings: OpenaiLinkSettings, definitions: Sequence[Mapping[str, Any]]
    ) -> list[Outcome]:
        """The room's settings are these: what of the assistant can change now does."""

    def blamed(self, error: UpstreamError) -> Blame | None:
        """The tools for which the server refuses to open the session; None: it is not for them."""

    def offer(self, definitions: Sequence[Mapping[str, Any]], now_ns: int) -> list[Outcome]:
        """Tools were refused: these are the others."""

    def browser_event(self, event: Mapping[str, Any], now_ns: int) -> list[Outcome]:
        """A control message of a browser: say, interrupt, ptt, played."""

    def roster(
        self, participants: Collection[str], deaf: Collection[str], now_ns: int
    ) -> list[Outcome]:
        """Exactly these people are in the room; the devices of ``deaf`` are sent no sound."""
