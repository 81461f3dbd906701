"""The events of the simulator's calls, as a sideband hears them."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from typing import Any

import aiohttp

from tests.support.gateway import Gateway
from tests.support.waiting import PATIENCE_S


class Sideband:
    """Collects the server events of the gateway's one running call, in a thread of its own."""

    def __init__(self, gateway: Gateway) -> None:
        self._base = f"http://127.0.0.1:{gateway.simulator_port}"
        self.events: list[dict[str, Any]] = []
        self._loop = asyncio.new_event_loop()
        self._attached = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """The events of one type so far."""
        return [event for event in list(self.events) if event["type"] == kind]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self._listen())
        self._loop.run_until_complete(asyncio.gather(self._task, return_exceptions=True))
        self._loop.close()

    async def _listen(self) -> None:
        with urllib.request.urlopen(f"{self._base}/simulator/calls", timeout=PATIENCE_S) as answer:
            (call,) = json.load(answer)["calls"]
        url = f"{self._base}/v1/realtime?call_id={call['id']}"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, max_msg_size=0) as socket,
        ):
            self._attached.set()
            async for message in socket:
                self.events.append(json.loads(message.data))

    def __enter__(self) -> Sideband:
        self._thread.start()
        assert self._attached.wait(PATIENCE_S), "no sideband"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(PATIENCE_S)
