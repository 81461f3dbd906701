"""``bench life``: a day of a gateway in a short time, and whether anything is left of it.

People join and leave in 200 rooms, by 2,000 offers, of which every twentieth is a call that is
connected and the others leave as soon as they are answered: a process is made and ends for each.
Ten times the settings are changed and read again; the log rotates; for some joins the disk is full.
Open files, processes and memory at the beginning and at the end, after the same rest.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from ..report.findings import Findings, Options
from ..rig import usage
from ..rig.gateway_process import GatewayProcess
from ..rig.helper_process import ROOT

RELOADS = 10
CONNECTS_EVERY = 20
REST_S = 20.0
"""Until what ends has ended: children, journals' pauses, tombstones."""
TRIES = 60
OPEN_S = 60.0
LOG_BYTES = 999_000
"""Of the log at the beginning: it rotates at 1 MB, so with the first lines."""
FULL_FROM, FULL_TO = 0.5, 0.6
"""Part of the joins during which the disk is full."""


def run(options: Options, findings: Findings) -> None:
    """One gateway, from its first call to its last."""
    joins = options.count or int(options.scaled(2_000, 200, 6))
    rooms = max(2, joins // 10)
    gateway = GatewayProcess(
        1,
        OPENAI_LINK__UPSTREAM="simulator",
        SIGNALING__REFUSE_WHEN_BUSY=0,
        SIGNALING__MAX_OFFERS_PER_MINUTE=0,
        SIGNALING__MAX_PENDING_PER_ADDRESS=0,
        RUNTIME__LOG_LEVEL="info",
    )
    config, disk = (
        gateway.dir / "life.toml",
        gateway.own_directory("MIXMINUS_RUNTIME__STATE_DIR", "state"),
    )
    log = disk / "mixminus.log"
    config.write_text(f'[runtime]\nlog_file = "{log}"\nlog_max_mb = 1\n', encoding="utf-8")
    gateway.set_variable("MIXMINUS_CONFIG", str(config))
    is_small = _mount(disk)
    log.write_bytes(b"an earlier line\n" * (LOG_BYTES // 16))  # It is full soon.
    try:
        gateway.start()
        asyncio.run(_live(gateway, findings, joins, rooms, config, disk if is_small else None))
        put_aside = len(list(disk.glob("mixminus.log.*")))
        findings.add("log", "files that were put aside, of 1 MB", "files", count=put_aside)
    finally:
        gateway.close()
        if is_small:
            subprocess.run(["umount", "-l", str(disk)], check=False)
            shutil.rmtree(gateway.dir, ignore_errors=True)
    if not is_small:
        findings.notes.append("the disk was never full: a small one could not be mounted")


async def _live(
    gateway: GatewayProcess,
    findings: Findings,
    joins: int,
    rooms: int,
    config: Path,
    disk: Path | None,
) -> None:
    offer = await _offer()
    counts = {"answered": 0, "connected": 0, "refused": 0, "reloads": 0}
    async with aiohttp.ClientSession() as http:
        for number in range(4):  # What is made once is made before the first look.
            await _visit(http, gateway.url, f"warm-{number}", offer, counts, number == 0)
        await asyncio.sleep(REST_S)
        _look("at the beginning", gateway, findings)
        began_s = time.monotonic()
        for number in range(joins):
            if number % max(1, joins // RELOADS) == 0:
                await _reload(gateway, config, number, counts)
            if disk is not None:
                _fill(disk, FULL_FROM <= number / joins < FULL_TO)
            is_call = number % CONNECTS_EVERY == 0
            await _visit(http, gateway.url, f"room-{number % rooms}", offer, counts, is_call)
            if number % 50 == 0:
                findings.progress(f"{number} of {joins} joins, {time.monotonic() - began_s:.0f} s")
        findings.add("life", "all joins", "s", total=round(time.monotonic() - began_s, 1))
    await asyncio.sleep(REST_S)
    _look("at the end", gateway, findings)
    findings.add("life", "joins", "joins", **counts, rooms=rooms)


async def _offer() -> str:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.createDataChannel("audio", ordered=True)
    await peer.setLocalDescription(await peer.createOffer())
    sdp = peer.localDescription.sdp
    await peer.close()
    return sdp


async def _visit(
    http: aiohttp.ClientSession,
    url: str,
    room: str,
    offer: str,
    counts: dict[str, int],
    is_call: bool,
) -> None:
    """Join, perhaps connect, and leave. What is refused for now is asked again, as pages do."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[])) if is_call else None
    opened = asyncio.Event()
    if peer is not None:
        peer.createDataChannel("audio", ordered=True).on("open", opened.set)
        await peer.setLocalDescription(await peer.createOffer())
        offer = peer.localDescription.sdp
    for _ in range(TRIES):
        try:
            async with http.post(
                f"{url}/rooms/{room}/participants", json={"sdp": offer, "type": "offer"}
            ) as answer:
                body, location = await answer.json(), answer.headers.get("Location", "")
                if answer.status == 201:
                    break
        except (aiohttp.ClientError, OSError):
            pass
        counts["refused"] += 1
        await asyncio.sleep(0.5)
    else:
        return
    counts["answered"] += 1
    if peer is not None:
        await peer.setRemoteDescription(RTCSessionDescription(body["sdp"], body["type"]))
        try:
            await asyncio.wait_for(opened.wait(), OPEN_S)
            counts["connected"] += 1
        except TimeoutError:
            pass
    try:
        async with http.delete(f"{url}{location}"):
            pass
    except (aiohttp.ClientError, OSError):
        pass  # Signaling is started anew; the gateway notices a silent browser.
    if peer is not None:
        await peer.close()


async def _reload(
    gateway: GatewayProcess, config: Path, number: int, counts: dict[str, int]
) -> None:
    """Change a setting of every program, and have it read."""
    first = config.read_text(encoding="utf-8").partition("[signaling]")[0]
    config.write_text(
        f"{first}[signaling]\nmax_rooms = {20 + number % 7}\n[media_worker]\n"
        f"outbox_cap_ms = {200 + number % 7}\n[openai_link]\ninstructions = 'Number {number}.'\n"
        f"[mixer_core]\ndeadline_ms = {20 + number % 2}\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "deploy.cli", "reload"]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=gateway.environment, check=False, capture_output=True
    )
    counts["reloads"] += done.returncode == 0


def _mount(disk: Path) -> bool:
    """A disk of its own that is small; False: not permitted."""
    command = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", str(disk)]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def _fill(disk: Path, is_full: bool) -> None:
    """Take all the room that there is, or give it back."""
    ballast = disk / "ballast"
    if not is_full:
        ballast.unlink(missing_ok=True)
    elif not ballast.exists():
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65_536))
            except OSError:
                os.fsync(file.fileno())


def _look(when: str, gateway: GatewayProcess, findings: Findings) -> None:
    processes = gateway.processes()
    by_role = usage.pss_by_role(processes)
    findings.add(when, "processes", "processes", count=len(processes))
    findings.add(when, "open files, all processes", "files", count=usage.open_files(processes))
    memory = {role: round(sum(each), 1) for role, each in sorted(by_role.items())}
    findings.add(when, "memory (PSS)", "MiB", total=round(sum(memory.values()), 1))
    for role, mib in memory.items():
        findings.add(when, f"memory of {role}", "MiB", pss=mib)
