"""Helpers: open a tool box with given settings, on a loop of its own."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mixer_core.runtime.settings import OpenaiLinkSettings
from openai_link.tools.toolbox import ToolBox

LOG = logging.LoggerAdapter(logging.getLogger("mixminus.test_tools"), {})


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[ToolBox]:
    """A box with the settings given here, closed at the end."""
    box = await ToolBox.open(OpenaiLinkSettings(**{"tools": (), **settings}), LOG)
    try:
        yield box
    finally:
        await box.close()
