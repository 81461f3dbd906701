"""The streams of an MCP connection for the library that reads them: tidy lists, no deep answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from mixer_core.runtime.foreign_data import is_deep

from .mcp_listing import tidied


@asynccontextmanager
async def tidy(transport: AbstractAsyncContextManager[Any]) -> AsyncIterator[tuple[Any, Any]]:
    """The transport, with what its server lists passed through ``tidied``."""
    async with transport as (reader, writer):
        yield _TidyReader(reader), writer


class _TidyReader:
    """A stream of the library's, seen through its protocol ``ReadStream``."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def receive(self) -> Any:
        return _tidy(await self._inner.receive())

    async def aclose(self) -> None:
        await self._inner.aclose()

    def __aiter__(self) -> _TidyReader:
        return self

    async def __anext__(self) -> Any:
        return _tidy(await self._inner.__anext__())

    async def __aenter__(self) -> _TidyReader:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *exception: Any) -> Any:
        return await self._inner.__aexit__(*exception)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _tidy(item: Any) -> Any:
    """A message, or an exception that the transport reports in its place."""
    message: Any = getattr(item, "message", None)
    result = getattr(message, "result", None)
    clean = {} if is_deep(result) else tidied(result)  # Nothing is no answer of the protocol.
    if clean is not result:
        item.message = message.model_copy(update={"result": clean})
    return item
