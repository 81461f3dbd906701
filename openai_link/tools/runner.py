"""A room's tools at work: opens the tool box, and runs each tool call in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from logging import LoggerAdapter
from typing import Any

from ..settings import OpenaiLinkSettings
from .spec import ToolSpec
from .toolbox import ToolBox

CLOSE_TIMEOUT_S = 1.0
"""Longest that ``close`` takes."""


class ToolRunner:
    """``start`` once, ``close`` once. Callbacks run on the event loop; never after ``close``.

    It decides nothing: who may call what, and for how long, is up to ``ToolCalls``.
    """

    def __init__(
        self,
        settings: OpenaiLinkSettings,
        log: LoggerAdapter[Any],
        on_changed: Callable[[], None],
        on_answered: Callable[[str, str], None],
    ) -> None:
        """Prepare; nothing runs before ``start``.

        Args:
            settings: names the modules and MCP servers.
            log: log of the room.
            on_changed: ``specs``, ``definitions`` or ``problems`` have changed.
            on_answered: a tool call has ended, with its id and its output for the model.
        """
        self._log = log
        self._on_changed = on_changed
        self._on_answered = on_answered
        self._box = ToolBox(settings, log, self._changed)
        self._has_tools = bool(settings.tools or settings.mcp_servers)
        self._loading: asyncio.Task[None] | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    @property
    def specs(self) -> Mapping[str, ToolSpec]:
        """Tools by name, always the same mapping: empty at first, it changes as tools do."""
        return self._box.specs

    @property
    def problems(self) -> list[str]:
        """One sentence for each module or server whose tools are missing; it only grows."""
        return self._box.problems

    def definitions(self) -> list[dict[str, Any]]:
        """For ``session.tools``."""
        return self._box.definitions()

    def start(self) -> None:
        """Begin to load what the settings name; ``on_changed`` follows if that is anything."""
        if self._has_tools:
            self._loading = self._task(self._box.load(), "tools: load")

    def run(self, call: str, name: str, arguments: str, who: str) -> None:
        """Run a tool; ``on_answered`` follows unless the call is cancelled.

        Args:
            call: id of the tool call, not used before.
            name: name of the tool.
            arguments: JSON text.
            who: name of the person who asked.
        """
        spec = self._box.specs.get(name)  # As it is now, when it was decided: not as it may become.
        self._running[call] = self._task(
            self._run(call, name, arguments, who, spec), f"tool {name}"
        )

    def cancel(self, call: str) -> None:
        """Stop waiting for a tool call; harmless if it has ended."""
        task = self._running.pop(call, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Cancel what runs and end the MCP servers. Bounded; never raises."""
        if self._closed:
            return
        self._closed = True
        tasks = {self._task(self._box.close(), "tools: close"), *self._running.values()}
        if self._loading is not None:
            self._loading.cancel()
        for task in self._running.values():
            task.cancel()
        self._running.clear()
        _, late = await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT_S)
        for task in late:
            task.cancel()
            self._log.warning("! %s did not end within %s s", task.get_name(), CLOSE_TIMEOUT_S)

    async def _run(
        self, call: str, name: str, arguments: str, who: str, spec: ToolSpec | None
    ) -> None:
        output = await self._box.run(name, arguments, who, spec)
        is_wanted = self._running.pop(call, None) is not None  # A tool may ignore its cancellation.
        if is_wanted and not self._closed:
            self._on_answered(call, output)

    def _changed(self) -> None:
        if not self._closed:
            self._on_changed()

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Whatever went wrong is in the log: nobody awaits the task."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._log.error("! %s failed", task.get_name(), exc_info=error)
