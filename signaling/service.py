"""The signaling process: opens the port and the control socket, serves HTTP, stops in order."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import zmq

from mixer_core.runtime import process
from mixer_core.runtime.errors import RuntimeDirError

from . import lan_notice
from .access.gate import Gate
from .access.ledger import Ledger
from .clock import now_s
from .gateway import Gateway
from .http import limiting, listeners
from .http.api import HttpApi, PageParts
from .http.forwarded import Proxies
from .http.health import SIGNALING
from .http.listen_routes import ListenRoutes
from .http.recording_routes import RecordingShelf
from .http.transcript_pages import TranscriptReader
from .options import Options
from .registry.house import Verdict
from .settings import Settings
from .start import check_start

if TYPE_CHECKING:
    from .cluster.assembly import Assembly
    from .lan import LanDoor


async def serve(context: process.Context[Settings]) -> None:
    """Run until the process is told to stop. Raises StartupError if it cannot start."""
    section = context.settings.signaling
    ledger = _ledger(context)
    gate = Gate(section, os.environ, ledger)
    door = _lan_door(context) if section.lan else None
    sockets = listeners.bind(section.http_host, section.http_port)
    zmq_context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    options = Options(verify=gate.guarded, verdict=_verdict(gate))
    url = listeners.url(section.http_host, section.http_port)
    gateway = Gateway(zmq_context, context.settings, context.log, url, options)
    transcripts = TranscriptReader(context.settings.state_dir, context.log)
    shelf = RecordingShelf(context.settings.state_dir, section.recording_keep_days, context.log)
    page = PageParts(transcripts=transcripts, recordings=shelf)
    if door:
        page = replace(page, warnings=door.warnings, public_url=door.public_url)
    cluster = None
    if context.settings.cluster.is_on:
        cluster = _cluster(context, gateway, transcripts, ledger)
    if cluster:
        page = replace(page, cluster=cluster.relay, first=(cluster.pledges,))
    api = HttpApi(gateway, gate, section, context.log, page)
    listener = listeners.Listener(api.application())
    _post(context, section.https_port if door else None)
    try:
        await listener.start(sockets)
        if door:
            lan_gate = Gate(section, os.environ, ledger, door.names)
            lan_page = replace(page, is_lan=True)
            lan_api = HttpApi(gateway, lan_gate, section, context.log, lan_page)
            limit = limiting.middleware(gateway.allowances.limiter, Proxies(""), context.log)
            routes = ListenRoutes(lan_api.rooms, lan_gate.desk)
            relay = [cluster.relay.middleware(routes.vouch)] if cluster else []
            await door.start(lan_api.application(), routes, [*relay, limit])
        if cluster:
            inner = replace(page, first=(), relayed_by=cluster.trust)
            await cluster.start(HttpApi(gateway, gate, section, context.log, inner), gate)
        _stop_when_asked(context, gateway)
        shelf.start()
        transcripts.start()
        context.log.info("= listening on %s", url)
        await context.stop.wait()
    finally:
        if cluster:
            await cluster.close()
        gateway.close()
        await asyncio.gather(listener.stop(), *([door.stop()] if door else []))
        transcripts.close()
        shelf.close()
        zmq_context.destroy(linger=0)


def _stop_when_asked(context: process.Context[Settings], gateway: Gateway) -> None:
    """Whoever supervises lets calls end before everything stops."""
    limit_s = context.settings.runtime.drain_s
    drain = partial(gateway.drain, limit_s, context.stop.set)
    asyncio.get_running_loop().add_signal_handler(process.DRAIN_SIGNAL, drain)


def _lan_door(context: process.Context[Settings]) -> LanDoor:
    """Certificates, mDNS and their libraries: only the local network needs their memory."""
    from .lan import LanDoor

    return LanDoor(context.settings.signaling, context.settings.state_dir, context.log)


def _cluster(
    context: process.Context[Settings],
    gateway: Gateway,
    transcripts: TranscriptReader,
    ledger: Ledger,
) -> Assembly:
    """The client of NATS and all that stands on it: only a cluster needs their memory."""
    from .cluster.assembly import Assembly

    return Assembly(context.settings, gateway, transcripts, ledger, context.log)


def _post(context: process.Context[Settings], https_port: int | None) -> None:
    try:
        lan_notice.post(context.settings.state_dir, https_port)
        lan_notice.post_url(context.settings.state_dir, context.settings.signaling)
    except OSError as error:
        context.log.warning("! mixminus invite will not know the address: %s", error)


def _verdict(gate: Gate) -> Verdict:
    return lambda subject, room: gate.desk.verdict(subject, room, now_s())


def _ledger(context: process.Context[Settings]) -> Ledger:
    """The invitations; without a usable state directory they last until the next start."""
    try:
        return Ledger(context.settings.state_dir)
    except RuntimeDirError as error:
        context.log.warning("! %s; invitations end with this run", error)
        return Ledger(context.settings.runtime_dir, stands_in=True)


def main() -> int:
    """Run the program; returns its exit code."""
    return process.run_async(SIGNALING, Settings, serve, check_start)
