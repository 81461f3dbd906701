"""The host: keeps link children warm, tells signaling of their ends. It holds no call itself."""

from __future__ import annotations

import os

import zmq

from mixer_core.bus import control
from mixer_core.bus.control_client import ControlClient
from mixer_core.runtime import process_usage
from mixer_core.runtime.fork_pool import ForkPool, PoolPlan
from mixer_core.runtime.pool_policy import PoolLimits
from mixer_core.runtime.process import Context
from mixer_core.runtime.units import MIB_BYTES

from .realtime.session_object import choose_upstream
from .realtime.upstream import Upstream
from .secrets import KEY_VARIABLE, with_secrets
from .settings import Settings

PROGRAM = "openai_link"
PRELOAD = "openai_link.preload"
CHILD_MAIN = "openai_link.child:child_main"
SOCKET_NAME = "links.sock"


async def serve(context: Context[Settings]) -> None:
    """Run until ``context.stop``.

    Raises:
        StartupError: there is no upstream to call.
    """
    settings = with_secrets(context.settings, os.environ)
    upstream = choose_upstream(settings, os.environ.get(KEY_VARIABLE, ""))
    context.log.info("= %s", announcement(upstream, context.settings.openai_link.model))
    link = context.settings.openai_link
    zmq_context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()

    def exited(child: str, exit_code: int) -> None:
        client.send(control.ChildExited(PROGRAM, child, exit_code))

    limits = PoolLimits(
        link.idle_children, link.max_children, link.max_child_memory_mib * MIB_BYTES
    )
    plan = PoolPlan(PROGRAM, PRELOAD, CHILD_MAIN, SOCKET_NAME, limits)
    pool = ForkPool(plan, context.settings, exited)

    def state() -> control.Heartbeat:
        counts = f"{pool.children} children, {pool.idle_children} idle, upstream {upstream.name}"
        detail = pool.trouble or counts
        needs = ("simulator",) if upstream.simulated else ()
        metrics = pool.metrics() | process_usage.report()
        return control.Heartbeat(PROGRAM, os.getpid(), pool.is_ready, detail, metrics, needs)

    client = ControlClient(
        zmq_context, context.runtime_dir, PROGRAM, state, lambda message: None, context.log
    )
    pool.fill()
    client.announce()
    await context.stop.wait()
    if context.hands_over:
        pool.leave()
    else:
        pool.close()
    client.close()
    zmq_context.destroy()


def announcement(upstream: Upstream, model: str) -> str:
    """Who the assistant is, in one line."""
    if upstream.simulated:
        return "the assistant is the local simulator"
    if upstream.name == "openai":
        return f"the assistant is OpenAI {model}"
    return f"the assistant is {model} at {upstream.base_url}"
