"""One Realtime call over WebRTC: the HTTP exchange, the peer connection, the event channel."""

from __future__ import annotations

import json
import logging
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
from mixer_core.patches.aiortc.connections import listen_to
from mixer_core.patches.aiortc.rtp_receiver import TappedPacket, tap_receiver
from mixer_core.runtime.errors import UpstreamError

from ..media.packet_track import PacketTrack, send_directly, speak_opus_only
from ..realtime.client_events import DATA_CHANNEL
from ..realtime.event_fields import event_of
from ..realtime.upstream import Upstream
from . import http_call

CONSENT_INTERVAL_S = 1.0
"""Between two ICE consent checks: the server answers them, whatever else it has to say."""
CONSENT_FAILURES = 20
"""So many in a row end the connection; the life cycle gives up long before."""


class RealtimeCall:
    """One call: ``connect`` once, ``close`` once; all callbacks run on the event loop, in order."""

    def __init__(
        self,
        upstream: Upstream,
        session: Mapping[str, Any],
        http: aiohttp.ClientSession,
        track: PacketTrack,
        log: logging.LoggerAdapter[logging.Logger],
        on_answered: Callable[[], None],
        on_up: Callable[[], None],
        on_packet: Callable[[TappedPacket], None],
        on_event: Callable[[Mapping[str, Any]], None],
        on_lost: Callable[[UpstreamError], None],
    ) -> None:
        """The callbacks are those of ``interface.Callbacks``; none is called after ``close``."""
        self._upstream = upstream
        self._session = session
        self._http = http
        self._track = track
        self._log = log
        self._on_answered = on_answered
        self._on_up = on_up
        self._on_packet = on_packet
        self._on_event = on_event
        self._on_lost = on_lost
        self._peer: RTCPeerConnection | None = None
        self._channel: RTCDataChannel | None = None
        self._closed = False
        self.call_id = ""
        """The server's name of the call, ``rtc_…``; empty before the answer."""
        self.simulated = upstream.simulated
        """The server says that it is a simulator."""
        self._datagrams = Datagrams()
        self.bad_events = 0
        """Messages of the server that were no JSON objects."""

    @property
    def heard_ns(self) -> int:
        """When the newest datagram came since the connection is up (monotonic); 0: none yet."""
        return self._datagrams.last_ns

    async def connect(self) -> None:
        """Make the call. Returns when the answer is applied; ``on_up`` and events follow.

        Raises:
            UpstreamError: refused, unreachable, or an answer that cannot be used.
        """
        peer = self._prepare()
        await peer.setLocalDescription(await peer.createOffer())
        answer = await self._exchange(peer.localDescription.sdp)
        try:
            await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except Exception as error:  # aiortc raises whatever its parser trips over.
            raise UpstreamError("bad_answer", f"the SDP answer is unusable: {error!r}") from error

    def send(self, event: Mapping[str, Any]) -> bool:
        """Send a client event; False where the channel is not open."""
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return False
        self._log.debug("> %s %s", event.get("type"), event.get("event_id"))
        channel.send(json.dumps(event, ensure_ascii=False))
        return True

    async def close(self, hang_up: bool = True) -> None:
        """End the call here and, by ``hang_up``, on the server. Never raises."""
        if self._closed:
            return
        self._closed = True
        self._track.stop()
        if hang_up and self.call_id:
            await http_call.hang_up(self._http, self._upstream, self.call_id, self._log)
        if self._peer is not None:
            await self._peer.close()

    def _prepare(self) -> RTCPeerConnection:
        """A peer connection with everything on it before the one and only offer."""
        offer_addresses(lambda: host_addresses(include_loopback=self._upstream.is_local))
        check_consent(CONSENT_INTERVAL_S, CONSENT_FAILURES)
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
        return peer

    async def _exchange(self, offer: str) -> str:
        answer = await http_call.exchange(self._http, self._upstream, self._session, offer)
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
            self._on_up()
        elif state in ("failed", "closed"):
            self._lost(f"the connection is {state}")

    def _channel_closed(self) -> None:
        self._lost("the server closed the event channel")

    def _lost(self, reason: str) -> None:
        if not self._closed:
            on_lost, self._on_lost = self._on_lost, _ignore
            on_lost(UpstreamError("connection_lost", reason))

    def _message(self, message: str | bytes) -> None:
        """One server event. Nothing here awaits, so events keep their order."""
        if self._closed:
            return
        event = event_of(message)
        if event is None:
            self.bad_events += 1
            return
        try:
            self._on_event(event)
        except Exception:  # It would end aiortc's transport task, and with it the call.
            self._log.exception("! the event %s could not be handled", event.get("type"))


def _ignore(_: UpstreamError) -> None:
    """Loss is reported once."""
