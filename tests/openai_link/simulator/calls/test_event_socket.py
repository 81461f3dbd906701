"""A WebSocket whose client does not read."""

from __future__ import annotations

import asyncio

from openai_link.simulator.calls.event_socket import EventSocket
from tests.openai_link.simulator.caller import run


def test_a_client_that_does_not_read_is_cut_off() -> None:
    stuck = _Unread()

    async def scenario() -> None:
        socket = EventSocket(stuck, stuck)  # type: ignore[arg-type]
        for _ in range(8_192):
            socket.send("{}")
        assert not stuck.aborted
        socket.send("{}")
        assert stuck.aborted
        socket.send("{}")  # Nothing more is queued.
        await asyncio.sleep(0)

    run(scenario)


class _Unread:
    """A WebSocket whose client has stopped reading, and its TCP connection."""

    def __init__(self) -> None:
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True
