"""A module of tools as a user would write it, with everything that can go wrong."""

from __future__ import annotations

import asyncio
import sys
import threading
from datetime import datetime as imported_class

from openai_link.settings import OpenaiLinkSettings
from openai_link.tools import Caller, ToolError, tool
from openai_link.tools.clock import get_time as imported_tool

IMPORTED = (imported_class, imported_tool)
CONFIGURED: list[str] = []
RELEASE = threading.Event()
LET_GO = threading.Event()
SECRET = "hush-hush-1"


def configure(settings: OpenaiLinkSettings) -> None:
    """Note the model's name."""
    CONFIGURED.append(settings.model)


@tool
def where() -> str:
    """Name the thread."""
    return threading.current_thread().name


@tool
async def greet(who: Caller, word: str = "Hello") -> dict[str, str]:
    """Greet whoever asked."""
    await asyncio.sleep(0)
    return {"text": f"{word} {who}", "thread": threading.current_thread().name}


@tool
def break_it() -> None:
    """Fail."""
    raise ValueError(f"bad\nluck {SECRET}")


@tool
def refuse() -> None:
    """Fail with words for the model."""
    raise ToolError("the tank is not known")


@tool
async def leave() -> None:
    """End the process."""
    sys.exit(3)


@tool
def leave_thread() -> None:
    """End the process from a thread."""
    sys.exit(3)


@tool
async def cancel_itself() -> None:
    """Raise what only the loop should raise."""
    raise asyncio.CancelledError


@tool(timeout_ms=100)
async def sleep() -> None:
    """Sleep too long."""
    await asyncio.sleep(60)


@tool
async def ignore_cancelling() -> None:
    """Go on, whatever happens, until the test lets it go."""
    while not LET_GO.is_set():
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            continue


@tool(timeout_ms=100)
def hang() -> None:
    """Hang in a thread until the test lets it go."""
    RELEASE.wait()


@tool
def flood() -> list[int]:
    """Say far too much."""
    return list(range(100_000))


@tool
def leak() -> str:
    """Tell a secret."""
    return SECRET
