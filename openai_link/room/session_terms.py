"""What the server of a session was told that the session is, and what it makes of that. Sans-I/O.

It opens the session (``confirmation``), changes its tools while it runs, remembers what was refused
(``told_session``), and says of a complaint whether it is the end of the session.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mixer_core.runtime.errors import UpstreamError

from ..facts import ServerError, SessionConfirmed
from ..realtime.client_events import ClientEvents
from ..realtime.refusals import read_event
from ..realtime.session_object import session_object
from ..settings import OpenaiLinkSettings
from ..tools.blame import Blame
from ..transport.interface import TransportKind
from .actions import SendEvent
from .confirmation import Confirmation, Step
from .liveness import UNKNOWN_ITEM
from .persona import VOICE, differing, put
from .told_session import MAX_UPDATES, UPDATE, ToldSession

_REFUSED = (400, 413, 422)
"""HTTP statuses of a request that is refused for what is in it."""
_TOOL_KEYS = ("tools", "tool_choice", "parallel_tool_calls")
_AT_ANY_TIME = frozenset({"instructions", "transcription_language"})
_OF_TOOLS = ("service_mcp_servers", "session_json")
"""Keys with the tools that are not ours: a room's rules say which of them there are."""
_NO_TOOLS: Mapping[str, Any] = {"tools": [], "tool_choice": "auto"}
"""What a session has that was told of no tools."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What an error of the server means for the session."""

    error: UpstreamError
    """The error as a reason for an end."""
    is_end: bool
    """The session cannot be used."""
    blame: Blame | None
    """The tools that are to blame, if it is for them."""
    asked: OpenaiLinkSettings | None = None
    """With the change of the persona that is refused, if it is one."""


