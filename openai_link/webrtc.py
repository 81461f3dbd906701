"""One Realtime call over WebRTC: the HTTP exchange, the peer connection, the event channel."""

from __future__ import annotations

import asyncio
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
    RTCRtpSender,
    RTCSessionDescription,
)

from mixer_core.bus.errors import UpstreamError

from .aiortc_media import (
    Heard,
    PacketTrack,
    TappedPacket,
    host_addresses,
    send_directly,
    tap_receiver,
    tune_ice,
    use_host_addresses,
)
from .session import DATA_CHANNEL, Upstream

CONSENT_INTERVAL_S = 1.0
"""Between two ICE consent checks: the server answers them, whatever else it has to say."""
CONSENT_FAILURES = 20
"""So many in a row end the connection; the life cycle gives up long before."""
MAX_ANSWER_BYTES = 256 * 1024
HANG_UP_TIMEOUT_S = 3.0


class RealtimeCall:
    """One call: ``connect`` once, ``close`` once; all callbacks run on the event loop, in order."""

    def __init__(
        self,
        upstream: Upstream,
        session: Mapping[str, Any],
        http: aiohttp.ClientSession,
        track: PacketTrack,
        log: logging.LoggerAdapter[logging.Logger],
        on_up: Callable[[], None],
        on_packet: Callable[[TappedPacket], None],
        on_event: Callable[[Mapping[str, Any]], None],
        on_lost: Callable[[UpstreamError], None],
    ) -> None:
        """``on_up``: media can flow. ``on_lost``: at most once, never after ``close``."""
        self._upstream = upstream
        self._session = session
        self._http = http
        self._track = track
        self._log = log
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
        self.heard = Heard()
        """Datagrams from the server since the connection is up."""
        self.bad_events = 0
        """Messages of the server that were no JSON objects."""

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
            await self._hang_up()
        if self._peer is not None:
            await self._peer.close()

    def _prepare(self) -> RTCPeerConnection:
        """A peer connection with everything on it before the one and only offer."""
        use_host_addresses(host_addresses(include_loopback=self._upstream.is_local))
        tune_ice(CONSENT_INTERVAL_S, CONSENT_FAILURES)
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        peer = self._peer = RTCPeerConnection(configuration)
        peer.on("connectionstatechange", self._state_changed)
        peer.addTrack(self._track)
        transceiver = peer.getTransceivers()[0]
        codecs = RTCRtpSender.getCapabilities("audio").codecs
        transceiver.setCodecPreferences([c for c in codecs if c.mimeType == "audio/opus"])
        send_directly(transceiver.sender, self._track)
        tap_receiver(transceiver.receiver, self._on_packet)
        channel = self._channel = peer.createDataChannel(DATA_CHANNEL)
        channel.on("message", self._message)
        channel.on("close", self._channel_closed)
        return peer

    async def _exchange(self, offer: str) -> str:
        url = f"{self._upstream.base_url}/realtime/calls"
        key = self._upstream.api_key
        if self._upstream.ephemeral:
            key = await self._client_secret()
            body: Any = offer.encode()
            headers = {"Content-Type": "application/sdp"}
        else:
            body = aiohttp.FormData()
            body.add_field("sdp", offer, content_type="application/sdp")
            body.add_field("session", json.dumps(self._session), content_type="application/json")
            headers = {}
        async with self._request(url, key, data=body, headers=headers) as response:
            text = await _checked(response)
            location = response.headers.get("Location", "")
            self.call_id = _call_id(location)
            self.simulated = self.simulated or "x-simulated" in response.headers
        if not text.startswith("v=0"):
            raise UpstreamError("bad_answer", "the answer to the call is no SDP")
        self._log.info("< call %s", self.call_id or "without an id")
        return text

    async def _client_secret(self) -> str:
        url = f"{self._upstream.base_url}/realtime/client_secrets"
        body = {"session": self._session}
        async with self._request(url, self._upstream.api_key, json=body) as response:
            text = await _checked(response)
        try:
            return str(json.loads(text)["value"])
        except (ValueError, KeyError, TypeError) as error:
            raise UpstreamError("bad_answer", "the client secret's answer has no value") from error

    async def _hang_up(self) -> None:
        url = f"{self._upstream.base_url}/realtime/calls/{self.call_id}/hangup"
        try:
            async with asyncio.timeout(HANG_UP_TIMEOUT_S):
                async with self._request(url, self._upstream.api_key) as response:
                    self._log.info("> hang up %s: %s", self.call_id, response.status)
        except (UpstreamError, TimeoutError) as error:
            self._log.warning("! > hang up %s: %s", self.call_id, error or "no answer in time")

    def _request(self, url: str, key: str, **options: Any) -> _Request:
        headers = {**options.pop("headers", {}), "Authorization": f"Bearer {key}"}
        return _Request(self._http.post(url, headers=headers, **options))

    def _state_changed(self) -> None:
        state = self._peer.connectionState if self._peer is not None else "closed"
        self._log.debug("= connection %s", state)
        if self._closed:
            return
        if state == "connected" and self._peer is not None:
            self.heard.listen(self._peer)
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
        try:
            event = json.loads(message)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            self.bad_events += 1
            return
        try:
            self._on_event(event)
        except Exception:  # It would end aiortc's transport task, and with it the call.
            self._log.exception("! the event %s could not be handled", event.get("type"))


class _Request:
    """``async with`` around an aiohttp request that turns its errors into UpstreamError."""

    def __init__(self, request: Any) -> None:
        self._request = request

    async def __aenter__(self) -> aiohttp.ClientResponse:
        try:
            response: aiohttp.ClientResponse = await self._request.__aenter__()
        except TimeoutError as error:
            raise UpstreamError("connect_timeout", "no answer in time") from error
        except aiohttp.ClientError as error:
            raise UpstreamError("unreachable", str(error) or repr(error)) from error
        return response

    async def __aexit__(self, *exception: Any) -> None:
        await self._request.__aexit__(*exception)


async def _checked(response: aiohttp.ClientResponse) -> str:
    """The body of a good answer; UpstreamError for any other. The content type says nothing."""
    try:
        body = await response.content.read(MAX_ANSWER_BYTES)
        while len(body) < MAX_ANSWER_BYTES and not response.content.at_eof():
            body += await response.content.read(MAX_ANSWER_BYTES)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise UpstreamError("unreachable", f"the answer broke off: {error!r}") from error
    text = body.decode("utf-8", "replace")
    if response.status in (200, 201):
        return text
    raise refusal(response.status, text)


def refusal(status: int, body: str) -> UpstreamError:
    """The error that an HTTP answer stands for; bodies are ``{"error": {code, message, …}}``."""
    try:
        error = json.loads(body)["error"]
        code, message = error.get("code") or error.get("type"), error.get("message")
    except (ValueError, KeyError, TypeError, AttributeError):
        code, message = None, body
    return UpstreamError(str(code or f"http_{status}"), str(message or "")[:500], status)


def _call_id(location: str) -> str:
    name = location.split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1]
    return name if name.startswith("rtc_") else ""


def _ignore(_: UpstreamError) -> None:
    """Loss is reported once."""
