"""One response from ``response.created`` to ``response.done``, generated over time. Sans-I/O.

Text and sound are generated several times faster than real time, text first; the sound is then
queued in the output buffer. The order of events is that of recorded sessions.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from mixer_core.runtime.units import MS_NS

from .brain import Ending, Reply
from .input_audio import BYTES_PER_MS
from .items import Item
from .mcp_items import ApprovalOutput, McpCallOutput
from .output_items import (
    CallOutput,
    MessageOutput,
    OutputItem,
    ResponseSetup,
    Step,
)
from .usage import text_tokens

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ResponsePlan:
    """What a response consists of."""

    reply: Reply
    voice: Any
    format: Json
    metadata: Json | None
    max_output_tokens: int | str


class ResponseRun:
    """The state of one response. Its events have no ``event_id`` yet."""

    def __init__(self, plan: ResponsePlan, setup: ResponseSetup) -> None:
        self.plan = plan
        self.setup = setup
        self.status = "in_progress"
        self.usage: Json | None = None
        self.ending = plan.reply.ending or _limit(plan, setup.modality)
        self._details: Json | None = None
        self._outputs = _outputs(plan.reply, setup)
        self._steps: deque[Step] = deque()
        self._due_ns = 0

    @property
    def id(self) -> str:
        """The response's id."""
        return self.setup.response_id

    @property
    def in_conversation(self) -> bool:
        """False: the response is out of band."""
        return self.setup.in_conversation

    @property
    def items(self) -> list[Item]:
        """The items that exist so far, in order."""
        return [output.item for output in self._outputs if output.opened]

    @property
    def finished_generating(self) -> bool:
        """Whether only the closing events are missing."""
        return not self._steps

    def as_event(self) -> Json:
        """Return the response object as events carry it."""
        is_over = self.status != "in_progress"
        in_conversation = self.setup.in_conversation
        sound = {"format": dict(self.plan.format), "voice": self.plan.voice}
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": self.status,
            "status_details": self._details,
            "output": [item.as_event() for item in self.items] if is_over else [],
            "conversation_id": self.setup.conversation.id if in_conversation else None,
            "output_modalities": [self.setup.modality],
            "max_output_tokens": self.plan.max_output_tokens,
            "audio": {"output": sound},
            "usage": self.usage,
            "metadata": self.plan.metadata,
        }

    def begin(self, now_ns: int) -> list[Json]:
        """Create the response."""
        delay_ms = self.plan.reply.delay_ms
        wait_ms = self.setup.options.think_ms if delay_ms is None else delay_ms
        self._due_ns = now_ns
        self._steps = deque([Step(wait_ms, list), *self._timetable()])
        self._due_ns += int(wait_ms * MS_NS)
        return [{"type": "response.created", "response": self.as_event()}]

    def advance(self, now_ns: int) -> list[Json]:
        """Generate what is due. The caller closes it when ``finished_generating``."""
        events: list[Json] = []
        while self._steps and now_ns >= self._due_ns:
            events += self._steps.popleft().run()
            if self._steps:
                self._due_ns += int(self._steps[0].wait_ms * MS_NS)
        return events

    def close(self, cancelled_for: str | None = None) -> list[Json]:
        """End the response, as planned or cancelled for a reason (turn_detected …).

        Returns the closing events of its items; the caller then sets ``usage`` and sends
        ``done_event``.
        """
        self._steps.clear()
        if cancelled_for is not None:
            self.status = "cancelled"
            self._details = {"type": "cancelled", "reason": cancelled_for}
        elif self.ending is not None:
            self.status = self.ending.status
            self._details = _details(self.ending)
        else:
            self.status = "completed"
        open_outputs = [o for o in self._outputs if o.opened and not o.closed]
        return [event for output in open_outputs for event in output.close(is_complete=False)]

    def done_event(self) -> Json:
        """Return ``response.done``."""
        return {"type": "response.done", "response": self.as_event()}

    def approvals(self) -> list[str]:
        """Return the ids of the approval requests in this response."""
        return [item.id for item in self.items if item.kind == "mcp_approval_request"]

    def _timetable(self) -> list[Step]:
        """Return the steps of all items in order, cut short if the response has an ending."""
        if self.plan.reply.interleaved and len(self._outputs) > 1:
            steps = self._interleaved()
        else:
            steps = [step for output in self._outputs for step in _whole(output)]
        if self.ending is not None:
            steps = steps[: int(len(steps) * self.ending.share)]
        return steps

    def _interleaved(self) -> list[Step]:
        """Open each item before the previous one is closed, and mix their deltas."""
        contents = [deque(output.content()) for output in self._outputs]
        steps = [Step(0.0, self._outputs[0].open)]
        steps += [contents[0].popleft() for _ in range((len(contents[0]) + 1) // 2)]
        for output, content in zip(self._outputs[1:], contents[1:], strict=True):
            steps += [Step(0.0, output.open), content.popleft()]
        while waiting := [content for content in contents if content]:
            steps.append(waiting[self.setup.random.randrange(len(waiting))].popleft())
        return steps + [Step(0.0, output.close) for output in self._outputs]


def _whole(output: OutputItem) -> list[Step]:
    return [Step(0.0, output.open), *output.content(), Step(0.0, output.close)]


def _outputs(reply: Reply, setup: ResponseSetup) -> list[OutputItem]:
    """Return the items of an answer, with their ``output_index``."""
    if reply.ask_first:
        return [ApprovalOutput(setup, i, call) for i, call in enumerate(reply.mcp_calls)]
    outputs: list[OutputItem] = [
        McpCallOutput(setup, i, call) for i, call in enumerate(reply.mcp_calls)
    ]
    if reply.transcript or reply.pcm:
        outputs.append(MessageOutput(setup, len(outputs), reply.transcript, reply.pcm))
    for transcript, pcm in reply.then:
        outputs.append(MessageOutput(setup, len(outputs), transcript, pcm))
    for call in reply.calls:
        outputs.append(CallOutput(setup, len(outputs), call))
    return outputs


def _limit(plan: ResponsePlan, modality: str) -> Ending | None:
    """Return the ending of an answer that exceeds ``max_output_tokens``, else None."""
    if not isinstance(plan.max_output_tokens, int):
        return None
    tokens = text_tokens(plan.reply.transcript)
    if modality == "audio":
        tokens += len(plan.reply.pcm) // BYTES_PER_MS // 50
    if tokens <= plan.max_output_tokens:
        return None
    return Ending("incomplete", "max_output_tokens", share=plan.max_output_tokens / tokens)


def _details(ending: Ending) -> Json:
    if ending.status == "incomplete":
        return {"type": "incomplete", "reason": ending.reason}
    kinds = {"rate_limit_exceeded": "rate_limit_error", "insufficient_quota": "insufficient_quota"}
    kind = kinds.get(ending.reason, "server_error")
    message = ending.message or "The model failed to answer."
    return {"type": "failed", "error": {"type": kind, "code": ending.reason, "message": message}}
