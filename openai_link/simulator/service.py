"""The simulator as a program: listens, and sends heartbeats to signaling when supervised."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import os
import ssl
from pathlib import Path

import zmq
from aiohttp import web

from mixer_core.bus import control
from mixer_core.bus.control_client import ControlClient
from mixer_core.patches.aioice.gathering import check_consent, host_addresses, offer_addresses
from mixer_core.patches.aiortc.sctp_parameters import check_parameters
from mixer_core.runtime import logs
from mixer_core.runtime.errors import OpusError, PortBusyError, RequirementError, SettingsError
from mixer_core.runtime.process import Context

from ..media import opus
from .brains.factory import greeting_pcm
from .brains.rules import ScriptError
from .calls.switchboard import Switchboard
from .faults.plan import FaultError
from .http.certificate import from_files, made
from .http.routes import make_app
from .settings import Settings, SimulatorSettings

PROGRAM = "simulator"
LINGER_S = 0.6
"""Everybody in a gateway stops at once: links hang up within this time, and lose no call."""
LOOK_S = 0.02
_CONSENT_INTERVAL_S, _CONSENT_FAILURES = 2.0, 3


def choose_ice_addresses(http_host: str) -> None:
    """Offer ICE candidates for the addresses on which HTTP listens."""
    if http_host in ("localhost", ""):
        http_host = "127.0.0.1"
    try:
        address = ipaddress.ip_address(http_host)
    except ValueError:
        address = None
    if address is None or address.is_unspecified:
        offer_addresses(lambda: host_addresses(include_loopback=True))
    else:
        offer_addresses(lambda: [str(address)])


async def serve(context: Context[Settings]) -> None:
    """Run until ``context.stop``. Raises StartupError when something it needs is missing."""
    settings = context.settings.simulator
    _check_requirements(settings)
    check_consent(_CONSENT_INTERVAL_S, _CONSENT_FAILURES)
    check_parameters()
    choose_ice_addresses(settings.http_host)
    switchboard = _switchboard(settings)
    runner = web.AppRunner(make_app(switchboard), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await _listen(runner, settings.http_host, settings.http_port, "HTTP_PORT")
        if settings.https_port:
            tls, trust = _tls(context)
            await _listen(runner, settings.http_host, settings.https_port, "HTTPS_PORT", tls)
            context.log.info("= and over TLS on port %s%s", settings.https_port, trust)
        gc.collect()
        gc.freeze()
        url = f"http://{settings.http_host}:{settings.http_port}/v1"
        context.log.info("= the Realtime SIMULATOR (not OpenAI) answers at %s", url)
        if not context.supervised:
            print(greeting(settings), flush=True)
        beats = _heartbeats(context, switchboard) if context.supervised else None
        await context.stop.wait()
        if beats is not None:
            await _hung_up(switchboard)
            beats.close()
    finally:
        await runner.cleanup()


async def _hung_up(switchboard: Switchboard) -> None:
    """Wait for a moment until no call is left."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while switchboard.calls:
                await asyncio.sleep(LOOK_S)


def greeting(settings: SimulatorSettings) -> str:
    """Return the line that says where the simulator listens and how to use it."""
    place = f"{settings.http_host}:{settings.http_port}/v1"
    key = "the api_key of the settings" if settings.api_key else '"any"'
    return (
        f"Realtime simulator (not OpenAI) at http://{place}: AsyncOpenAI("
        f'base_url="http://{place}", websocket_base_url="ws://{place}", api_key={key})'
    )


def _switchboard(settings: SimulatorSettings) -> Switchboard:
    try:
        return Switchboard(settings, seed=settings.seed or None)
    except FaultError as error:
        raise SettingsError(f"[simulator] faults: {error}") from error
    except ScriptError as error:
        raise SettingsError(f"[simulator] script: {error}") from error


def _check_requirements(settings: SimulatorSettings) -> None:
    """Fail at startup, in one line, rather than in the first call."""
    greeting_pcm()
    try:
        opus.library()
    except OpusError as error:
        raise RequirementError(str(error)) from error
    if settings.record_dir:
        try:
            Path(settings.record_dir).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"[simulator] record_dir {settings.record_dir} cannot be created ({error.strerror})"
            ) from error


def _tls(context: Context[Settings]) -> tuple[ssl.SSLContext, str]:
    """TLS for ``https_port``, and how clients can trust it, in words."""
    settings = context.settings.simulator
    if settings.tls_certificate or settings.tls_key:
        return from_files(settings.tls_certificate, settings.tls_key), ""
    tls, file = made(context.runtime_dir, settings.http_host)
    return tls, f", by the certificate {file}"


async def _listen(
    runner: web.AppRunner,
    host: str,
    port: int,
    key: str,
    tls: ssl.SSLContext | None = None,
) -> None:
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise PortBusyError(
            f"cannot listen on {host}:{port} ({reason}): stop the program that uses it, "
            f"or set MIXMINUS_SIMULATOR__{key} to another port"
        ) from error


def _heartbeats(context: Context[Settings], switchboard: Switchboard) -> ControlClient:
    def state() -> control.Heartbeat:
        metrics: control.Metrics = {
            "open_calls": len(switchboard.calls),
            "calls_total": switchboard.calls_total,
        }
        detail = f"{len(switchboard.calls)} simulated calls"
        return control.Heartbeat(PROGRAM, os.getpid(), True, detail, metrics)

    def ignore(message: control.Message) -> None:
        context.log.debug("< %s ignored", type(message).__name__)

    return ControlClient(
        zmq.Context.instance(),
        context.runtime_dir,
        f"{PROGRAM}-{os.getpid()}",
        state,
        ignore,
        logs.get(PROGRAM),
    )
