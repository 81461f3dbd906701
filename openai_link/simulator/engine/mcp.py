"""MCP servers of a session: their tools are listed, approvals are remembered. Sans-I/O.

Nobody is contacted: what a server offers and answers stands in the brain's script.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from .brain import Brain, Reply
from .conversation import Conversation
from .items import Item
from .server_events import Action, EventMaker

Json = dict[str, Any]

_LISTING_NS = 200_000_000


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
        """Begin to list the tools of servers that are new in ``tools``."""
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
        """Finish the lists that are due."""
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
        """Remember how a response goes on once the client has answered a request."""
        self._awaited[request_id] = granted, denied

    def answered(self, request_id: str, approve: bool) -> Reply | None:
        """Return how it goes on; None when that was answered already."""
        granted, denied = self._awaited.pop(request_id, (None, None))
        return granted if approve else denied
