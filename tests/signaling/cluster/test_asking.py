"""Other nodes are asked: who waits for one that is lost, and what else ends a wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from mixer_core.cluster.messages import Message
from mixer_core.cluster.names import Names
from mixer_core.runtime.errors import ProblemError
from signaling.access.identity import Vouch
from signaling.cluster.asking import Asking
from signaling.cluster.parcels import Parcels
from signaling.cluster.relay_wire import Relayed

LOG = logging.LoggerAdapter(logging.getLogger("test"), {})
REQUEST = Relayed("a", "GET", "/rooms/home", Vouch("203.0.113.7", "mix.example", secure=True))


class Silent:
    """A connection over which nothing comes back."""

    is_connected = True
    max_payload_bytes = 1 << 20

    def __init__(self) -> None:
        self.asking: Asking
        self.is_lost_late = False

    async def request(
        self, subject: str, data: bytes, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> Message:
        try:
            await asyncio.sleep(60)
        finally:
            if self.is_lost_late:  # While the wait ends by itself.
                self.asking.node_lost("b")
        raise AssertionError


def asking() -> tuple[Asking, Silent]:
    silent: Any = Silent()
    silent.asking = Asking(silent, Names(), Parcels(silent, Names(), "a"), LOG)
    return silent.asking, silent


def test_nobody_waits_for_a_node_that_is_lost() -> None:
    async def main() -> None:
        ask, _ = asking()
        waits = [asyncio.create_task(ask.ask(node, REQUEST, b"", 50.0)) for node in "bbc"]
        await asyncio.sleep(0)
        ask.node_lost("b")
        for task in waits[:2]:
            with pytest.raises(ProblemError, match="does not answer") as caught:
                await task
            assert caught.value.status == 504
        assert not waits[2].done()
        waits[2].cancel()

    asyncio.run(main())


def test_a_node_is_lost_at_the_moment_at_which_its_answer_is_overdue() -> None:
    async def main() -> None:
        ask, silent = asking()
        silent.is_lost_late = True
        with pytest.raises(ProblemError, match="does not answer"):
            await ask.ask("b", REQUEST, b"", 0.01)

    asyncio.run(main())
