"""One Realtime server for a whole cluster, which keeps book from outside.

``python -m benchmarks.rig.watched_upstream ADDRESS PORT``, by JSON lines. It is the simulator.
For each session it notes whose it is (by the safety identifier, which is one for each room), when
anything came from the client, and every answer with its usage. A client that is gone without a
word is given up after ``CONSENT_S`` only: one that was frozen and wakes up is still heard.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from aiohttp import web

import openai_link.simulator.calls.webrtc_call as webrtc_call
import openai_link.simulator.calls.websocket_call as websocket_call
from mixer_core.patches.aioice.gathering import check_consent, offer_addresses
from mixer_core.patches.aiortc.rtp_receiver import TappedPacket
from mixer_core.patches.aiortc.sctp_parameters import check_parameters
from mixer_core.runtime import logs
from openai_link.realtime.upstream import SAFETY_HEADER
from openai_link.simulator.brains.sounds import TAG, speech
from openai_link.simulator.calls.event_hub import EventHub
from openai_link.simulator.calls.switchboard import Switchboard
from openai_link.simulator.engine.brain import Reply, Turn, Unscripted
from openai_link.simulator.http.routes import make_app
from openai_link.simulator.media.call_media import CallMedia
from openai_link.simulator.settings import SimulatorSettings

from .cluster_checks import AT_LENGTH, LONG_MS
from .commands import serve

MAX_SESSIONS = 400
CONSENT_S = 30.0
_CONSENT_INTERVAL_S = 5.0
SHORT_MS = 600
CLOSE_S = 2.0


class Book:
    """What one session did; times are monotonic, in ns."""

    def __init__(self) -> None:
        self.room = ""
        self.session = ""
        self.model = ""
        self.opened_ns = time.monotonic_ns()
        self.first_ns = 0
        """When something came from the client first; 0: nothing yet."""
        self.last_ns = 0
        self.ended_ns = 0
        """When the server took it for ended; 0: it goes on."""
        self.answers: list[list[Any]] = []
        """Response, begun, ended (0: not yet), usage."""

    def heard(self) -> None:
        """Something came from the client."""
        self.last_ns = time.monotonic_ns()
        self.first_ns = self.first_ns or self.last_ns

    def told(self, event: dict[str, Any]) -> None:
        """Something goes to the client."""
        now_ns = time.monotonic_ns()
        if event["type"] == "response.created":
            self.answers.append([event["response"]["id"], now_ns, 0, None])
        elif event["type"] == "response.done":
            for answer in self.answers:
                if answer[0] == event["response"]["id"]:
                    answer[2:] = [now_ns, event["response"].get("usage")]


BOOKS: dict[Any, Book] = {}
"""By the engine of the session."""


def book_of(engine: Any) -> Book:
    """The book of a session; a new one where it has none."""
    return BOOKS.setdefault(engine, Book())


class WatchedHub(EventHub):
    """Notes events, both ways."""

    def __init__(self, engine: Any, *arguments: Any) -> None:
        super().__init__(engine, *arguments)
        self.book = book_of(engine)

    def client_event(self, text: str) -> None:
        """One came from the client."""
        self.book.heard()
        super().client_event(text)

    def _note(self, event: dict[str, Any]) -> None:
        self.book.told(event)
        super()._note(event)


class WatchedMedia(CallMedia):
    """Notes packets of the client."""

    def __init__(self, engine: Any, *arguments: Any) -> None:
        super().__init__(engine, *arguments)
        self.book = book_of(engine)

    def on_packet(self, packet: TappedPacket) -> None:
        """One came."""
        self.book.heard()
        super().on_packet(packet)


class QuotingBrain(Unscripted):
    """Quotes a typed line in a babble that is short, or long where it is asked for."""

    def reply(self, turn: Turn) -> Reply:
        """The answer to ``turn``."""
        words = turn.text or "nothing"
        length_ms = LONG_MS if AT_LENGTH in words else SHORT_MS
        return Reply(f'{TAG} "{words}"', speech(words.replace(" ", ""), length_ms))


class WatchedUpstream:
    """The server and its commands."""

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port
        settings = SimulatorSettings(max_calls=MAX_SESSIONS, sparse_after_ms=1_000)
        self._switchboard = Switchboard(settings)
        self._switchboard._brain = QuotingBrain()
        self._books: list[tuple[Any, Book]] = []

    async def do_start(self) -> None:
        """Listen."""
        app = make_app(self._switchboard)
        app.middlewares.append(self._name)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, self._address, self._port).start()
        gc.collect()
        gc.freeze()

    @web.middleware
    async def _name(
        self, request: web.Request, handler: Callable[..., Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Learn whose a new call is."""
        before = set(self._switchboard.calls)
        answer = await handler(request)
        who = request.headers.get(SAFETY_HEADER, "")
        call_id = answer.headers.get("Location", "").rpartition("/")[2]
        call = self._switchboard.calls.get(call_id)
        if call is not None and call_id not in before:
            book = book_of(call.hub.engine)
            book.room, book.session = who, call_id
            book.model = str(call.hub.engine.session.get("model"))
            self._books.append((call, book))
        return answer

    async def do_books(self) -> list[dict[str, Any]]:
        """All sessions so far."""
        now_ns = time.monotonic_ns()
        for call, book in self._books:
            if not book.ended_ns and call.id not in self._switchboard.calls:
                book.ended_ns = now_ns
        return [vars(book) for _, book in self._books]

    async def watch(self) -> None:
        """Note ends soon after they happen."""
        while True:
            await self.do_books()
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        """End all sessions."""
        await asyncio.wait_for(self._switchboard.close(), CLOSE_S)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    given = parser.parse_args()
    logs.setup("warning")
    vars(webrtc_call).update(CallMedia=WatchedMedia, EventHub=WatchedHub)
    vars(websocket_call).update(EventHub=WatchedHub)
    check_consent(_CONSENT_INTERVAL_S, round(CONSENT_S / _CONSENT_INTERVAL_S))
    check_parameters()
    offer_addresses(lambda: [given.address])

    async def run() -> None:
        gc.disable()
        server = WatchedUpstream(given.address, given.port)
        watching = asyncio.create_task(server.watch())
        await serve(server)
        watching.cancel()
        await server.close()

    uvloop.run(run())


if __name__ == "__main__":
    main()
