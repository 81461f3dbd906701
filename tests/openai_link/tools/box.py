"""Opens a tool box with given settings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from openai_link.settings import OpenaiLinkSettings
from openai_link.tools.toolbox import ToolBox
from tests.support.waiting import PATIENCE_S

LOG = logging.LoggerAdapter(logging.getLogger("mixminus.test_tools"), {})


@asynccontextmanager
async def opened(
    ready: Callable[[ToolBox], object] = lambda box: True, **settings: Any
) -> AsyncIterator[ToolBox]:
    """A box with the settings given here, once ``ready`` is true of it; closed at the end.

    A tool may take long on a busy machine, where a server is started again for it.
    """
    changed = asyncio.Event()
    own = {"tools": (), "tool_timeout_ms": int(PATIENCE_S * 1_000)}
    box = ToolBox(OpenaiLinkSettings(**(own | settings)), LOG, changed.set)
    try:
        await box.load()
        async with asyncio.timeout(PATIENCE_S):
            while not ready(box):
                changed.clear()
                await changed.wait()
        yield box
    finally:
        await box.close()


def offers(name: str) -> Callable[[ToolBox], object]:
    """For ``opened``: the tool called ``name`` is there."""
    return lambda box: name in box.specs
