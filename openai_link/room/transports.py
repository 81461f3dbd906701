"""The transports of a room's sessions: opened, driven, and closed; by the sessions' numbers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from mixer_core.bus.pcm import SILENCE
from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.errors import UpstreamError

from ..transport.interface import Transport
from .actions import ClearOutput, MuteUplink, SendEvent, StartUplink

UpstreamAction = SendEvent | ClearOutput | StartUplink | MuteUplink
OnLost = Callable[[UpstreamError], object]
Start = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class RoomTransports:
    """Of one room."""

    def __init__(self, log: logging.LoggerAdapter[logging.Logger], start: Start) -> None:
        """``start``: runs work in a task of the room."""
        self._log = log
        self._start = start
        self._transports: dict[int, Transport] = {}
        self._connecting: dict[int, asyncio.Task[None]] = {}
        self._finished: dict[str, int] = {}
        """Counters of the transports that are closed."""

    def __getitem__(self, session: int) -> Transport:
        return self._transports[session]

    def get(self, session: int) -> Transport | None:
        """That of a session; None: there is none."""
        return self._transports.get(session)

    def all(self) -> list[tuple[int, Transport]]:
        """Sessions and their transports."""
        return list(self._transports.items())

    def counters(self) -> dict[str, int]:
        """Of all transports so far."""
        totals = dict(self._finished)
        for transport in self._transports.values():
            _add(totals, transport.counters())
        return totals

    def next_timeout_ns(self) -> int | None:
        """When to call a transport's ``tick``; None: none waits for a time."""
        return earliest(*[one.next_timeout_ns() for one in self._transports.values()])

    def open(
        self,
        session: int,
        transport: Transport,
        description: Mapping[str, Any],
        on_lost: OnLost,
    ) -> None:
        """Connect it.

        Args:
            session: its number.
            transport: its callbacks tell what happens from now on.
            description: the session object.
            on_lost: it could not be connected.
        """
        self._transports[session] = transport
        connecting = self._start(self._connect(transport, description, on_lost))
        self._connecting[session] = connecting
        connecting.add_done_callback(lambda _: self._connecting.pop(session, None))

    def close(self, session: int) -> None:
        """End it."""
        transport = self._transports.pop(session)
        connecting = self._connecting.get(session)
        if connecting is not None and connecting is not asyncio.current_task():
            connecting.cancel()
        _add(self._finished, transport.counters())
        self._start(transport.close())

    def do(self, action: UpstreamAction) -> None:
        """Carry out what the engine wants of a session's server."""
        transport = self._transports.get(action.session)
        if transport is None:  # The session ended in the middle of what it asked for.
            return
        match action:
            case SendEvent(_, event):
                if not transport.send(event):
                    self._log.warning("! > %s: the channel is not open", event["type"])
            case ClearOutput(_, event):
                transport.clear_output(event)
            case StartUplink():
                transport.start(time.monotonic_ns())
            case MuteUplink():
                now_ns = time.monotonic_ns()
                transport.frame(SILENCE, now_ns, True, now_ns)

    async def _connect(
        self, transport: Transport, description: Mapping[str, Any], on_lost: OnLost
    ) -> None:
        try:
            await transport.connect(description)
        except UpstreamError as error:
            on_lost(error)
        except Exception as error:  # Whatever it was, the room hears of it and it is tried again.
            self._log.exception("! the session could not be opened")
            on_lost(UpstreamError("internal", repr(error)))


def _add(totals: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        totals[name] = totals.get(name, 0) + count
