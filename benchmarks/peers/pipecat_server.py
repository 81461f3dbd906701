# mypy: disable-error-code="import-not-found,misc,no-any-unimported"
"""Pipecat's SmallWebRTC transport as an echo: ``PYTHON-OF-PIPECAT pipecat_server.py PORT``.

Runs in Pipecat's own environment and imports nothing of ours. POST /offer takes ``{sdp, type}``.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from aiohttp import web
from loguru import logger
from pipecat.frames.frames import InputAudioRawFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pipecat.workers.runner import WorkerRunner

RATE_HZ = 24_000


class Echo(FrameProcessor):
    """Says what it hears."""

    async def process_frame(self, frame: Any, direction: Any) -> None:
        """Turn input audio round; pass everything else on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
        await self.push_frame(frame, direction)


class Server:
    """One pipeline per offer."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def offer(self, request: web.Request) -> web.Response:
        """Answer one offer and start its pipeline."""
        body = await request.json()
        connection = SmallWebRTCConnection()
        await connection.initialize(sdp=body["sdp"], type=body["type"])
        parameters = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
        transport = SmallWebRTCTransport(connection, parameters)
        worker = PipelineWorker(
            Pipeline([transport.input(), Echo(), transport.output()]),
            params=PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ),
            idle_timeout_secs=None,
        )
        task = asyncio.create_task(WorkerRunner(handle_sigint=False).run(worker))
        self._tasks.add(task)
        return web.json_response(connection.get_answer())


def main() -> None:
    """Serve until killed."""
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    app = web.Application()
    app.router.add_post("/offer", Server().offer)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


if __name__ == "__main__":
    main()
