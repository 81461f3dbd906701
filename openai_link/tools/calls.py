"""Tool calls of a room: who may, who says yes, how long, and when the model hears of it. Sans-I/O.

"Call" means tool call here. Each one gets exactly one output, whatever happens: its result, or an
error that the model can speak about. Calls do not wait for each other, and the conversation goes on
meanwhile. The object lives as long as the room: calls survive the loss of a session (``moved``),
and are not made again by the session that has to give the lost answer (``repeats``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mixer_core.runtime.errors import ToolError
from mixer_core.runtime.units import MS_NS

from ..facts import Fact, ResponseEnded, ToolCalled
from .actions import AskAnswer, CancelTool, RunTool, SayFiller, SendOutput, TellTool, ToolAction
from .outputs import bounded, error_output, error_text
from .repeats import Repeats
from .rounds import Rounds
from .spec import ToolSpec

REMEMBERED = 512
"""Ids of calls that are never carried out again."""

MAX_NAME_CHARS = 64
"""Longest name that people are told of; no tool has a longer one."""

Status = Literal["running", "asking", "done", "failed", "timeout", "refused"]


@dataclass(frozen=True, slots=True)
class ToolLimits:
    """Bounds; the first three are the settings ``tool_…`` of the same names."""

    timeout_ms: int = 10_000
    """Timeout of a tool that has none of its own."""
    confirm_timeout_ms: int = 20_000
    """A question that nobody has answered by then means no."""
    filler_after_ms: int = 1_500
    """Silence before a tool's filler is said; 0: never."""
    max_open: int = 8
    """Calls at once, questions included; more are refused."""


@dataclass(slots=True)
class PendingToolCall:
    """A tool call without output."""

    call: str
    """The model's id of the call."""
    name: str
    """The tool's name."""
    arguments: str
    """JSON text."""
    response: str
    """Id of the response that made the call."""
    participant: str
    """Who seems to have asked; empty if not known."""
    who: str
    """That person's name."""
    state: Literal["asking", "running"]
    since_ns: int
    """When this state began."""
    deadline_ns: int
    filler: str = ""
    """What to say if it takes long; empty: nothing."""
    title: str = ""
    """What people are told instead of the name; empty: the name."""


