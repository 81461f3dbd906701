"""A process that holds a room's tools as a link child does; SIGTERM ends it. Says when it is up."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from mixer_core.runtime.process import end_within, run_on_uvloop
from openai_link.child import CLOSE_TIMEOUT_S, END_S
from openai_link.settings import McpServer, OpenaiLinkSettings
from openai_link.tools.runner import ToolRunner
from tests.openai_link.tools.box import LOG

SERVER = os.path.join(os.path.dirname(__file__), "wicked_server.py")


async def main(pids: str, ways: list[str]) -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = McpServer(command=(sys.executable, SERVER, pids, *ways))
    runner = ToolRunner(
        OpenaiLinkSettings(mcp_servers={"wicked": server}), LOG, lambda: None, lambda *_: None
    )
    runner.start()
    print("up", flush=True)
    await stop.wait()
    end_within(END_S)
    async with asyncio.timeout(CLOSE_TIMEOUT_S):
        await runner.close()


if __name__ == "__main__":
    run_on_uvloop(main(sys.argv[1], sys.argv[2:]))
