"""MCP items of a response: calls, and requests for approval. Sans-I/O."""

from __future__ import annotations

from functools import partial
from typing import Any

from . import pieces
from .brain import McpCall
from .output_items import LEAST_DELTA_MS, OutputItem, ResponseSetup, Step

Json = dict[str, Any]


class McpCallOutput(OutputItem):
    """A call of an MCP server's tool, with its result."""

    def __init__(self, setup: ResponseSetup, index: int, call: McpCall) -> None:
        fields: Json = {"server_label": call.server, "name": call.name, "arguments": ""}
        if call.approval_request_id is not None:
            fields["approval_request_id"] = call.approval_request_id
        super().__init__(setup, index, "mcp_call", fields, False)
        self._call = call

    def content(self) -> list[Step]:
        """Arguments, then the call, then its result."""
        deltas = pieces.of_characters(self._call.arguments, self.setup.random)
        steps = [Step(LEAST_DELTA_MS, partial(self._add, piece)) for piece in deltas]
        return [*steps, Step(0.0, self._begin), Step(self._call.duration_ms, self._finish)]

    def _add(self, piece: str) -> list[Json]:
        self.item.fields["arguments"] += piece
        return [self.delta("response.mcp_call_arguments.delta", piece)]

    def _begin(self) -> list[Json]:
        arguments = {"arguments": self.item.fields["arguments"]}
        return [
            {"type": "response.mcp_call_arguments.done", **self.place(), **arguments},
            self._event("in_progress"),
        ]

    def _finish(self) -> list[Json]:
        if self._call.output is None:
            message = self._call.error or "The tool failed."
            self.item.fields["error"] = {"type": "tool_execution_error", "message": message}
            return [self._event("failed")]
        self.item.fields["output"] = self._call.output
        return [self._event("completed")]

    def _event(self, kind: str) -> Json:
        place = {"item_id": self.item.id, "output_index": self.index}
        return {"type": f"response.mcp_call.{kind}", **place}


class ApprovalOutput(OutputItem):
    """A request to approve a call of an MCP server's tool."""

    def __init__(self, setup: ResponseSetup, index: int, call: McpCall) -> None:
        fields = {"server_label": call.server, "name": call.name, "arguments": call.arguments}
        super().__init__(setup, index, "mcp_approval_request", fields, False)
