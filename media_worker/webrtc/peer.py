"""One browser's peer connection: the only code that knows aiortc and aioice.

Private parts of both are used where they have no public ones (queues, datagram arrival); the
versions are pinned by range and the tests run against real connections.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aioice.ice
import aiortc
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.rtcsctptransport import DataChunk

from mixer_core.runtime.errors import ProblemError

from .. import protocol
from . import addresses, offer
from .fast_path import FastPath, take_over
from .sctp_wire import PPID_BINARY, PPID_STRING

CONSENT_INTERVAL_S = 1
CONSENT_FAILURES = 3
"""The ICE library's own check that the peer lives: seconds, not half a minute."""
MAX_CONTROL_BACKLOG_BYTES = 256 * 1024
"""Control messages are never dropped, so what may wait of them needs an end."""
MAX_LOGGED_FAULTS = 10
"""Faults of one connection that are logged; all are counted."""


@dataclass(frozen=True, slots=True)
class PeerEvents:
    """Whom the connection tells; called in its loop."""

    opened: Callable[[bool], None]
    """All channels are open; True: the framed protocol."""
    audio: Callable[[bytes], None]
    """One binary message on ``audio``."""
    text: Callable[[str], None]
    """One text message."""
    unreadable: Callable[[str, str], None]
    """Code and sentence: the browser did something that cannot be understood."""
    closed: Callable[[str], None]
    """The connection or its audio channel ended; why, in words."""


class TimedStunProtocol(aioice.ice.StunProtocol):
    """A UDP socket that notes when the last datagram came, and passes DTLS on unparsed."""

    heard_ns = 0
    """Monotonic time of the last datagram of this process (it has one browser)."""
    fast: FastPath | None = None
    """Takes the DTLS datagrams of its connection once that is up."""

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """A datagram came: first byte 20-63 is DTLS (RFC 7983), the rest goes the usual way."""
        TimedStunProtocol.heard_ns = time.monotonic_ns()
        if not (isinstance(data, bytes) and data and 19 < data[0] < 64):
            super().datagram_received(data, addr)
            return
        fast = TimedStunProtocol.fast
        if fast is None or fast.connection is not self.receiver or not fast.receive(data):
            self.receiver.data_received(data, self.local_candidate.component)


def prepare_ice(ice_addresses: str) -> None:
    """Set this process's ICE library up: addresses per setting, fast consent, timed sockets."""

    def get_host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        return addresses.host_addresses(ice_addresses)

    replaced = {
        "get_host_addresses": get_host_addresses,
        "StunProtocol": TimedStunProtocol,
        "CONSENT_INTERVAL": CONSENT_INTERVAL_S,
        "CONSENT_FAILURES": CONSENT_FAILURES,
    }
    vars(aioice.ice).update(replaced)


