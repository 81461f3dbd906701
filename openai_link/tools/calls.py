"""Tool calls of a room: who may, who says yes, how long, and when the model hears of it. Sans-I/O.

Each call gets exactly one output, whatever happens: its result, or an error that the model can
speak about. A call waits for nobody else: the conversation goes on meanwhile. The object lives as
long as the room; calls survive the loss of a session (``moved``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mixer_core.runtime.errors import ToolError

from ..realtime.facts import Fact, ResponseEnded, ToolCalled
from .actions import AskAnswer, CancelTool, RunTool, SayFiller, SendOutput, TellTool, ToolAction
from .outputs import bounded, error_output, error_text
from .rounds import Rounds
from .spec import ToolSpec

_MS = 1_000_000
REMEMBERED = 512
"""Ids of calls that are never carried out again."""
KEPT_OUTPUTS = 16
"""Newest outputs that are kept, for a session that was seeded without them."""

Status = Literal["running", "asking", "done", "failed", "timeout", "refused", "cancelled"]


@dataclass(frozen=True, slots=True)
class ToolLimits:
    """Bounds; the settings of the same names hold the first three."""

    timeout_ms: int = 10_000
    """For tools that have none of their own."""
    confirm_timeout_ms: int = 20_000
    """A question that nobody answers by then means no."""
    filler_after_ms: int = 1_500
    """Silence before a tool's filler is said; 0: never."""
    max_open: int = 8
    """Calls at once, questions included; more are refused."""


@dataclass(slots=True)
class PendingCall:
    """A call without output."""

    call: str
    name: str
    arguments: str
    """JSON text."""
    response: str
    participant: str
    who: str
    state: Literal["asking", "running"]
    since_ns: int
    """When this state began."""
    deadline_ns: int
    filler: str = ""
    """What is still to be said if it takes long."""