class SessionTerms:
    """Of one session."""

    def __init__(
        self,
        number: int,
        kind: TransportKind,
        settings: OpenaiLinkSettings,
        events: ClientEvents,
    ) -> None:
        """Prepare.

        Args:
            number: of the session in its room.
            kind: of its transport.
            settings: of the room.
            events: with ids of this session's own.
        """
        self._number = number
        self._settings = settings
        self._events = events
        self._confirmation = Confirmation(kind)
        self._told = ToldSession()
        self._updates = 0
        """Updates of the session that are not answered."""
        self._retold: dict[str, OpenaiLinkSettings] = {}
        """By update that changed the persona: the settings before."""

    @property
    def settings(self) -> OpenaiLinkSettings:
        """What the server was told, less what it refused."""
        return self._settings

    # -- opening ----------------------------------------------------------------------------------

    @property
    def must_be_told(self) -> bool:
        """The session object did not go with the call: it follows by an update."""
        return self._confirmation.needs_update

    @must_be_told.setter
    def must_be_told(self, is_needed: bool) -> None:
        self._confirmation.needs_update = is_needed

    @property
    def missing(self) -> str:
        """The event that a session waits for to be confirmed; empty: it is not connected."""
        return self._confirmation.missing

    def describe(self, tools: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """The session object to open it with; ``tools``: definitions of what it may call."""
        self._told.opened(session_object(self._settings, tools), tools)
        return self._told.description

    def up(self, now_ns: int) -> None:
        """Media can flow: the server is to speak."""
        self._confirmation.up(now_ns)

    def received(self, kind: str) -> Step | None:
        """An event of this type has come while the session is being opened."""
        return self._confirmation.received(kind)

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick`` while the session is being opened; None where nothing waits."""
        return self._confirmation.next_timeout_ns()

    def tick(self, now_ns: int) -> Step | None:
        """The time-out was reached, perhaps, while the session is being opened."""
        return self._confirmation.tick(now_ns)

    def knock(self, now_ns: int) -> list[SendEvent]:
        """Speak to a server that has said nothing."""
        if self.must_be_told:
            return self.tell(now_ns)
        self._confirmation.asked(now_ns)
        return [SendEvent(self._number, self._events.retrieve(UNKNOWN_ITEM))]

    def tell(self, now_ns: int, again: bool = False) -> list[SendEvent]:
        """Send the session, once (WebSocket); ``again``: it was refused as it was."""
        if self._confirmation.update and not again:
            return []
        with_model = self._settings.model_in_update
        update = self._events.update_session(self._told.description, with_model=with_model)
        self._confirmation.asked(now_ns, str(update["event_id"]))
        return [self._send(update)]

    def answered(self, fact: SessionConfirmed, *, may_ask: bool) -> SessionConfirmed:
        """The confirmation, with what it is an answer to; ``may_ask``: the room is still here."""
        if fact.updated and self._updates:
            self._updates -= 1
        knows = (fact.updated or not self.must_be_told) and may_ask
        asked = self._told.description if knows and fact.given else {}
        return replace(fact, asked=asked, answers_tools=not self._updates)

    # -- changes ----------------------------------------------------------------------------------

    def set_tools(self, definitions: Sequence[Mapping[str, Any]]) -> list[SendEvent]:
        """The session's tools are these from now on."""
        wanted = {**_NO_TOOLS, **session_object(self._settings, definitions)}
        known = {**_NO_TOOLS, **self._told.description}
        changed = {
            key: wanted[key]
            for key in _TOOL_KEYS
            if key in wanted and wanted[key] != known.get(key)
        }
        return [self._update(changed, definitions)] if changed else []

    def retell(
        self,
        settings: OpenaiLinkSettings,
        definitions: Sequence[Mapping[str, Any]],
        *,
        may_change_voice: bool,
    ) -> list[SendEvent]:
        """The room's settings are these: what of the persona and the tools can change now does.

        The voice goes alone: a server whose first answer is faster refuses it, and nothing else.
        """
        self._settings = put(self._settings, settings, _OF_TOOLS)
        changes = differing(self._settings, settings)
        voice = changes & VOICE if may_change_voice else frozenset[str]()
        sent = [
            self._change(settings, keys, definitions)
            for keys in (changes & _AT_ANY_TIME, voice)
            if keys
        ]
        persona = [event for event in sent if event is not None]
        return [*self.set_tools(definitions), *persona]

    def _change(
        self,
        settings: OpenaiLinkSettings,
        keys: Collection[str],
        definitions: Sequence[Mapping[str, Any]],
    ) -> SendEvent | None:
        before, self._settings = self._settings, put(self._settings, settings, keys)
        old, new = session_object(before), session_object(self._settings)
        changed = _changed(old, new)
        if not changed:  # ``leave_out``, or ``session_json``, has the last word.
            return None
        update = self._update(changed, definitions)
        self._retold[str(update.event["event_id"])] = before
        if len(self._retold) > MAX_UPDATES:
            del self._retold[next(iter(self._retold))]
        return update

    def _update(
        self, changed: Mapping[str, Any], definitions: Sequence[Mapping[str, Any]]
    ) -> SendEvent:
        update = self._events.update_session(changed)
        self._told.updated(update, changed, definitions)
        return self._send(update)

    def offer(self, definitions: Sequence[Mapping[str, Any]], now_ns: int) -> list[SendEvent]:
        """Tools were refused: these are the others."""
        if not self._told.is_untold:
            return self.set_tools(definitions)
        self.describe(definitions)
        return self.tell(now_ns, again=True)

    def take_turns(self, settings: OpenaiLinkSettings) -> list[SendEvent]:
        """The turn detection is that of ``settings`` from now on."""
        detection, known = map(_turn_detection, (session_object(settings), self._told.description))
        if detection and known:  # What an update leaves out stays as it is.
            detection = {**dict.fromkeys(known), **detection}
        self._settings = replace(
            self._settings,
            turn_detection=settings.turn_detection,
            create_response=settings.create_response,
            idle_timeout_ms=settings.idle_timeout_ms,
        )
        if detection == known:
            return []
        changed = {"audio": {"input": {"turn_detection": detection}}}
        update = self._events.update_session(changed)
        self._told.updated(update, changed, self._told.tools)
        return [self._send(update)]

    def deafen(self) -> SendEvent:
        """The server is to hear no more turns."""
        deaf = {"audio": {"input": {"turn_detection": None}}}
        return self._send(self._events.update_session(deaf))

    def _send(self, update: Mapping[str, Any]) -> SendEvent:
        self._updates += 1
        return SendEvent(self._number, update)

    # -- refusals ---------------------------------------------------------------------------------

    def blamed(self, error: UpstreamError) -> Blame | None:
        """The tools for which the server refuses to open the session; None: it is not for them."""
        if error.kind:
            return None
        found = self._told.not_opened(error.code, error.param, str(error))
        is_clear = found is not None and (found.names or error.status in _REFUSED)
        return found if is_clear else None

    def update_refused(self, error: ServerError) -> None:
        """The server complains: where that is the answer to an update, none other follows."""
        if error.cause == UPDATE and self._updates:
            self._updates -= 1

    def complaint(self, error: ServerError, *, is_opening: bool, is_first: bool) -> Complaint:
        """What an error that is no benign one means for the session.

        Args:
            error: of the server.
            is_opening: the session is not confirmed.
            is_first: it is the first that the server says.
        """
        reason = read_event(error.code, error.message, error.param)
        is_refused = is_opening and (error.cause == UPDATE or reason.kind != "" or is_first)
        is_refused |= bool(error.event_id and error.event_id == self._confirmation.update)
        blame = self._told.refused(error, is_refused or is_opening)
        asked, before = self._settings, self._retold.pop(error.event_id, None)
        if before is not None:
            self._settings = put(asked, before, differing(asked, before))
        refused = None if before is None or error.fatal else asked
        return Complaint(reason, error.fatal or is_refused, None if error.fatal else blame, refused)


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What an update has to say so that a session object becomes another one."""
    changed: dict[str, Any] = {}
    if old.get("instructions") != new.get("instructions"):
        changed["instructions"] = new["instructions"]
    for side, key in (("input", "transcription"), ("output", "voice")):
        before, after = (one["audio"].get(side, {}).get(key) for one in (old, new))
        if before != after:
            changed["audio"] = {side: {key: after}}
    return changed


def _turn_detection(session: Mapping[str, Any]) -> Any:
    return session.get("audio", {}).get("input", {}).get("turn_detection")
