"""The mixer's line to signaling: heartbeats out, the load of the gateway in."""

from __future__ import annotations

import os

import zmq

from .bus import control, endpoints
from .runtime.errors import ControlError
from .runtime.metrics import Metrics
from .runtime.process import Context
from .settings import Settings

MIXER = "mixer_core"
STANDBY = "mixer_standby"
"""The part of the mixer that waits, whichever of the two programs plays it."""


class Beats:
    """A DEALER that is named after the process, and says which part it plays."""

    def __init__(self, context: Context[Settings], metrics: Metrics) -> None:
        self._program = context.program
        self._metrics = metrics
        watched = context.supervised and context.settings.mixer_core.standby
        self._wants = (STANDBY,) if watched else ()
        self._zmq: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = endpoints.open_socket(
            self._zmq, endpoints.CONTROL, context.runtime_dir, "connect", context.program
        )

    def mixing(self, fault: str) -> None:
        """This mixer works. ``fault``: why nobody new reaches it; empty: they do."""
        detail = fault or f"{self._program} mixes"
        self._metrics.gauge("mixes", 1)
        self._send(control.Heartbeat(MIXER, os.getpid(), not fault, detail, wants=self._wants))

    def waiting(self) -> None:
        """This mixer would go on at once."""
        detail = f"{self._program} waits"
        self._metrics.gauge("waits", 1)
        self._send(control.Heartbeat(STANDBY, os.getpid(), True, detail))
        self._metrics.values.pop("waits")

    def told_load(self) -> int | None:
        """How loaded the gateway is, as signaling said last; None: it has said nothing new."""
        level = None
        while endpoints.readable(self._socket):
            try:
                message = control.decode(self._socket.recv(zmq.NOBLOCK))
            except ControlError:
                self._metrics.count("control_errors_total")
                continue
            if isinstance(message, control.LoadLevel):
                level = message.level
        return level

    def close(self) -> None:
        """Close the socket at once."""
        self._zmq.destroy(linger=0)

    def _send(self, beat: control.Heartbeat) -> None:
        beat.metrics.update(self._metrics.snapshot())
        if not endpoints.try_send(self._socket, control.encode(beat)):
            self._metrics.count("heartbeats_dropped_total")
