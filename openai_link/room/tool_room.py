"""A room's tools at work: the policy of calls, and the tasks that carry them out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..realtime.facts import Fact, ToolCalled
from ..settings import OpenaiLinkSettings
from ..tools.actions import (
    AskAnswer,
    CancelTool,
    RunTool,
    SayFiller,
    SendOutput,
    TellTool,
    ToolAction,
    filler_response,
)
from ..tools.calls import ToolCalls, ToolLimits
from ..tools.outputs import is_error
from ..tools.toolbox import ToolBox

if TYPE_CHECKING:
    from .room import RoomHost

PATIENCE_S = 0.3
"""The first call waits so long for the tools; later ones are added to the running session."""
CLOSE_TIMEOUT_S = 1.0

Asker = Callable[[str], tuple[str, str]]
"""Participant and name of whoever a response answers."""


class ToolRoom:
    """Opens the tools once, and outlives the room's calls."""

    def __init__(
        self,
        settings: OpenaiLinkSettings,
        host: RoomHost,
        on_output: Callable[[str, str, bool], None],
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """``on_output``: a call (its id) has its output, good or not; told before it is sent."""
        self._settings = settings
        self._host = host
        self._on_output = on_output
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._box: ToolBox | None = None
        self._calls: ToolCalls | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._questions: dict[str, tuple[dict[str, Any], int]] = {}
        """What the room was asked and has not answered: event by call, and when it was told."""
        self._told = 0
        """Problems of the tool box that the room has heard of."""
        self._opening: asyncio.Task[None] | None = None
        if settings.tools or settings.mcp_servers:
            self._opening = self._loop.create_task(self._open())

    async def opened(self) -> None:
        """The tools are there, or take longer than one cares to wait."""
        if self._opening is not None:
            await asyncio.wait({self._opening}, timeout=PATIENCE_S)

    async def _open(self) -> None:
        """Modules are loaded when it returns; MCP servers may follow."""
        self._box = ToolBox(self._settings, self._log, self._changed)
        await self._box.load()
        self._calls = ToolCalls(
            self._box.specs,
            ToolLimits(
                self._settings.tool_timeout_ms,
                self._settings.tool_confirm_timeout_ms,
                self._settings.tool_filler_after_ms,
            ),
        )

    def _changed(self) -> None:
        """Tools have come, or are known to be missing."""
        if self._box is not None:
            for problem in self._box.problems[self._told :]:
                self._host.report("tools_missing", problem)
            self._told = len(self._box.problems)
            self._host.tools_changed()

    async def close(self) -> None:
        """End what runs. Bounded."""
        if self._opening is not None:
            self._opening.cancel()
        for task in self._running.values():
            task.cancel()
        if self._box is not None:
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._box.close()
            except TimeoutError:
                self._log.warning("! the tools did not close within %s s", CLOSE_TIMEOUT_S)

    def definitions(self) -> list[dict[str, Any]]:
        """For the session object."""
        return [] if self._box is None else self._box.definitions()

    @property
    def is_busy(self) -> bool:
        """A call has no output yet."""
        return self._calls is not None and bool(self._calls.pending())

    def on_fact(self, fact: Fact, asker: Asker, now_ns: int) -> None:
        """Something happened in the conversation."""
        if isinstance(fact, ToolCalled):
            if self._calls is None:
                self._log.warning("! the model calls %s, and there are no tools", fact.name)
                return
            participant, name = asker(fact.response)
            self._apply(self._calls.called(fact, participant, name, now_ns))
        elif self._calls is not None:
            self._apply(self._calls.on_fact(fact, now_ns))

    def confirmed(self, event: Mapping[str, Any], now_ns: int) -> None:
        """A browser's answer to a question: ``confirm {call, allow}``."""
        if self._calls is not None:
            call, allow = str(event.get("call", "")), event.get("allow") is True
            participant = str(event.get("participant", ""))
            self._apply(self._calls.confirmed(call, allow, participant, now_ns))

    def ask_again(self, now_ns: int) -> None:
        """Repeat the open questions, with the time that is left, for somebody who came later."""
        for event, asked_ns in self._questions.values():
            left_ms = int(event["timeout_ms"]) - (now_ns - asked_ns) // 1_000_000
            self._host.tell({**event, "timeout_ms": max(1, left_ms)})

    def moved(self, now_ns: int, is_answering: bool = False) -> None:
        """The conversation goes on in a session that was told everything, outputs too.

        ``is_answering``: the old session still gives the answer it was asked for.
        """
        if self._calls is not None:
            self._apply(self._calls.moved(now_ns, is_answering=is_answering))

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``."""
        return None if self._calls is None else self._calls.next_timeout_ns()

    def tick(self, now_ns: int) -> None:
        """The time-out was reached, perhaps."""
        due_ns = self.next_timeout_ns()
        if self._calls is not None and due_ns is not None and due_ns <= now_ns:
            self._apply(self._calls.tick(now_ns))

    def _apply(self, actions: list[ToolAction]) -> None:
        for action in actions:
            match action:
                case RunTool():
                    self._log.info("= tool %s for %s", action.name, action.who or "somebody")
                    task = self._loop.create_task(self._run(action))
                    self._running[action.call] = task
                case CancelTool(call):
                    task_or_none = self._running.pop(call, None)
                    if task_or_none is not None:
                        task_or_none.cancel()
                case SendOutput(call, output):
                    self._on_output(call, output, not is_error(output))
                    self._send(call, output)
                case AskAnswer():
                    self._host.ask()
                case SayFiller(text):
                    self._host.ask(filler_response(text))
                case TellTool(event, addressee):
                    self._remember(event)
                    self._host.tell(event, addressee)

    def _remember(self, event: dict[str, Any]) -> None:
        """Any other status of a call ends its question."""
        self._questions.pop(event["call"], None)
        if event["status"] == "asking":
            self._questions[event["call"]] = event, time.monotonic_ns()

    def _send(self, call: str, output: str) -> None:
        if not self._host.send(lambda events: events.function_output(call, output)):
            self._log.info("= the output of %s is kept for the next session", call)

    async def _run(self, run: RunTool) -> None:
        assert self._box is not None and self._calls is not None
        output = await self._box.run(run.name, run.arguments, run.who)
        self._running.pop(run.call, None)
        now_ns = time.monotonic_ns()
        self._apply(self._calls.finished(run.call, output, not is_error(output), now_ns))
        self._host.changed()
