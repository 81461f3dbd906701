"""One Realtime call over WebRTC: the HTTP exchange, the peer connection, the event channel."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)

from mixer_core.patches.aioice.datagrams import Datagrams
from mixer_core.patches.aioice.gathering import check_consent, host_addresses, offer_addresses
from mixer_core.patches.aiortc.connections import listen_to, route_of
from mixer_core.patches.aiortc.rtp_receiver import TappedPacket, tap_receiver
from mixer_core.patches.aiortc.sctp_limits import SctpLimits
from mixer_core.patches.aiortc.sctp_parameters import check_parameters
from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.foreign_text import one_line

from ..media.packet_track import PacketTrack, send_directly, speak_opus_only
from ..realtime.client_events import DATA_CHANNEL
from ..realtime.event_fields import event_of, text_of
from ..realtime.upstream import Upstream
from . import http_call
from .inflow import Inflow
from .port_watch import PortWatch, watched
from .ways import Ways

MAX_SHOWN_CHARS = 64
"""Longest type of an event in the log."""
CONSENT_INTERVAL_S = 1.0
"""Time between two ICE consent checks: the server answers each of them."""
CONSENT_FAILURES, CONSENT_REPEATS = 7, 2
"""Unanswered checks in a row, each repeated twice, that end the connection; the life cycle gives up
long before."""


class RealtimeCall:
    """``connect`` once, ``close`` once; all callbacks run on the event loop, in order."""

    def __init__(
        self,
        upstream: Upstream,
        http: aiohttp.ClientSession,
        track: PacketTrack,
        log: logging.LoggerAdapter[logging.Logger],
        on_answered: Callable[[], None],
        on_up: Callable[[], None],
        on_packet: Callable[[TappedPacket], None],
        on_event: Callable[[Mapping[str, Any]], None],
        on_lost: Callable[[UpstreamError], None],
        ways: Ways | None = None,
    ) -> None:
        """The callbacks are those of ``interface.Callbacks``, and ``on_packet``: one RTP packet.

        ``ways``: how the server wants to be asked for a call; None: as the settings say.
        """
        self._upstream = upstream
        self._http = http
        self._track = track
        self._log = log
        self._on_answered = on_answered
        self._on_up = on_up
        self._on_packet = on_packet
        self._on_event = on_event
        self._on_lost = on_lost
        self._ways = ways
        self._peer: RTCPeerConnection | None = None
        self._channel: RTCDataChannel | None = None
        self._closed = False
        self.call_id = ""
        """The server's id of the call, ``rtc_…``; empty before the answer."""
        self.knows_session = True
        """The session went with the call."""
        self.simulated = upstream.simulated
        """The server says that it is a simulator."""
        self._datagrams = Datagrams()
        self._port: PortWatch | None = None
        self._inflow = Inflow()
        self.bad_events = 0
        """Messages from the server that were not JSON objects, or could not be read at all."""

    @property
    def last_received_ns(self) -> int:
        """When the newest datagram came since the connection came up (monotonic); 0: none yet."""
        return self._datagrams.last_ns

    async def connect(self, session: Mapping[str, Any]) -> None:
        """Make the call; returns when the answer is applied. ``on_up`` and events follow.

        Args:
            session: the session object.

        Raises:
            UpstreamError: refused, unreachable, or an answer that cannot be used.
        """
        peer = self._prepare()
        await peer.setLocalDescription(await peer.createOffer())
        answer = await self._exchange(session, peer.localDescription.sdp)
        try:
            await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except Exception as error:  # aiortc raises whatever its parser trips over.
            raise UpstreamError(
                "bad_answer", f"the SDP answer cannot be used: {error!r}"
            ) from error

    def send(self, event: Mapping[str, Any]) -> bool:
        """Send a client event; False if the channel is not open.

        One that is longer than the server takes counts as refused by it.
        """
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return False
        self._log.debug("> %s %s", event.get("type"), event.get("event_id"))
        try:
            channel.send(json.dumps(event, ensure_ascii=False))
        except ValueError as error:  # Longer than the server's max-message-size (RFC 8841).
            refusal = {
                "code": "message_too_large",
                "message": str(error),
                "event_id": event.get("event_id"),
            }
            asyncio.get_running_loop().call_soon(self._refuse, refusal)
        return True

    async def close(self) -> None:
        """End the call here and on the server. Never raises."""
        if self._closed:
            return
        self._closed = True
        if self._port is not None:
            self._port.close()
        self._track.stop()
        if self.call_id:
            await http_call.hang_up(self._http, self._upstream, self.call_id, self._log)
        if self._peer is not None:
            await self._peer.close()

    def _prepare(self) -> RTCPeerConnection:
        """A peer connection that is ready for its only offer."""
        offer_addresses(lambda: host_addresses(include_loopback=self._upstream.is_local))
        check_consent(CONSENT_INTERVAL_S, CONSENT_FAILURES, CONSENT_REPEATS)
        check_parameters()
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        peer = self._peer = RTCPeerConnection(configuration)
        peer.on("connectionstatechange", self._state_changed)
        peer.addTrack(self._track)
        transceiver = peer.getTransceivers()[0]
        speak_opus_only(transceiver)
        send_directly(transceiver.sender, self._track)
        tap_receiver(transceiver.receiver, self._on_packet)
        channel = self._channel = peer.createDataChannel(DATA_CHANNEL)
        channel.on("message", self._message)
        channel.on("close", self._channel_closed)
        assert peer.sctp is not None
        SctpLimits(peer.sctp, self._excess)
        return peer

    async def _exchange(self, session: Mapping[str, Any], offer: str) -> str:
        answer = await http_call.exchange(self._http, self._upstream, session, offer, self._ways)
        self.knows_session = answer.knows_session
        self.call_id = answer.call_id
        self.simulated = self.simulated or answer.simulated
        self._log.info("< call %s", self.call_id or "without an id")
        if not self._closed:
            self._on_answered()
        return answer.sdp

    def _state_changed(self) -> None:
        state = self._peer.connectionState if self._peer is not None else "closed"
        self._log.debug("= connection %s", state)
        if self._closed:
            return
        if state == "connected" and self._peer is not None:
            self._datagrams = listen_to(self._peer)
            self._port = watched(
                route_of(self._peer),
                lambda: self._datagrams.last_ns,
                lambda: self._lost("nobody has the server's port any more"),
            )
            self._on_up()
        elif state in ("failed", "closed"):
            self._lost(f"the connection is {state}")

    def _channel_closed(self) -> None:
        self._lost("the server closed the event channel")

    def _excess(self, words: str, is_over: bool) -> None:
        """The server sends what no server sends, or more than anybody reads."""
        self.bad_events += 1
        if is_over:
            self._lost(words)

    def _lost(self, reason: str) -> None:
        self._end(UpstreamError("connection_lost", reason))

    def _end(self, error: UpstreamError) -> None:
        if not self._closed:
            on_lost, self._on_lost = self._on_lost, _ignore
            on_lost(error)

    def _refuse(self, error: Mapping[str, Any]) -> None:
        if not self._closed:
            self._on_event({"type": "error", "error": error})

    def _message(self, message: str | bytes) -> None:
        """One server event. Nothing here awaits, so events stay in order."""
        if self._closed:
            return
        now_ns = time.monotonic_ns()
        refusal = self._inflow.refusal(len(message), now_ns)
        if refusal is not None:
            self._end(refusal)
            return
        event = event_of(message)
        if event is None:
            self.bad_events += 1
            more = self._inflow.mistakes.line("no event", now_ns)
            if more is not None:
                self._log.warning("! < a message that is no event%s", more)
            return
        try:
            self._on_event(event)
        except Exception as error:  # It would end aiortc's transport task, and with it the call.
            more = self._inflow.mistakes.line(type(error).__name__, now_ns)
            if more is not None:
                kind = one_line(text_of(event, "type"), MAX_SHOWN_CHARS)
                self._log.exception("! the event %s could not be handled%s", kind, more)


def _ignore(_: UpstreamError) -> None:
    """A loss is reported once."""
