"""The host: warm children, no needless libraries, a quick end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mixer_core.bus import control
from tests.support.gateway import is_alive
from tests.support.waiting import PATIENCE_S, until

from .conftest import ROOT, Host, MakeHost
from .edges import Browser, Edges, join

pytestmark = pytest.mark.processes


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
            ready = await until(lambda: [b for b in edges.heartbeats if b.ready], "not ready")
            assert ready[-1].metrics["idle_children"] >= 1
        finally:
            edges.close()

    asyncio.run(scenario())


def test_sigterm_ends_everything_and_browsers_notice(make_host: MakeHost) -> None:
    host = make_host(MEDIA_WORKER__IDLE_CHILDREN=1)

    def alive() -> list[psutil.Process]:
        host.process.poll()
        return [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]

    async def scenario() -> None:
        edges = Edges(host.runtime_dir)
        try:
            browser, joined = await join(edges, framed=True)
            family.extend(host.family())
            assert len(family) >= 4
            host.process.send_signal(signal.SIGTERM)
            await until(browser.closed.is_set, "the browser notices nothing")
            await until(lambda: not alive(), "a process is left", alive)
            assert edges.closed[joined.participant] == "the gateway stops"
            await browser.close()
        finally:
            edges.close()

    family: list[psutil.Process] = []
    asyncio.run(scenario())
    assert host.process.wait(PATIENCE_S) == 0
    assert "Traceback" not in host.log


def test_a_call_goes_on_when_host_and_fork_server_are_killed(make_host: MakeHost) -> None:
    host = make_host(MEDIA_WORKER__IDLE_CHILDREN=1)

    def adopted() -> bool:  # All that are left: of an idle one alone it may be told before.
        left = [child for child in children if is_alive(child)]
        beat = edges.heartbeats[-1]
        return beat.pid == host.process.pid and beat.metrics["children_adopted_total"] >= len(left)

    async def scenario() -> None:
        nonlocal edges
        edges = Edges(host.runtime_dir)
        try:
            browser, joined = await join(edges, framed=True)
            (server,) = psutil.Process(host.process.pid).children()
            host.process.kill()
            server.suspend()
            children.extend(process for process in host.family() if process != server)
            assert children
            server.kill()
            host.process.wait(PATIENCE_S)
            host.start()
            await until(adopted, "the next host does not find the call", lambda: host.log)
            assert not browser.closed.is_set()
            assert joined.participant not in edges.closed
            host.process.terminate()
            await until(browser.closed.is_set, "the next host cannot end the call")
            await until(lambda: edges.closed.get(joined.participant), "not told")
            assert edges.closed[joined.participant] == "the gateway stops"
            await browser.close()
        finally:
            edges.close()

    edges: Edges
    children: list[psutil.Process] = []
    asyncio.run(scenario())


def test_an_address_of_another_host_is_named_as_the_cause(make_host: MakeHost) -> None:
    host = make_host(MEDIA_WORKER__ICE_ADDRESSES="198.51.100.7")

    async def scenario() -> None:
        edges = Edges(host.runtime_dir)
        try:
            joined = await edges.offer(await Browser(framed=False).sdp())
            assert isinstance(joined.reply, control.Refused)
            assert joined.reply.status == 503
            assert "ice_addresses" in joined.reply.detail
        finally:
            edges.close()

    asyncio.run(scenario())


def test_a_second_host_in_the_same_directory_is_refused_in_one_line(worker_host: Host) -> None:
    env = os.environ | {"MIXMINUS_RUNTIME__DIR": str(worker_host.runtime_dir)}
    command = [sys.executable, "-m", "media_worker"]
    second = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert second.returncode == 1
    assert "already runs" in second.stderr
    assert second.stderr.count("\n") == 1


def test_a_full_host_is_still_ready_and_starts_no_more(make_host: MakeHost) -> None:
    host = make_host(MEDIA_WORKER__IDLE_CHILDREN=1, MEDIA_WORKER__MAX_CHILDREN=1)

    async def scenario() -> None:
        edges = Edges(host.runtime_dir)
        try:
            browser, joined = await join(edges, framed=False)
            count = len(edges.heartbeats)
            await until(lambda: len(edges.heartbeats) >= count + 2, "heartbeats")
            assert edges.heartbeats[-1].ready
            assert edges.heartbeats[-1].metrics["idle_children"] == 0
            assert set(edges.states) == {joined.worker}
            await browser.close()
            await until(edges.idle, "the place is free again")
        finally:
            edges.close()

    asyncio.run(scenario())
