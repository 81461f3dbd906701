"""The host: keeps warm children waiting for browsers and tells signaling how they are."""

from __future__ import annotations

import os

import zmq

from mixer_core.bus import control
from mixer_core.bus.control_client import ControlClient
from mixer_core.runtime import process, process_usage
from mixer_core.runtime.fork_pool import ForkPool, PoolPlan
from mixer_core.runtime.pool_policy import PoolLimits
from mixer_core.runtime.units import MIB_BYTES

from .settings import Settings

PROGRAM = "media_worker"
PRELOAD = "media_worker.preload"
CHILD_MAIN = "media_worker.child:main"
"""By name: the host itself never imports WebRTC code."""
SOCKET_NAME = "workers.sock"


class Host:
    """One per machine."""

    def __init__(
        self, context: process.Context[Settings], zmq_context: zmq.Context[zmq.Socket[bytes]]
    ) -> None:
        self._log = context.log
        settings = context.settings.media_worker
        settings.network()  # A mistake in it is told at the start, not at the first offer.
        self.crashed_total = 0
        """Children that ended with an exit code other than 0."""
        limits = PoolLimits(
            settings.idle_children,
            settings.max_children,
            settings.max_child_memory_mib * MIB_BYTES,
        )
        plan = PoolPlan(PROGRAM, PRELOAD, CHILD_MAIN, SOCKET_NAME, limits)
        self._pool = ForkPool(plan, context.settings, self._on_exit)
        self._pool.fill()
        self._control = ControlClient(
            zmq_context, context.runtime_dir, PROGRAM, self._heartbeat, self._ignore, self._log
        )

    def close(self, hands_over: bool = False) -> None:
        """End the children, or leave them to the next host; end the connection to signaling."""
        if hands_over:
            self._pool.leave()
        else:
            self._pool.close()
        self._control.close()

    def _heartbeat(self) -> control.Heartbeat:
        idle, alive = self._pool.idle_children, self._pool.children
        return control.Heartbeat(
            program=PROGRAM,
            pid=os.getpid(),
            ready=self._pool.is_ready,
            detail=self._pool.trouble or f"{alive - idle} browsers, {idle} idle children",
            metrics={
                **self._pool.metrics(),
                "children_crashed_total": self.crashed_total,
                **process_usage.report(),
            },
        )

    def _on_exit(self, child: str, exit_code: int) -> None:
        self.crashed_total += exit_code != 0
        self._control.send(control.ChildExited(PROGRAM, child, exit_code))
        self._control.announce()

    def _ignore(self, message: control.Message) -> None:
        """Signaling has nothing to say to a host."""
        self._log.debug("< %s ignored", type(message).__name__)
