"""MCP servers: their tools are offered like our own. Needs the package ``mcp``, loaded on demand.

A server runs as a child process on its standard input and output, or is reached by streamable HTTP.
A dead one is noticed at the next tool call, reconnected, and only then called: a call that may have
reached the server is never repeated. One that does a call may answer nothing else meanwhile, and is
not taken to be dead. Its tools are listed anew at each connection, and when it says
that they have changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from logging import LoggerAdapter
from typing import TYPE_CHECKING, Any

from mixer_core.runtime.errors import MixminusError, ToolDefinitionError, ToolError
from mixer_core.runtime.foreign_text import one_line
from mixer_core.runtime.secrets import secret

from ..settings import McpServer
from .mcp_listing import ORIGINAL, Listing, listing
from .mcp_process import server_process
from .mcp_results import output_of
from .mcp_streams import tidy

if TYPE_CHECKING:
    from mcp import Client

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0
"""Wait before the next attempt to connect; doubled each time."""
FRESH_S = 2.0
"""A server that answered within this time is taken to be alive."""
PROBE_S, PING_S = 2.0, 1.0
"""Longest wait for a sign of life; before that, for one that costs the server nothing."""
RECONNECT_S = 5.0
"""Longest that a tool call waits while its server is reconnected."""
CONNECT_TIMEOUT_S = 120.0
"""Longest that a server may take to start: some are downloaded first."""
LIST_TIMEOUT_S = 30.0
"""Longest that a server may take to list its tools."""
RELIST_S = 0.5
"""Between two lists: a server may say at any rate that its tools have changed."""
MAX_PAGES = 20
_CLOSE_S = 6.0
_MISSING = "MCP servers need the package mcp: install mixminus[mcp]"


class McpLink:
    """One configured server and its connection. ``offer`` gets its tools at each connection."""

    def __init__(
        self,
        name: str,
        label: str,
        server: McpServer,
        environ: Mapping[str, str],
        log: LoggerAdapter[Any],
        offer: Callable[[Listing], None],
        redact: Callable[[str], str],
    ) -> None:
        """``label``: stands for the server in the names of its tools (``names.labels``)."""
        self._name = name
        self._label = label
        self._server = server
        self._environ = environ
        self._log = log
        self._offer = offer
        self._redact = redact
        self._client: Client | None = None
        self._ready = asyncio.Event()
        self._news = asyncio.Event()
        """The connection is lost, or the tools have changed."""
        self._is_stale = False
        """The server has said that its tools have changed."""
        self._has_ping = True
        """As far as is known of this connection."""
        self._wanted = asyncio.Event()
        self._answered_s = 0.0
        self._calls = 0
        """Calls that wait for their result."""
        self._failure = "it has not answered yet"
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._functions: dict[str, Callable[..., Any]] = {}

    async def start(self, timeout_s: float) -> str:
        """Connect; returns the problem in one line, or "". Goes on trying in the background."""
        if bool(self._server.command) == bool(self._server.url):
            return f"MCP server {self._name}: set either command or url"
        try:
            await asyncio.to_thread(importlib.import_module, "mcp")
        except ImportError:
            return f"MCP server {self._name}: {_MISSING}"
        self._task = asyncio.create_task(self._keep(), name=f"mcp {self._name}")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
                return ""
        return f"MCP server {self._name}: {self._failure}; its tools are offered once it connects"

    async def close(self) -> None:
        """Disconnect, and end the server if it is our child process."""
        self._closed = True
        self._wanted.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_CLOSE_S)

    async def call(self, tool: str, /, **arguments: Any) -> str:
        """Call a tool by the server's own name for it.

        Raises:
            ToolError: the server is gone, or refused the call.
        """
        from mcp import MCPError

        client = await self._living()
        self._calls += 1
        try:
            result = await client.call_tool(tool, arguments)
        except MCPError as error:
            raise ToolError(self._told(error, client)) from error
        except ValueError as error:  # pydantic's: the result is no result.
            raise ToolError(
                f"the MCP server {self._name} gave no answer of the protocol"
            ) from error
        except Exception as error:
            self._drop(client)
            raise ToolError(
                f"the MCP server {self._name} was lost: {_reason(error, self._redact)}"
            ) from error
        finally:
            self._calls -= 1
        self._answered_s = asyncio.get_running_loop().time()
        return output_of(result, self._redact)

    def _told(self, error: Exception, client: Client) -> str:
        from mcp_types import CONNECTION_CLOSED

        if getattr(error, "code", 0) != CONNECTION_CLOSED:
            return f"the MCP server {self._name} refused: {error}"
        self._drop(client)
        return f"the MCP server {self._name} was lost; the call may or may not have been done"

    async def _living(self) -> Client:
        """A connection that works; a dead one is replaced first."""
        client, loop = self._client, asyncio.get_running_loop()
        is_fresh = loop.time() - self._answered_s <= FRESH_S
        if client is not None and not is_fresh and not self._calls:
            await self._probe(client)
        self._wanted.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RECONNECT_S):
                await self._ready.wait()
        if self._client is None:
            raise ToolError(f"the MCP server {self._name} is not available: {self._failure}")
        return self._client

    async def _probe(self, client: Client) -> None:
        """Ask for a sign of life; the connection is dropped where none comes."""
        loop = asyncio.get_running_loop()
        try:
            if not await self._pinged(client):
                async with asyncio.timeout(PROBE_S):
                    await client.list_tools(cache_mode="bypass")
            self._answered_s = loop.time()
        except Exception as error:  # Whatever it is, this connection is useless.
            if not self._calls:  # A call that began meanwhile may be what keeps the server busy.
                self._failure = _reason(error, self._redact)
                self._drop(client)

    async def _pinged(self, client: Client) -> bool:
        """Whether the server answers a ping; one that does not is not asked again.

        Its tools may take long to list. Newer versions of the protocol ask what it is instead.
        """
        from mcp import MCPError
        from mcp_types.version import MODERN_PROTOCOL_VERSIONS

        session, version = client.session, client.protocol_version
        is_modern = version in MODERN_PROTOCOL_VERSIONS
        try:
            async with asyncio.timeout(PING_S):
                if self._has_ping:
                    await (session.send_discover(version) if is_modern else session.send_ping())
        except (MCPError, TimeoutError, ValueError):
            self._has_ping = False
        return self._has_ping

    def _drop(self, client: Client) -> None:
        """A connection is lost; one that came in its place stays."""
        if self._client is not client:
            return
        self._client = None
        self._ready.clear()
        self._news.set()

    async def _keep(self) -> None:
        """Stay connected; the library's contexts are entered and left in this one task."""
        delay_s = FIRST_RETRY_S
        while not self._closed:  # The library's contexts may swallow what cancels this task.
            self._news.clear()
            self._wanted.clear()
            self._is_stale = False
            try:
                async with AsyncExitStack() as stack:
                    client = await self._entered(stack)
                    self._offer(await self._listing(client))
                    self._log.info("= MCP server %s is connected", self._name)
                    delay_s = FIRST_RETRY_S
                    self._answered_s = asyncio.get_running_loop().time()
                    self._client, self._has_ping = client, True
                    self._ready.set()
                    await self._follow(client)
            except Exception as error:  # Whatever a server does, it must not end the room.
                self._failure = _reason(error, self._redact)
                self._log.warning("! MCP server %s: %s", self._name, self._failure)
            finally:
                self._client = None
                self._ready.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._wanted.wait()
            delay_s = min(2 * delay_s, LAST_RETRY_S)

    async def _entered(self, stack: AsyncExitStack) -> Client:
        """A connection that has shaken hands; ``stack`` ends it."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await stack.enter_async_context(self._connection())
        except TimeoutError as error:
            words = f"it has not answered within {CONNECT_TIMEOUT_S:g} s"
            raise ToolDefinitionError(words) from error

    async def _follow(self, client: Client) -> None:
        """Until the connection is lost, list the tools whenever they have changed."""
        listening = asyncio.create_task(self._listen(client), name=f"mcp {self._name}: changes")
        try:
            while self._client is client:
                await self._news.wait()
                self._news.clear()
                if self._client is not client or not self._is_stale:
                    continue
                self._is_stale = False
                try:
                    self._offer(await self._listing(client))
                except Exception as error:  # What was listed before still holds.
                    reason = _reason(error, self._redact)
                    words = "its tools have changed and cannot be listed"
                    self._log.warning("! MCP server %s: %s: %s", self._name, words, reason)
                await asyncio.sleep(RELIST_S)
        finally:
            listening.cancel()
            await asyncio.wait({listening})

    async def _listen(self, client: Client) -> None:
        """Servers that speak a newer version of the protocol tell of changes on a stream."""
        from mcp_types.version import MODERN_PROTOCOL_VERSIONS

        while client.protocol_version in MODERN_PROTOCOL_VERSIONS:
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    async for _ in changes:
                        self._changed()
            except Exception as error:
                self._log.debug("= MCP server %s: %s", self._name, _reason(error, self._redact))
            await asyncio.sleep(LAST_RETRY_S)
            self._changed()

    async def _on_message(self, message: object) -> None:
        from mcp_types import ToolListChangedNotification

        if isinstance(message, ToolListChangedNotification):
            self._changed()

    def _changed(self) -> None:
        self._is_stale = True
        self._news.set()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Client]:
        from mcp import Client
        from mcp.client.streamable_http import streamable_http_client

        from .mcp_http import http_client

        variable = self._server.token_variable
        token = secret(self._environ, variable)
        if variable and not token:
            raise ToolDefinitionError(f"the variable {variable} is not set")
        if self._server.command:
            env = {variable: token} if token else {}
            streams = tidy(server_process(self._name, self._server.command, env, self._log))
            async with Client(streams, message_handler=self._on_message) as client:
                yield client
            return
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            http_client(headers) as http,
            Client(
                tidy(streamable_http_client(self._server.url, http_client=http)),
                message_handler=self._on_message,
            ) as client,
        ):
            yield client

    async def _listing(self, client: Client) -> Listing:
        try:
            async with asyncio.timeout(LIST_TIMEOUT_S):
                tools = await _listed(client)
        except TimeoutError as error:
            words = f"it has not listed its tools within {LIST_TIMEOUT_S:g} s"
            raise ToolDefinitionError(words) from error
        return listing(self._label, self._name, self._server, tools, self._function)

    def _function(self, tool: str) -> Callable[..., Any]:
        """Always the same one for a tool."""
        return self._functions.setdefault(tool, partial(self.call, tool))


async def _listed(client: Client) -> list[Mapping[str, Any]]:
    """All tools, as the server sent them."""
    tools: list[Mapping[str, Any]] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await client.list_tools(cursor=cursor, cache_mode="bypass")
        tools += [(tool.meta or {}).get(ORIGINAL) or {} for tool in page.tools]
        cursor = page.next_cursor
        if not cursor:
            break
    return tools


def _reason(error: BaseException, redact: Callable[[str], str]) -> str:
    """The error in one line, without secrets; of a group, the first exception."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, MixminusError):
        return redact(str(error))
    words = one_line(redact(str(error)), 300)
    if isinstance(error, TimeoutError) and not words:
        return "it has not answered in time"
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