class Peer:
    """Answers one offer and carries its two protocols."""

    def __init__(self, events: PeerEvents, log: logging.LoggerAdapter[logging.Logger]) -> None:
        self._events = events
        self._log = log
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connection.on("datachannel", self._guarded(self._on_channel))
        self._connection.on("connectionstatechange", self._guarded(self._on_state))
        self._audio: RTCDataChannel | None = None
        self._control: RTCDataChannel | None = None
        self._fast: FastPath | None = None
        self._framed = False
        self._opened = False
        self._closed = False
        self.faults_total = 0
        """Exceptions in handlers, and what the library could not take from the browser."""

    @property
    def framed(self) -> bool:
        """Whether the browser chose frames with headers."""
        return self._framed

    @property
    def heard_ns(self) -> int:
        """When the last datagram came, 0 before the first."""
        return TimedStunProtocol.heard_ns

    async def answer(self, sdp: str) -> str:
        """Answer an offer; the connection is set up in the background.

        Raises:
            ProblemError: 400 with what is wrong with the offer; 503 where no address can be bound.
        """
        connection = self._connection
        cleaned = offer.clean_offer(sdp)
        try:
            await connection.setRemoteDescription(RTCSessionDescription(cleaned, "offer"))
            for transceiver in connection.getTransceivers():
                transceiver.direction = "inactive"
            await connection.setLocalDescription(await connection.createAnswer())
        except OSError as error:
            raise ProblemError(503, "No network", f"no answer can be made: {error}") from error
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise offer.refuse(f"the offer cannot be understood: {reason}") from error
        answer: str = connection.localDescription.sdp
        if "a=candidate:" not in answer:
            detail = "no address of this host can be used: check [media_worker] ice_addresses"
            raise ProblemError(503, "No network", detail)
        self._guard_sctp()
        return answer

    def send_audio(self, data: bytes) -> None:
        """Send one binary message; nothing happens where the channel is not open."""
        channel = self._audio
        if channel is None or channel.readyState != "open":
            return
        if self._fast is not None:
            self._fast.send(channel, data)
        else:
            channel.send(data)

    def send_control(self, text: str) -> None:
        """Send one text message on the channel of the browser's protocol.

        A browser that answers packets but lets messages pile up is given up.
        """
        channel = self._control or self._audio
        if channel is None or channel.readyState != "open":
            return
        if channel.bufferedAmount > MAX_CONTROL_BACKLOG_BYTES:
            self._tell_closed("the browser does not take its messages")
            return
        if self._fast is not None:
            self._fast.send(channel, text.encode(), PPID_STRING)
        else:
            channel.send(text)

    def buffered_bytes(self) -> int:
        """Bytes that wait for the network: in the channel, and in SCTP before its first sending."""
        if self._audio is None:
            return 0
        waiting: int = self._audio.bufferedAmount
        queue = self._audio.transport._outbound_queue
        return waiting + sum(len(chunk.user_data) for chunk in queue) if queue else waiting

    def drop_queued_audio(self) -> int:
        """Remove binary messages that SCTP has not been given yet; returns how many."""
        channel = self._audio
        if channel is None or not channel.bufferedAmount:
            return 0
        sctp = channel.transport
        kept: deque[Any] = deque()
        dropped = 0
        for item in sctp._data_channel_queue:
            owner, kind, data = item
            if owner is channel and kind == PPID_BINARY:
                channel._addBufferedAmount(-len(data))
                dropped += 1
            else:
                kept.append(item)
        sctp._data_channel_queue = kept
        return dropped

    async def close(self) -> None:
        """End the connection; a living browser notices at once (SCTP ABORT, DTLS close)."""
        self._closed = True
        TimedStunProtocol.fast = None
        if self._fast is not None:
            self._fast.close()
        await self._connection.close()

    # Handlers

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == "audio" and self._audio is None:
            if channel.protocol not in ("", protocol.FRAMED_PROTOCOL):
                text = f"protocol {channel.protocol[:40]!r} is unknown; there is "
                channel.send(protocol.error("protocol", text + protocol.FRAMED_PROTOCOL))
                return
            self._framed = channel.protocol == protocol.FRAMED_PROTOCOL
            self._audio = channel
            channel.on("message", self._guarded(self._on_audio_message))
            channel.on("close", self._guarded(self._on_audio_closed))
            if self._fast is not None:
                self._fast.listen(channel, self._on_audio_message)
        elif channel.label == "control" and self._control is None:
            self._control = channel
            channel.on("message", self._guarded(self._on_control_message))
        else:
            text = f"a channel {channel.label[:40]!r} is not used; there are audio and control"
            self._events.unreadable("channel", text)
            return
        ready = self._audio is not None and (self._control is not None or not self._framed)
        if ready and not self._opened:
            self._opened = True
            self._events.opened(self._framed)

    def _on_audio_message(self, message: bytes | str) -> None:
        if isinstance(message, str):
            self._events.text(message)
        elif self._opened:
            self._events.audio(message)

    def _on_control_message(self, message: bytes | str) -> None:
        if isinstance(message, str):
            self._events.text(message)
        else:
            self._events.unreadable("binary_control", "the channel control carries text only")

    def _on_audio_closed(self) -> None:
        self._tell_closed("the browser closed its channel")

    def _on_state(self) -> None:
        state = self._connection.connectionState
        if state in ("closed", "failed"):
            self._tell_closed(f"the connection {'failed' if state == 'failed' else 'ended'}")

    def _tell_closed(self, detail: str) -> None:
        if not self._closed:
            self._closed = True
            self._events.closed(detail)

    # Faults: an exception that escapes a handler would end the library's receiving task

    def _guarded(self, handler: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any) -> None:
            try:
                handler(*args)
            except Exception:
                self._fault()

        return call

    def _guard_sctp(self) -> None:
        """Keep the receiving task alive through what the library cannot read, such as bad UTF-8."""
        sctp = self._connection.sctp
        assert sctp is not None
        receive = sctp._data_channel_receive

        async def guarded(stream_id: int, kind: int, data: bytes) -> None:
            try:
                await receive(stream_id, kind, data)
            except UnicodeDecodeError:
                self.faults_total += 1
                self._events.unreadable("bad_json", "a text message is not UTF-8")
            except (ConnectionError, asyncio.CancelledError):
                raise
            except Exception:
                self._fault()

        vars(sctp)["_data_channel_receive"] = guarded
        self._fast = take_over(sctp, DataChunk, aiortc.__version__, self._fault, self._log)
        TimedStunProtocol.fast = self._fast

    def _fault(self) -> None:
        self.faults_total += 1
        if self.faults_total <= MAX_LOGGED_FAULTS:
            self._log.exception("! a handler failed; the call goes on")
