"""The host: warm children, no needless libraries, a quick end."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from .conftest import Host
from .edges import Edges, join, until

pytestmark = pytest.mark.processes
END_S = 0.5
SLACK_S = 0.7
"""For a loaded machine, over the half second of the design."""


def mapped(pid: int) -> str:
    """The files that a process has mapped."""
    return Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")


def test_children_are_preloaded_and_hold_no_numba(worker_host: Host) -> None:
    async def scenario() -> None:
        edges = Edges(worker_host.runtime_dir)
        try:
            await until(lambda: len(edges.idle()) >= 2, "idle children")
            for state in edges.states.values():
                files = mapped(state.pid)
                assert "numba" not in files and "llvmlite" not in files and "numpy" not in files
        finally:
            edges.close()

    asyncio.run(scenario())
    assert "not preloaded" not in worker_host.log
    assert "rehearsal failed" not in worker_host.log


def test_the_heartbeat_tells_of_the_children(worker_host: Host) -> None:
    async def scenario() -> None:
        edges = Edges(worker_host.runtime_dir)
        try:
            beat = await until(lambda: edges.heartbeats and edges.heartbeats[-1], "heartbeat")
            assert beat.program == "media_worker"
            assert beat.pid == worker_host.process.pid
            assert beat.metrics["children_started_total"] >= 2
        finally:
            edges.close()

    asyncio.run(scenario())


def test_sigterm_ends_everything_and_browsers_notice(own_host: Host) -> None:
    async def scenario() -> float:
        edges = Edges(own_host.runtime_dir)
        try:
            browser, joined = await join(edges, framed=True)
            family = own_host.family()
            assert len(family) >= 4
            began_s = time.monotonic()
            own_host.process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(browser.closed.wait(), END_S + SLACK_S)
            await until(lambda: not alive(family), "a process is left", END_S + SLACK_S)
            took_s = time.monotonic() - began_s
            assert joined.worker in {exited.child for exited in edges.exits} or edges.states
            await browser.close()
            return took_s
        finally:
            edges.close()

    def alive(family: list[psutil.Process]) -> list[psutil.Process]:
        own_host.process.poll()
        return [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]

    assert asyncio.run(scenario()) < END_S + SLACK_S
    assert own_host.process.wait(2) == 0
    assert "Traceback" not in own_host.log


def test_children_end_when_the_host_is_killed(own_host: Host) -> None:
    family = own_host.family()
    os.kill(own_host.process.pid, signal.SIGKILL)
    own_host.process.wait(2)
    _, left = psutil.wait_procs(family, 3)
    assert not [p for p in left if p.status() != psutil.STATUS_ZOMBIE]
