"""Opens the HTTP session towards the Realtime server, and makes transports of either kind."""

from __future__ import annotations

import logging

import aiohttp

from mixer_core.runtime.metrics import Histogram

from ..realtime.upstream import Upstream
from ..settings import OpenaiLinkSettings
from .interface import Callbacks, Transport, TransportKind
from .refused_requests import request_rules
from .ways import Ways
from .webrtc_transport import WebrtcTransport


def open_http(upstream: Upstream, settings: OpenaiLinkSettings) -> aiohttp.ClientSession:
    """The HTTP session for every connection of a room; the caller closes it."""
    timeout = aiohttp.ClientTimeout(total=settings.connect_timeout_ms / 1000)
    return aiohttp.ClientSession(
        timeout=timeout, trust_env=not upstream.is_local, trace_configs=request_rules()
    )


def make_transport(
    kind: TransportKind,
    upstream: Upstream,
    settings: OpenaiLinkSettings,
    http: aiohttp.ClientSession,
    latency: Histogram,
    log: logging.LoggerAdapter[logging.Logger],
    callbacks: Callbacks,
    ways: Ways | None = None,
) -> Transport:
    """A transport that is not connected yet.

    Args:
        latency: observes the time from a frame's stamp until it is handed to the network.
        ways: how the server wants to be asked for a call; it learns from this one.
    """
    if kind == "websocket":
        from .websocket_transport import WebsocketTransport  # Most processes never need it.

        return WebsocketTransport(upstream, settings, http, latency, log, callbacks)
    return WebrtcTransport(upstream, settings, http, latency, log, callbacks, ways)
