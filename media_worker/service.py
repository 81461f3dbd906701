"""The program ``media_worker``: its host process."""

from __future__ import annotations

import asyncio

import zmq

from mixer_core.runtime import process

from .host import PROGRAM, Host
from .settings import Settings
from .start import check_start

CLOSE_S = 0.25
"""Time for the children to say goodbye to their browsers."""


async def serve(context: process.Context[Settings]) -> None:
    """Run the host until ``context.stop``."""
    zmq_context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    host = Host(context, zmq_context)
    context.log.info("= ready in %s", context.runtime_dir)
    try:
        await context.stop.wait()
    finally:
        host.close(context.hands_over)
        await asyncio.sleep(CLOSE_S)
        zmq_context.destroy()
    context.log.info("= stopped")


def main() -> int:
    """Run the program; returns its exit code."""
    return process.run_async(PROGRAM, Settings, serve, check_start)