class ToolCalls:
    """Policy of one room. ``specs`` may change while it lives."""

    def __init__(self, specs: Mapping[str, ToolSpec], limits: ToolLimits | None = None) -> None:
        self._specs = specs
        self._limits = limits or ToolLimits()
        self._pending: dict[str, PendingCall] = {}
        self._known: dict[str, None] = {}
        self._outputs: dict[str, str] = {}
        self._rounds = Rounds()

    def called(
        self, fact: ToolCalled, participant: str, name: str, now_ns: int
    ) -> list[ToolAction]:
        """The model calls a tool; ``participant`` and ``name``: who seems to have asked."""
        if fact.call in self._known:
            return []
        _remember(self._known, fact.call, None, REMEMBERED)
        self._rounds.opened(fact.response, fact.call)
        pending = PendingCall(
            fact.call,
            fact.name,
            fact.arguments,
            fact.response,
            participant,
            name,
            "running",
            now_ns,
            now_ns,
        )
        spec = self._specs.get(fact.name)
        try:
            arguments = self._admitted(pending, spec)
        except ToolError as error:
            return self._close(pending, "failed", error_output(str(error)), str(error), now_ns)
        assert spec is not None
        if not spec.allows(name):
            words = f"{name or 'Somebody whose name is not known'} may not use {spec.name}"
            return self._close(pending, "refused", error_output(words), words, now_ns)
        self._pending[fact.call] = pending
        if spec.confirm:
            return [self._question(pending, spec, arguments, now_ns)]
        return self._run(pending, now_ns)

    def finished(self, call: str, output: str, ok: bool, now_ns: int) -> list[ToolAction]:
        """The tool returned; what is too late is ignored."""
        pending = self._pending.get(call)
        if pending is None or pending.state != "running":
            return []
        detail = "" if ok else error_text(output)
        return self._close(pending, "done" if ok else "failed", output, detail, now_ns)

    def confirmed(self, call: str, allow: bool, participant: str, now_ns: int) -> list[ToolAction]:
        """Somebody in the room answered the question; the first answer counts."""
        pending = self._pending.get(call)
        if pending is None or pending.state != "asking":
            return []
        if allow:
            return self._run(pending, now_ns, participant)
        output = error_output("somebody in the room said no: it was not done")
        return self._close(pending, "refused", output, "no", now_ns, participant)

    def response_ended(self, response: str, now_ns: int) -> list[ToolAction]:
        """``response.done`` came, whatever its status."""
        self._rounds.ended(response)
        return self._asks(now_ns)

    def on_fact(self, fact: Fact, now_ns: int) -> list[ToolAction]:
        """Take any other fact: answers and fillers wait while somebody speaks.

        Calls ``response_ended`` for a ``ResponseEnded``; a response beside the conversation and
        ``ToolCalled`` are not for here.
        """
        if isinstance(fact, ResponseEnded) and not fact.in_conversation:
            return []
        self._rounds.on_fact(fact, now_ns)
        return self._asks(now_ns)

    def cancel(self, call: str, now_ns: int) -> list[ToolAction]:
        """Give up a call, asked for or running: the model is told."""
        pending = self._pending.get(call)
        if pending is None:
            return []
        output = error_output("the call was cancelled")
        actions = self._close(pending, "cancelled", output, "", now_ns)
        return [CancelTool(call), *actions] if pending.state == "running" else actions

    def moved(
        self,
        now_ns: int,
        open_calls: Collection[str] | None = None,
        is_answering: bool = False,
    ) -> list[ToolAction]:
        """The conversation goes on in a new session, seeded with what ``pending`` said.

        ``open_calls``: ids that the new session was given without output; those that have returned
        since are sent again. None: nothing returned since. ``is_answering``: the old session still
        gives the answer it was asked for.
        """
        late = [call for call in open_calls or () if call in self._outputs]
        outputs = [SendOutput(call, self._outputs[call]) for call in late]
        self._rounds.moved(is_answering)
        return [*outputs, *self._asks(now_ns)]

    def tick(self, now_ns: int) -> list[ToolAction]:
        """Time-outs, fillers and answers that were held back."""
        actions: list[ToolAction] = []
        for pending in list(self._pending.values()):
            if pending.deadline_ns <= now_ns:
                actions += self._too_late(pending, now_ns)
        for pending in self._pending.values():
            at_ns = self._filler_at_ns(pending)
            if at_ns is not None and at_ns <= now_ns:
                self._rounds.filled(pending.response)
                actions.append(SayFiller(pending.filler))
        return actions + self._asks(now_ns)

    def next_timeout_ns(self) -> int | None:
        """When ``tick`` is due; None: not before something happens."""
        times = [pending.deadline_ns for pending in self._pending.values()]
        times += [at for p in self._pending.values() if (at := self._filler_at_ns(p)) is not None]
        due_ns = self._rounds.due_at_ns()
        if due_ns is not None:
            times.append(due_ns)
        return min(times, default=None)

    def pending(self) -> list[PendingCall]:
        """Calls without output, oldest first: what a new session must be told of."""
        return list(self._pending.values())

    def _admitted(self, pending: PendingCall, spec: ToolSpec | None) -> dict[str, Any]:
        if spec is None:
            names = ", ".join(sorted(self._specs)) or "none"
            raise ToolError(f"there is no tool {pending.name[:64]!r}; there are: {names}")
        if len(self._pending) >= self._limits.max_open:
            raise ToolError(f"{self._limits.max_open} calls are open: wait for one to end")
        return spec.check(pending.arguments)

    def _question(
        self, pending: PendingCall, spec: ToolSpec, arguments: Mapping[str, Any], now_ns: int
    ) -> ToolAction:
        timeout_ms = self._limits.confirm_timeout_ms
        pending.state = "asking"
        pending.deadline_ns = now_ns + timeout_ms * _MS
        question = spec.ask(arguments)
        return _told(pending, "asking", question=question, timeout_ms=timeout_ms)

    def _run(self, pending: PendingCall, now_ns: int, allowed_by: str = "") -> list[ToolAction]:
        spec = self._specs.get(pending.name)
        if spec is None:
            words = f"{pending.name} is no longer there"
            return self._close(pending, "failed", error_output(words), words, now_ns)
        timeout_ms = spec.timeout_ms or self._limits.timeout_ms
        pending.state, pending.since_ns = "running", now_ns
        pending.deadline_ns = now_ns + timeout_ms * _MS
        pending.filler = spec.filler if self._limits.filler_after_ms else ""
        run = RunTool(
            pending.call, pending.name, pending.arguments, pending.participant, pending.who
        )
        return [run, _told(pending, "running", participant=allowed_by or pending.participant)]

    def _too_late(self, pending: PendingCall, now_ns: int) -> list[ToolAction]:
        if pending.state == "asking":
            words = "nobody in the room said yes in time: it was not done"
            return self._close(pending, "refused", error_output(words), "no answer", now_ns)
        waited_s = (now_ns - pending.since_ns) / 1e9
        words = f"no result after {waited_s:.0f} s; it may still happen"
        actions = self._close(pending, "timeout", error_output(words), words, now_ns)
        return [CancelTool(pending.call), *actions]

    def _close(
        self,
        pending: PendingCall,
        status: Status,
        output: str,
        detail: str,
        now_ns: int,
        participant: str = "",
    ) -> list[ToolAction]:
        """The one place from which an output goes out."""
        self._pending.pop(pending.call, None)
        output = bounded(output)
        _remember(self._outputs, pending.call, output, KEPT_OUTPUTS)
        self._rounds.answered(pending.response, pending.call, now_ns)
        told = _told(pending, status, detail, participant=participant or pending.participant)
        return [SendOutput(pending.call, output), told, *self._asks(now_ns)]

    def _asks(self, now_ns: int) -> list[ToolAction]:
        return [AskAnswer()] if self._rounds.due(now_ns) else []

    def _filler_at_ns(self, pending: PendingCall) -> int | None:
        """When the filler of a call is to be said, as far as is known now."""
        if pending.state != "running" or not pending.filler:
            return None
        if not self._rounds.fills(pending.response):
            return None
        quiet_ns = max(pending.since_ns, self._rounds.quiet_since_ns)
        at_ns = quiet_ns + self._limits.filler_after_ms * _MS
        return max(at_ns, self._rounds.held_until_ns)


def _told(
    pending: PendingCall, status: Status, detail: str = "", participant: str = "", **more: Any
) -> TellTool:
    event = {"type": "tool", "name": pending.name, "call": pending.call, "status": status, **more}
    if detail:
        event["detail"] = detail[:200]
    if participant:
        event["participant"] = participant
    return TellTool(event)


def _remember(book: dict[str, Any], key: str, value: Any, limit: int) -> None:
    book[key] = value
    while len(book) > limit:
        del book[next(iter(book))]