class ToolCalls:
    """Policy of one room. ``specs`` may change while it lives."""

    def __init__(self, specs: Mapping[str, ToolSpec], limits: ToolLimits | None = None) -> None:
        self._specs = specs
        self._limits = limits or ToolLimits()
        self._pending: dict[str, PendingToolCall] = {}
        self._known: dict[str, None] = {}
        self._rounds = Rounds()
        self._repeats = Repeats()

    def called(
        self,
        fact: ToolCalled,
        participant: str,
        name: str,
        now_ns: int,
        *,
        is_proven: bool = True,
    ) -> list[ToolAction]:
        """The model calls a tool; ``participant`` and ``name`` (may be empty): who seems to ask.

        ``is_proven``: the name counts for tools that only some people may use.
        """
        if fact.call in self._known:
            return []
        self._remember(fact.call)
        self._rounds.opened(fact.response, fact.call)
        pending = PendingToolCall(
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
        pending.title = "" if spec is None else spec.title
        try:
            arguments = self._admitted(pending, spec)
        except ToolError as error:
            return self._close(pending, "failed", error_output(str(error)), str(error), now_ns)
        assert spec is not None
        if not spec.allows(name if is_proven else ""):
            who = name or "Somebody whose name is not known"
            why = "" if is_proven or not name else ", whose name is not verified,"
            words = f"{who}{why} may not use {spec.name}"
            return self._close(pending, "refused", error_output(words), words, now_ns)
        output = self._repeats.take(fact.name, arguments)
        if output is not None:
            return self._repeated(pending, output, now_ns)
        self._pending[fact.call] = pending
        self._repeats.made(fact.call, fact.name, arguments)
        if spec.confirm:
            return [self._question(pending, spec, arguments, now_ns)]
        return self._run(pending, now_ns)

    def finished(self, call: str, output: str, ok: bool, now_ns: int) -> list[ToolAction]:
        """The tool has returned; ignored if the call is no longer running."""
        pending = self._pending.get(call)
        if pending is None or pending.state != "running":
            return []
        detail = "" if ok else error_text(output)
        return self._close(pending, "done" if ok else "failed", output, detail, now_ns)

    def confirmed(self, call: str, allow: bool, participant: str, now_ns: int) -> list[ToolAction]:
        """Somebody in the room has answered the question; the first answer counts."""
        pending = self._pending.get(call)
        if pending is None or pending.state != "asking":
            return []
        if allow:
            return self._run(pending, now_ns, participant)
        output = error_output("somebody in the room said no: it was not done")
        return self._close(pending, "refused", output, "no", now_ns, participant)

    def replaced(self, before: Mapping[str, ToolSpec], now_ns: int) -> list[ToolAction]:
        """``specs`` were others before: nobody's yes to what a tool was counts for what it is."""
        actions: list[ToolAction] = []
        for pending in [known for known in self._pending.values() if known.state == "asking"]:
            old, new = before.get(pending.name), self._specs.get(pending.name)
            if old is not None and new is not None and new.is_same(old):
                continue
            change = "is no longer available" if new is None else "has changed meanwhile"
            words = f"{pending.name} {change}: it was not done"
            actions += self._close(pending, "failed", error_output(words), words, now_ns)
        return actions

    def on_fact(self, fact: Fact, now_ns: int) -> list[ToolAction]:
        """Take any fact but ``ToolCalled``: answers and fillers wait while somebody speaks."""
        if isinstance(fact, ResponseEnded) and not fact.in_conversation:
            return []
        self._rounds.on_fact(fact, now_ns)
        return self._asks(now_ns)

    def moved(self, now_ns: int, is_answering: bool = False) -> list[ToolAction]:
        """The conversation goes on in a session that knows every output so far.

        ``is_answering``: the session before still gives the answer it was asked for.
        """
        self._rounds.moved(is_answering)
        if not is_answering:
            self._repeats.moved()
        return self._asks(now_ns)

    def forget(self) -> list[ToolAction]:
        """The conversation is deleted: what still runs is given up, and nobody hears of it."""
        pending, self._pending = self._pending, {}
        self._rounds, self._repeats = Rounds(), Repeats()
        return [CancelTool(call) for call, known in pending.items() if known.state == "running"]

    def stopped(self) -> None:
        """Somebody has stopped the assistant: what runs goes on, and the model is told its output,
        but not asked to speak of it. A question to the room still counts."""
        pending = self._pending.values()
        self._rounds.stopped({known.response for known in pending if known.state == "asking"})

    def answers_given(self) -> None:
        """Nobody in the room waits for an answer: what is called next is for a new request."""
        if not self._rounds.are_owed:
            self._repeats.answered()

    def tick(self, now_ns: int) -> list[ToolAction]:
        """Timeouts, fillers and answers that were held back."""
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
        if not self._pending:
            return self._rounds.due_at_ns()
        times = [pending.deadline_ns for pending in self._pending.values()]
        times += [at for p in self._pending.values() if (at := self._filler_at_ns(p)) is not None]
        due_ns = self._rounds.due_at_ns()
        if due_ns is not None:
            times.append(due_ns)
        return min(times, default=None)

    @property
    def owes_answer(self) -> bool:
        """The model is asked to speak of a call that has no output yet, once it has."""
        return any(self._rounds.is_known(known.response) for known in self._pending.values())

    def pending(self) -> list[PendingToolCall]:
        """Calls without output, oldest first."""
        return list(self._pending.values())

    def _admitted(self, pending: PendingToolCall, spec: ToolSpec | None) -> dict[str, Any]:
        if spec is None:
            names = ", ".join(sorted(self._specs)) or "none"
            raise ToolError(
                f"there is no tool {pending.name[:MAX_NAME_CHARS]!r}; there are: {names}"
            )
        if len(self._pending) >= self._limits.max_open:
            raise ToolError(f"{self._limits.max_open} calls are open: wait for one to end")
        return spec.check(pending.arguments)

    def _question(
        self, pending: PendingToolCall, spec: ToolSpec, arguments: Mapping[str, Any], now_ns: int
    ) -> ToolAction:
        timeout_ms = self._limits.confirm_timeout_ms
        self._rounds.opened(pending.response, pending.call, is_question=True)
        pending.state = "asking"
        pending.deadline_ns = now_ns + timeout_ms * MS_NS
        question = spec.ask(arguments)
        return _told(pending, "asking", question=question, timeout_ms=timeout_ms)

    def _run(self, pending: PendingToolCall, now_ns: int, allowed_by: str = "") -> list[ToolAction]:
        spec = self._specs.get(pending.name)
        if spec is None:
            words = f"{pending.name} is no longer available"
            return self._close(pending, "failed", error_output(words), words, now_ns)
        timeout_ms = spec.timeout_ms or self._limits.timeout_ms
        pending.state, pending.since_ns = "running", now_ns
        pending.deadline_ns = now_ns + timeout_ms * MS_NS
        pending.filler = spec.filler if self._limits.filler_after_ms else ""
        run = RunTool(
            pending.call, pending.name, pending.arguments, pending.participant, pending.who
        )
        return [run, _told(pending, "running", participant=allowed_by or pending.participant)]

    def _too_late(self, pending: PendingToolCall, now_ns: int) -> list[ToolAction]:
        if pending.state == "asking":
            words = "nobody in the room said yes in time: it was not done"
            return self._close(pending, "refused", error_output(words), "no answer", now_ns)
        waited_s = (now_ns - pending.since_ns) / 1e9
        words = f"no result after {waited_s:.0f} s; it may still happen"
        actions = self._close(pending, "timeout", error_output(words), words, now_ns)
        return [CancelTool(pending.call), *actions]

    def _close(
        self,
        pending: PendingToolCall,
        status: Status,
        output: str,
        detail: str,
        now_ns: int,
        participant: str = "",
    ) -> list[ToolAction]:
        """The only place where the output of a call that was carried out is sent."""
        self._pending.pop(pending.call, None)
        self._repeats.finished(pending.call, bounded(output))
        self._rounds.answered(pending.response, pending.call, now_ns)
        told = _told(pending, status, detail, participant=participant or pending.participant)
        return [SendOutput(pending.call, bounded(output)), told, *self._asks(now_ns)]

    def _repeated(self, pending: PendingToolCall, output: str, now_ns: int) -> list[ToolAction]:
        """The model makes a call again whose answer was lost: people need not hear of it."""
        self._rounds.answered(pending.response, pending.call, now_ns)
        return [SendOutput(pending.call, output), *self._asks(now_ns)]

    def _remember(self, call: str) -> None:
        self._known[call] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    def _asks(self, now_ns: int) -> list[ToolAction]:
        return [AskAnswer()] if self._rounds.due(now_ns) else []

    def _filler_at_ns(self, pending: PendingToolCall) -> int | None:
        """When to say the filler of a call; None: not yet, or not at all."""
        if pending.state != "running" or not pending.filler:
            return None
        if not self._rounds.fills(pending.response):
            return None
        quiet_ns = max(pending.since_ns, self._rounds.quiet_since_ns)
        at_ns = quiet_ns + self._limits.filler_after_ms * MS_NS
        return max(at_ns, self._rounds.held_until_ns)


def _told(
    pending: PendingToolCall, status: Status, detail: str = "", participant: str = "", **more: Any
) -> TellTool:
    name = pending.name[:MAX_NAME_CHARS]
    event = {"type": "tool", "name": name, "call": pending.call, "status": status, **more}
    if pending.title:
        event["title"] = pending.title
    if detail:
        event["detail"] = detail[:200]
    if participant:
        event["participant"] = participant
    return TellTool(event)
