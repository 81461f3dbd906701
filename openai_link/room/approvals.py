"""Calls of the service's own MCP tools that want a yes: the people in the room are asked. Sans-I/O.

The service asks by an item ``mcp_approval_request``, runs the tool after a yes, and goes on by
itself after either answer. Each request is answered once: by the first person, or with a no when
nobody has said yes in time. A request ends with the session that made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mixer_core.runtime.errors import UnreadableError
from mixer_core.runtime.foreign_data import read_json
from mixer_core.runtime.units import MS_NS

from ..facts import Fact, ItemAdded, ItemDone
from ..settings import OpenaiLinkSettings

MAX_OPEN = 8
"""Requests at once; more are refused."""
MAX_QUESTION_CHARS = 300
_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Answer:
    """Tell the service what the room thinks of a request."""

    session: int
    request: str
    """Id of its item."""
    approve: bool
    reason: str = ""
    """Why not, for the model."""


@dataclass(frozen=True, slots=True)
class Told:
    """Send this EVENT of type ``tool`` to all browsers."""

    event: dict[str, Any]


@dataclass(slots=True)
class _Request:
    session: int
    name: str
    is_asked: bool
    """It waits for people, not for its result."""
    deadline_ns: int
    server: str = ""
    question: str = ""


class Approvals:
    """The requests of one room; every input returns what follows, in order."""

    def __init__(self, settings: OpenaiLinkSettings) -> None:
        self._confirm_ms = settings.tool_confirm_timeout_ms
        self._result_ms = settings.tool_timeout_ms
        self._requests: dict[str, _Request] = {}
        self._known: dict[str, None] = {}

    def is_open(self, request: str) -> bool:
        """Whether this is a request that has no result yet."""
        return request in self._requests

    @property
    def is_busy(self) -> bool:
        """A request has no result yet."""
        return bool(self._requests)

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        requests = self._requests
        return min([one.deadline_ns for one in requests.values()]) if requests else None

    def on_fact(self, session: int, fact: Fact, now_ns: int) -> list[Answer | Told]:
        """A fact of the session with this number: a request, or the result of one."""
        if not isinstance(fact, ItemAdded | ItemDone):
            return []
        kind = fact.content.get("type")
        if kind == "mcp_approval_request":
            return self._wanted(session, fact.item, fact.content, now_ns)
        if kind == "mcp_call" and isinstance(fact, ItemDone):
            return self._over(str(fact.content.get("approval_request_id")), fact.content)
        return []

    def confirmed(
        self, request: str, allow: bool, participant: str, now_ns: int
    ) -> list[Answer | Told]:
        """Somebody in the room has answered; the first answer counts."""
        found = self._requests.get(request)
        if found is None or not found.is_asked:
            return []
        if not allow:
            return self._refuse(request, "no", "somebody in the room said no", participant)
        found.is_asked, found.deadline_ns = False, now_ns + self._result_ms * MS_NS
        told = _told(request, found.name, "running", participant=participant)
        return [Answer(found.session, request, True), told]

    def session_over(self, session: int) -> list[Answer | Told]:
        """Its requests cannot be answered any more."""
        ended = [key for key, one in self._requests.items() if one.session == session]
        return [
            _told(key, self._requests.pop(key).name, "failed", "the connection was lost")
            for key in ended
        ]

    def tick(self, now_ns: int) -> list[Answer | Told]:
        """The time-out was reached, perhaps."""
        actions: list[Answer | Told] = []
        for key, one in list(self._requests.items()):
            if one.deadline_ns > now_ns:
                continue
            if one.is_asked:
                words = "nobody in the room said yes in time"
                actions += self._refuse(key, "no answer", words)
            else:
                del self._requests[key]
                actions.append(_told(key, one.name, "timeout", "no result came"))
        return actions

    def _wanted(
        self, session: int, request: str, item: Mapping[str, Any], now_ns: int
    ) -> list[Answer | Told]:
        if not request:
            return []
        if request in self._known:
            return self._known_better(request, item, now_ns)
        self._known[request] = None
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        if len(self._requests) >= MAX_OPEN:
            return [Answer(session, request, False, f"{MAX_OPEN} calls wait for a yes already")]
        server, name = str(item.get("server_label", "")), str(item.get("name", ""))[:64]
        deadline_ns = now_ns + self._confirm_ms * MS_NS
        question = _question(server, name, str(item.get("arguments", "")))
        self._requests[request] = _Request(session, name, True, deadline_ns, server, question)
        more: dict[str, Any] = {"question": question, "timeout_ms": self._confirm_ms}
        return [_told(request, name, "asking", **more)]

    def _known_better(
        self, request: str, item: Mapping[str, Any], now_ns: int
    ) -> list[Answer | Told]:
        """More is told of a request: people who are asked see what it is for."""
        found, arguments = self._requests.get(request), str(item.get("arguments", ""))
        if found is None or not found.is_asked or not arguments:
            return []
        server = str(item.get("server_label") or found.server)
        question = _question(server, found.name, arguments)
        if question == found.question:
            return []
        found.question = question
        left_ms = max(1, (found.deadline_ns - now_ns) // MS_NS)
        return [_told(request, found.name, "asking", question=question, timeout_ms=left_ms)]

    def _refuse(
        self, request: str, detail: str, reason: str, participant: str = ""
    ) -> list[Answer | Told]:
        found = self._requests.pop(request)
        told = _told(request, found.name, "refused", detail, participant=participant)
        return [Answer(found.session, request, False, reason), told]

    def _over(self, request: str, item: Mapping[str, Any]) -> list[Answer | Told]:
        """The service has run the tool."""
        found = self._requests.pop(request, None)
        if found is None:
            return []
        error = item.get("error")
        if not error:
            return [_told(request, found.name, "done")]
        words = error.get("message") if isinstance(error, Mapping) else error
        return [_told(request, found.name, "failed", str(words)[:200])]


def _told(
    request: str,
    name: str,
    status: str,
    detail: str = "",
    *,
    participant: str = "",
    **more: Any,
) -> Told:
    event = {"type": "tool", "name": name, "call": request, "status": status, **more}
    if detail:
        event["detail"] = detail
    if participant:
        event["participant"] = participant
    return Told(event)


def _question(server: str, name: str, arguments: str) -> str:
    """What the room is asked; arguments that cannot be read are shown as they are."""
    try:
        given = read_json(arguments or "{}")
    except UnreadableError:
        given = arguments
    if isinstance(given, Mapping):
        listed = ", ".join(f"{key} = {_short(value)}" for key, value in given.items())
    else:
        listed = _short(given)
    question = f"{name.replace('_', ' ')} ({listed}), at {server}?" if listed else ""
    question = question or f"{name.replace('_', ' ')}, at {server}?"
    limit = MAX_QUESTION_CHARS
    return question if len(question) <= limit else f"{question[: limit - 1]}…"


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:79]}…"
