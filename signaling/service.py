"""The signaling process: opens the port and the control socket, serves HTTP, stops in order."""

from __future__ import annotations

import os

import zmq

from mixer_core.runtime import process

from . import lan
from .gateway import PROGRAM, Gateway
from .http import listeners
from .http.api import HttpApi
from .http.auth import Gate
from .http.transcript_pages import TranscriptReader
from .settings import Settings


async def serve(context: process.Context[Settings]) -> None:
    """Run until the process is told to stop. Raises StartupError if it cannot start."""
    section = context.settings.signaling
    lan.check(section)
    gate = Gate(section, os.environ)
    door = lan.LanDoor(section, context.settings.state_dir, context.log) if section.lan else None
    sockets = listeners.bind(section.http_host, section.http_port)
    zmq_context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    url = listeners.url(section.http_host, section.http_port)
    gateway = Gateway(zmq_context, context.settings, context.log, url)
    transcripts = TranscriptReader(context.settings.state_dir, context.log)
    warnings = door.warnings if door else list
    api = HttpApi(gateway, gate, section, context.log, None, transcripts, warnings)
    listener = listeners.Listener(api.application())
    try:
        await listener.start(sockets)
        if door:
            lan_gate = Gate(section, os.environ, door.names)
            lan_api = HttpApi(gateway, lan_gate, section, context.log, None, transcripts, warnings)
            await door.start(lan_api.application())
        context.log.info("= listening on %s", url)
        await context.stop.wait()
    finally:
        gateway.close()
        if door:
            await door.stop()
        await listener.stop()
        transcripts.close()
        zmq_context.destroy(linger=0)


def main() -> int:
    """Run the program; returns its exit code."""
    return process.run_async(PROGRAM, Settings, serve)
