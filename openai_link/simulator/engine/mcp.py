"""The MCP servers of a session: lists of tools, pending approvals. Sans-I/O.

No server is contacted: the brain says what it offers and answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from mixer_core.runtime.units import MS_NS

from .brain import Brain, Reply
from .conversation import Conversation
from .items import Item
from .server_events import Action, EventMaker

Json = dict[str, Any]

_LISTING_NS = 200 * MS_NS


class McpServers:
    """The servers that a session has declared."""

    def __init__(self, conversation: Conversation, events: EventMaker, brain: Brain) -> None:
        self._conversation = conversation
        self._events = events
        self._brain = brain
        self._labels: set[str] = set()
        self._listing: deque[tuple[int, Item]] = deque()
        self._awaited: dict[str, tuple[Reply, Reply]] = {}

    def declare(self, tools: Iterable[Json], now_ns: int) -> list[Action]:
        """Start to list the tools of the servers that are new in ``tools``."""
        actions: list[Action] = []
        for tool in tools:
            label = tool.get("server_label")
            if tool["type"] != "mcp" or label in self._labels:
                continue
            self._labels.add(str(label))
            fields: Json = {"server_label": label, "tools": []}
            item = Item(self._events.mint.make("item"), "mcp_list_tools", fields, None)
            previous_id = self._conversation.insert(item)
            self._listing.append((now_ns + _LISTING_NS, item))
            actions += [
                self._events.make(
                    "conversation.item.added", previous_item_id=previous_id, item=item.as_event()
                ),
                self._events.make("mcp_list_tools.in_progress", item_id=item.id),
            ]
        return actions

    def advance(self, now_ns: int) -> list[Action]:
        """Complete the lists that are due."""
        actions: list[Action] = []
        while self._listing and self._listing[0][0] <= now_ns:
            _, item = self._listing.popleft()
            server = self._brain.mcp_server(item.fields["server_label"])
            item.fields["tools"] = [dict(tool) for tool in server.tools]
            outcome = "failed" if server.fails else "completed"
            previous_id = self._conversation.predecessor(item)
            actions += [
                self._events.make(f"mcp_list_tools.{outcome}", item_id=item.id),
                self._events.make(
                    "conversation.item.done", previous_item_id=previous_id, item=item.as_event()
                ),
            ]
        return actions

    def ask(self, request_id: str, granted: Reply, denied: Reply) -> None:
        """Keep the two replies of which one follows the client's answer to a request."""
        self._awaited[request_id] = granted, denied

    def answered(self, request_id: str, approve: bool) -> Reply | None:
        """Return the reply that follows; None when the request was answered before."""
        granted, denied = self._awaited.pop(request_id, (None, None))
        return granted if approve else denied
