"""Tools for the tests of whole calls. Each run leaves a line in the file HOUSE_LOG."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from openai_link.tools import Caller, tool


def _note(line: str) -> None:
    with Path(os.environ["HOUSE_LOG"]).open("a", encoding="utf-8") as log:
        log.write(f"{line}\n")


@tool
def humidity() -> dict[str, int]:
    """Measure the humidity."""
    _note("humidity")
    return {"percent": 41}


@tool
async def temperature() -> dict[str, float]:
    """Measure the temperature."""
    _note("temperature")
    return {"celsius": 21.5}


@tool
def broken() -> None:
    """Fail."""
    _note("broken")
    raise RuntimeError("the sensor is on fire")


@tool(timeout_ms=1_000)
async def endless() -> None:
    """Take too long."""
    _note("endless")
    await asyncio.sleep(60)


@tool(filler="One moment.")
async def slow() -> str:
    """Take three seconds."""
    _note("slow begins")
    await asyncio.sleep(3)
    _note("slow ends")
    return "it took three seconds"


@tool(confirm="Open the door?")
def open_door(caller: Caller) -> str:
    """Open the door."""
    _note(f"open_door for {caller}")
    return "the door is open"
