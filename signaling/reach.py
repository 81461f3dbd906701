"""Whether newcomers find the sockets that a call needs; signaling's own is kept reachable."""

from __future__ import annotations

import logging
from pathlib import Path

import zmq

from mixer_core.bus.bound_router import BoundRouter
from mixer_core.bus.endpoints import AUDIO_IN, AUDIO_OUT
from mixer_core.runtime import given_up
from mixer_core.runtime.bound_path import is_answered
from mixer_core.runtime.upkeep import Upkeep

from .http.given_up import HEARTBEATS
from .http.health import MIXER, SIGNALING
from .programs import Findings


class Reach:
    """Owns the bound control socket; looks at those of the mixer as a newcomer would."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        runtime_dir: Path,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """Bind the control socket. Raises RuntimeDirError."""
        self._runtime_dir = runtime_dir
        router = BoundRouter(context, runtime_dir)
        self.socket = router.socket
        self._upkeep = Upkeep(log, router.renew)
        self._audio = [endpoint.path(runtime_dir) for endpoint in (AUDIO_IN, AUDIO_OUT)]

    def look(self) -> Findings:
        """Connect to the mixer's sockets and mend our own: some 100 µs."""
        faults: dict[str, str] = {}
        unanswered = [str(path) for path in self._audio if not is_answered(path)]
        if unanswered:
            faults[MIXER] = f"nobody listens at {' and '.join(unanswered)}"
        told = given_up.read(self._runtime_dir)
        fault = self._upkeep.check()
        if fault:
            faults[SIGNALING] = fault
        return Findings(faults, {HEARTBEATS.get(name, name): why for name, why in told.items()})
