"""Whether newcomers find the sockets that a call needs; signaling's own is kept reachable."""

from __future__ import annotations

import logging
from pathlib import Path

import zmq

from mixer_core.bus.bound_router import BoundRouter
from mixer_core.bus.endpoints import AUDIO_IN, AUDIO_OUT
from mixer_core.runtime.bound_path import is_answered
from mixer_core.runtime.upkeep import Upkeep

from .http.health import MIXER, SIGNALING


class Reach:
    """Owns the bound control socket; looks at those of the mixer as a newcomer would."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        runtime_dir: Path,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """Bind the control socket. Raises RuntimeDirError."""
        router = BoundRouter(context, runtime_dir)
        self.socket = router.socket
        self._upkeep = Upkeep(log, router.renew)
        self._audio = [endpoint.path(runtime_dir) for endpoint in (AUDIO_IN, AUDIO_OUT)]
        self.faults: dict[str, str] = {}
        """By program: why nobody new reaches it, as of the last ``look``."""

    def look(self) -> None:
        """Connect to the mixer's sockets and mend our own: some 100 µs."""
        self.faults = {}
        unanswered = [str(path) for path in self._audio if not is_answered(path)]
        if unanswered:
            self.faults[MIXER] = f"nobody listens at {' and '.join(unanswered)}"
        fault = self._upkeep.check()
        if fault:
            self.faults[SIGNALING] = fault
