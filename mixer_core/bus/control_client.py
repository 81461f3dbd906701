"""The DEALER side of the control plane for asyncio processes: heartbeats out, messages in."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

import zmq

from ..runtime.errors import ControlError
from . import control, endpoints
from .drain import DrainedSocket

HEARTBEAT_S = 1.0
RETRY_S = 0.05
"""Delay before the state is sent again while signaling is away."""


class ControlClient:
    """Talks to signaling under one identity. States are repeated, so nothing is queued."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        runtime_dir: Path,
        identity: str,
        state: Callable[[], control.Message],
        on_message: Callable[[control.Message], None],
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """``state`` makes the message that is sent once a second and by ``announce``."""
        self._loop = asyncio.get_running_loop()
        self._state = state
        self._on_message = on_message
        self._log = log
        self.dropped = 0
        """Messages that could not be sent because signaling was away."""
        self.sent_ns = 0
        """When signaling took a message last (monotonic)."""
        socket = endpoints.open_socket(context, endpoints.CONTROL, runtime_dir, "connect", identity)
        self._socket = DrainedSocket(self._loop, socket, self._receive, self.announce)
        self._timer = self._loop.call_soon(self._beat)

    def announce(self) -> None:
        """Send the state now (after a change)."""
        self._timer.cancel()
        self._beat()

    def send(self, message: control.Message) -> bool:
        """Send one message; False where signaling is away."""
        sent = self._socket.send(control.encode(message))
        self.dropped += not sent
        if sent:
            self.sent_ns = time.monotonic_ns()
        return sent

    def close(self) -> None:
        """Stop heartbeats and close the socket."""
        self._timer.cancel()
        self._socket.close()

    def _beat(self) -> None:
        wait_s = HEARTBEAT_S
        try:
            if not self.send(self._state()):
                wait_s = RETRY_S
        finally:  # Whatever went wrong with one heartbeat: another one follows.
            self._timer = self._loop.call_later(wait_s, self._beat)

    def _receive(self, parts: list[bytes]) -> None:
        try:
            message = control.decode(parts[-1])
        except ControlError as error:
            self._log.warning("! < control: %s", error)
            return
        self._on_message(message)
