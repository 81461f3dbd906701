"""The bound end of the control socket, reachable as long as it lives."""

from __future__ import annotations

from pathlib import Path

import zmq

from ..runtime.bound_path import BoundPath, patiently, prepare_runtime_dir
from .endpoints import CONTROL, prepared_socket

BACKLOG = 256


class BoundRouter:
    """Signaling's ROUTER: call ``renew`` once a second.

    libzmq accepts on a descriptor that we have bound (``ZMQ_USE_FD``), so that the path is looked
    after as that of any other socket. What it was given it keeps: to take an address back would end
    the connections that were made by it. So each loss of the path costs one descriptor.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], runtime_dir: Path) -> None:
        """Bind. Raises RuntimeDirError."""
        self._bound = BoundPath(CONTROL.path(runtime_dir))
        self.socket = prepared_socket(context, CONTROL, "bind")
        try:
            patiently(self._bind)
        except BaseException:
            self.socket.close()
            raise

    def renew(self) -> str:
        """Bind again where the path no longer leads here.

        Returns what was wrong and is mended now; empty: nothing was. Connections stay.
        Raises RuntimeDirError where it cannot be mended now.
        """
        fault = self._bound.fault()
        if not fault:
            return ""
        prepare_runtime_dir(self._bound.path.parent)
        if not self._bound.fault():
            return f"{fault}: mended"
        self._bind()
        return f"{fault}: bound again"

    def _bind(self) -> None:
        listener = self._bound.listen(BACKLOG)
        self.socket.setsockopt(zmq.USE_FD, listener.detach())
        self.socket.bind(f"ipc://{self._bound.path}")
