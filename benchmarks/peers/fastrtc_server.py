# mypy: disable-error-code="import-not-found,misc,no-any-unimported"
"""FastRTC as an echo: ``PYTHON-OF-FASTRTC fastrtc_server.py PORT``.

Runs in FastRTC's own environment and imports nothing of ours. POST /offer takes ``{sdp, type}``.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastrtc import AsyncStreamHandler, Stream

RATE_HZ = 24_000
MAX_SESSIONS = 64


class Echo(AsyncStreamHandler):
    """Says what it hears."""

    def __init__(self) -> None:
        super().__init__(input_sample_rate=RATE_HZ, output_sample_rate=RATE_HZ)
        self._heard: asyncio.Queue[Any] = asyncio.Queue()

    def copy(self) -> Echo:
        """A handler for another session."""
        return Echo()

    async def start_up(self) -> None:
        """Nothing to prepare."""

    async def receive(self, frame: Any) -> None:
        """(rate, samples) of a piece that was heard."""
        self._heard.put_nowait(frame)

    async def emit(self) -> Any:
        """The next piece to say."""
        return await self._heard.get()

    def shutdown(self) -> None:
        """Nothing to end."""


def main() -> None:
    """Serve until killed."""
    stream = Stream(Echo(), modality="audio", mode="send-receive", concurrency_limit=MAX_SESSIONS)
    numbers = itertools.count(1)
    app = FastAPI()

    async def offer(body: dict[str, Any]) -> Any:
        return await stream.handle_offer(
            {**body, "webrtc_id": f"bench-{next(numbers)}"}, set_outputs=lambda *_: None
        )

    app.post("/offer")(offer)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")


if __name__ == "__main__":
    main()
