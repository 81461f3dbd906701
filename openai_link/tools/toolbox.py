"""The tools of this process: loads them, and runs one at a time or several."""

from __future__ import annotations

import asyncio
import importlib
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from logging import LoggerAdapter
from types import ModuleType
from typing import Any

from mixer_core.runtime.errors import MixminusError, ToolDefinitionError, ToolError
from mixer_core.runtime.foreign_text import one_line

from ..secrets import named_variables
from ..settings import OpenaiLinkSettings
from .catalogue import Catalogue
from .define import spec_of
from .mcp_client import McpLink
from .mcp_listing import Listing
from .names import labels
from .outputs import error_output, to_output
from .redaction import redactor
from .spec import Caller, ToolSpec
from .workers import Workers

MAX_THREADS = 8
"""Plain functions that may run at once."""
LOAD_TIMEOUT_S = 10.0
"""Longest that one module may take to import and configure itself."""
SERVER_TIMEOUT_S = 5.0
"""How long an MCP server may take to connect before it counts as a problem."""
MAX_PROBLEM_CHARS = 600
GRACE_S = 0.5
"""The policy (``ToolCalls``) ends a tool call first; this is for use without it."""


class ToolBox:
    """``load`` once, ``close`` once."""

    def __init__(
        self,
        settings: OpenaiLinkSettings,
        log: LoggerAdapter[Any],
        on_changed: Callable[[], None],
    ) -> None:
        """``on_changed``: called on the loop when ``specs`` or ``problems`` may have changed."""
        self._settings = settings
        self._log = log
        self._on_changed = on_changed
        self._redact = redactor(os.environ, tuple(named_variables(settings)))
        self._workers = Workers(MAX_THREADS)
        self._servers: list[McpLink] = []
        servers = map(_server_source, settings.mcp_servers)
        self._catalogue = Catalogue((*map(_module_source, settings.tools), *servers))
        self.problems: list[str] = []
        """One sentence for each module, server or tool that is missing, as in the log."""
        self._connecting: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Load the modules that the settings name; MCP servers connect in the background.

        Never fails: see ``problems``.
        """
        for name in self._settings.tools:
            await self._load(name)
        if self._settings.mcp_servers:
            self._connecting = asyncio.create_task(self._connect(), name="MCP servers")
        if self.specs:
            self._log.info("= tools: %s", ", ".join(sorted(self.specs)))
        self._on_changed()

    @property
    def specs(self) -> Mapping[str, ToolSpec]:
        """Tools by name, always the same mapping; changes when modules and servers do."""
        return self._catalogue.specs

    def definitions(self) -> list[dict[str, Any]]:
        """For ``session.tools``."""
        return [spec.definition() for spec in self.specs.values()]

    async def run(
        self, name: str, arguments_json: str, who: str, spec: ToolSpec | None = None
    ) -> str:
        """Run a tool for the person called ``who``; returns the output for the model (16 KiB).

        ``spec``: the tool as it was when the call was allowed; None: as it is now.

        Raises only if it is cancelled: any failure is an output ``{"error": …}``
        (``outputs.is_error``), with its traceback in the log.
        """
        spec = spec or self.specs.get(name)
        if spec is None:
            return error_output(f"there is no tool {name[:64]!r}")
        timeout_s = (spec.timeout_ms or self._settings.tool_timeout_ms) / 1e3 + GRACE_S
        try:
            async with asyncio.timeout(timeout_s):
                value = await self._call(spec, spec.check(arguments_json), who)
        except ToolError as error:
            self._log.info("! tool %s: %s", name, self._redact(str(error)))
            return error_output(self._redact(str(error)))
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                raise
            return self._failed(name, error)
        return to_output(value, self._redact)

    async def close(self) -> None:
        """Disconnect from MCP servers. Plain functions that still run are left alone."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        await asyncio.gather(*(server.close() for server in self._servers))

    async def _call(self, spec: ToolSpec, arguments: dict[str, Any], who: str) -> Any:
        if spec.caller:
            arguments[spec.caller] = Caller(who)
        if spec.is_async:
            return await spec.function(**arguments)
        return await self._workers.run(partial(spec.function, **arguments))

    def _failed(self, name: str, error: BaseException) -> str:
        lines = "".join(traceback.format_exception(error))
        self._log.error("! tool %s failed: %s", name, self._redact(lines))
        if isinstance(error, TimeoutError):
            return error_output(f"{name} took too long")
        return error_output(self._redact(f"{name} failed: {type(error).__name__}: {error}"))

    async def _load(self, name: str) -> None:
        try:
            async with asyncio.timeout(LOAD_TIMEOUT_S):
                specs = await self._workers.run(partial(_load_module, name, self._settings))
        except TimeoutError:
            self._problem(f"tools of {name}: loading took longer than {LOAD_TIMEOUT_S:.0f} s")
        except (Exception, SystemExit) as error:
            self._problem(f"tools of {name}: {_reason(error)}")
        else:
            self._replace(_module_source(name), specs)

    async def _connect(self) -> None:
        known = labels(self._settings.mcp_servers)
        for name, server in self._settings.mcp_servers.items():
            offer = partial(self._offered_by, name)
            link = McpLink(name, known[name], server, os.environ, self._log, offer, self._redact)
            self._servers.append(link)
        results = await asyncio.gather(*(s.start(SERVER_TIMEOUT_S) for s in self._servers))
        for problem in filter(None, results):
            self._problem(problem)
        self._on_changed()

    def _offered_by(self, server: str, found: Listing) -> None:
        for problem in found.problems:
            self._problem(problem)
        self._replace(_server_source(server), found.specs)
        self._on_changed()

    def _replace(self, source: str, specs: Sequence[ToolSpec]) -> None:
        for name in self._catalogue.replace(source, specs):
            self._problem(f"{source}: another tool is already called {name}; not offered")

    def _problem(self, text: str) -> None:
        """A server may come and go: what was told is not told again."""
        line = one_line(self._redact(" ".join(text.split())), MAX_PROBLEM_CHARS)
        if line not in self.problems:
            self.problems.append(line)
            self._log.warning("! %s", line)


def _module_source(module: str) -> str:
    return f"tools of {module}"


def _server_source(server: str) -> str:
    return f"MCP server {server}"


def _load_module(name: str, settings: OpenaiLinkSettings) -> list[ToolSpec]:
    """Import a module, let it ``configure(settings)`` itself, and collect its tools."""
    module = importlib.import_module(name)
    configure = getattr(module, "configure", None)
    if callable(configure):
        configure(settings)
    specs = [spec for value in _own_values(module) if (spec := spec_of(value)) is not None]
    if not specs:
        raise ToolDefinitionError("the module has no function with @tool")
    return specs


def _own_values(module: ModuleType) -> list[Any]:
    """What the module defines, and what its ``__all__`` names; the rest is imported."""
    listed = set(getattr(module, "__all__", ()))
    return [
        value
        for key, value in vars(module).items()
        if key in listed or getattr(value, "__module__", "") == module.__name__
    ]


def _reason(error: BaseException) -> str:
    if isinstance(error, MixminusError):
        return str(error)
    return f"{type(error).__name__}: {error}"
