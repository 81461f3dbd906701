"""The only code that touches aiortc's private media parts, and aioice's globals.

aiortc 1.16's public audio path decodes in a thread, holds 80 ms (280 ms for ever after one lost
packet) and knows neither FEC nor PLC; its encoder resamples to 48 kHz stereo. Two seams avoid both:
a track of ready-made packets, which ``RTCRtpSender`` passes through, and a hook in front of
``RTCRtpReceiver``'s jitter buffer. From there ``rtp_direct`` takes over and leaves out aiortc's
queues and tasks too. ``check_versions`` refuses a release whose seams are unknown.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import aioice
import aioice.ice
import aiortc
from aiortc import (
    MediaStreamTrack,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCRtpTransceiver,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpreceiver import StreamStatistics
from av.packet import Packet

from mixer_core.runtime import logs
from mixer_core.runtime.errors import StartupError

from ..media.rtp_direct import RtpReader, RtpWriter

KNOWN_AIORTC = "1.16."
KNOWN_AIOICE = "0.13."

_TIME_BASE = Fraction(1, 48_000)
_ALL_HOST_ADDRESSES = aioice.ice.get_host_addresses

log = logs.get("aiortc_media")


def check_versions() -> None:
    """Raise StartupError when aiortc or aioice is a release whose private parts are unknown."""
    for package, known in ((aiortc, KNOWN_AIORTC), (aioice, KNOWN_AIOICE)):
        if not package.__version__.startswith(known):
            raise StartupError(
                f"{package.__name__} {package.__version__} is not supported: "
                f"pip install '{package.__name__}=={known}*'"
            )


class PacketTrack(MediaStreamTrack):
    """An audio track of packets that are already Opus: aiortc neither resamples nor encodes.

    Packets are queued for aiortc's task until ``send_directly`` has a way around it. The queue is
    bounded: a full one drops its oldest packet and counts it.
    """

    kind = "audio"

    def __init__(self, max_queued: int = 4) -> None:
        """``max_queued``: packets (of 20 ms) that may wait for the sender's task."""
        super().__init__()
        self._queue: deque[Packet[Any]] = deque()
        self._max_queued = max_queued
        self._waiter: asyncio.Future[None] | None = None
        self._writer: RtpWriter | None = None
        self.sent = 0
        """Packets sent, or handed to aiortc."""
        self.dropped = 0
        """Packets dropped because the queue was full or the connection was gone."""

    def send_packet(self, payload: bytes, timestamp: int, marker: bool = False) -> bool:
        """Send one Opus packet; ``timestamp`` in ticks of 48 kHz since the start, unbounded.

        ``marker``: it is the first after silence; kept where it is sent directly. False: the
        packet has not left yet (it is queued), or cannot.
        """
        if self._writer is not None:
            return self._write(payload, timestamp, marker)
        packet = Packet(payload)
        packet.pts = timestamp
        packet.time_base = _TIME_BASE
        if len(self._queue) >= self._max_queued:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(packet)
        self._wake()
        return False

    async def recv(self) -> Packet[Any]:
        """Return the next packet, for aiortc's sender. Raises MediaStreamError at the end."""
        while not self._queue:
            if self.readyState != "live":
                raise MediaStreamError
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self.sent += 1
        return self._queue.popleft()

    async def write_to(self, writer: RtpWriter) -> None:
        """Send what is queued and all that follows by ``writer``; returns at the end."""
        self._writer = writer
        while self._queue:
            packet = self._queue.popleft()
            self._write(bytes(packet), packet.pts or 0, False)
        if self.readyState == "live":
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def _write(self, payload: bytes, timestamp: int, marker: bool) -> bool:
        assert self._writer is not None
        if self._writer.send(payload, timestamp, marker):
            self.sent += 1
            return True
        self.dropped += 1
        return False

    def stop(self) -> None:
        """End the track; a pending ``recv`` raises MediaStreamError."""
        super().stop()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def send_directly(sender: RTCRtpSender, track: PacketTrack) -> bool:
    """Let the packets of ``track`` go to the socket at once, not through the sender's task.

    Call it before the connection is negotiated. Sender reports (RTCP) and ``getStats`` keep
    working. False, and nothing is changed, for a track with a ``recv`` of its own, which wants to
    see every packet. Raises StartupError for an unknown aiortc.
    """
    check_versions()
    if type(track).recv is not PacketTrack.recv:
        return False
    private: Any = sender

    async def run_rtp(codec: Any) -> None:
        private._RTCRtpSender__rtp_started.set()
        try:
            await track.write_to(RtpWriter(private, codec.payloadType))
        except asyncio.CancelledError:
            pass  # It is how aiortc ends this task, which it does not await.
        except Exception:
            log.exception("RTP cannot be sent")
        finally:  # ``RTCRtpSender.stop`` waits for it.
            track.stop()
            private._RTCRtpSender__rtp_exited.set()

    private._run_rtp = run_rtp
    return True


@dataclass(slots=True)
class TappedPacket:
    """One RTP packet as it came off the wire, decrypted."""

    sequence_number: int
    """16 bit."""
    timestamp: int
    """RTP timestamp, 32 bit, at 48 kHz."""
    payload: bytes
    """One Opus packet; may be empty."""
    marker: bool
    """First packet of a talk spurt, if the sender sets it."""
    ssrc: int
    """The sender's stream id, 32 bit."""
    arrival_ns: int
    """When it was decrypted (monotonic)."""

    @property
    def seq(self) -> int:
        """Sequence number, 16 bit."""
        return self.sequence_number


def tap_receiver(receiver: RTCRtpReceiver, on_packet: Callable[[TappedPacket], None]) -> None:
    """Send the receiver's Opus packets to ``on_packet`` instead of aiortc's jitter buffer.

    Reception reports (RTCP) and ``getStats`` keep working; the receiver's own track stays silent.
    Packets of other codecs are ignored. ``on_packet`` runs on the event loop, once per packet; an
    exception in it is logged and does not end the connection. May be called before or after the
    connection is negotiated. Raises StartupError for an unknown aiortc.
    """
    check_versions()
    _Tap(receiver, on_packet)


class _Tap:
    """Gets the first packet from aiortc, and the following ones from its own reader."""

    def __init__(self, receiver: RTCRtpReceiver, on_packet: Callable[[TappedPacket], None]) -> None:
        private: Any = receiver
        self._receiver = private
        self._on_packet = on_packet
        self._codecs: dict[int, Any] = private._RTCRtpReceiver__codecs
        self._streams: dict[int, Any] = private._RTCRtpReceiver__remote_streams
        self._reader: RtpReader | None = None
        private._handle_rtp_packet = self._handle_rtp_packet

    async def _handle_rtp_packet(self, packet: Any, arrival_time_ms: int) -> None:
        if self._reader is None:
            self._take_over()
        self._deliver(
            packet.payload_type,
            packet.ssrc,
            packet.sequence_number,
            packet.timestamp,
            bool(packet.marker),
            packet.payload,
        )

    def _take_over(self) -> None:
        """The connection is up; it carries the packets of this receiver and of no other one."""
        self._receiver._RTCRtpReceiver__stop_decoder()  # Its thread would never have work.
        transport = self._receiver.transport
        if len(transport._rtp_router.receivers) == 1:
            self._reader = RtpReader(transport, self._deliver)

    def _deliver(
        self, payload_type: int, ssrc: int, seq: int, timestamp: int, marker: bool, payload: bytes
    ) -> None:
        codec = self._codecs.get(payload_type)
        if codec is None or codec.name.lower() != "opus":
            return
        statistics: Any = self._streams.get(ssrc)
        if statistics is None:
            statistics = self._streams[ssrc] = StreamStatistics(codec.clockRate)
        packet = TappedPacket(seq, timestamp, payload, marker, ssrc, time.monotonic_ns())
        try:
            statistics.add(packet)
            self._on_packet(packet)
        except Exception:  # It would end aiortc's transport task, and with it the connection.
            log.exception("an RTP packet could not be handled")


class LastDatagram:
    """Notes the datagrams of a connection, STUN included."""

    def __init__(self) -> None:
        self.count = 0
        """Datagrams so far."""
        self.last_ns = 0
        """When the newest one came (monotonic); 0: none yet."""

    def listen(self, connection: RTCPeerConnection) -> None:
        """Begin with a connection that has just become ``connected`` and has a data channel."""
        assert connection.sctp is not None
        ice: Any = connection.sctp.transport.transport
        for pair in ice._connection._nominated.values():
            self._wrap(pair.protocol)

    def _wrap(self, protocol: Any) -> None:
        beneath = protocol.datagram_received

        def datagram_received(data: bytes, address: Any) -> None:
            self.count += 1
            self.last_ns = time.monotonic_ns()
            beneath(data, address)

        protocol.datagram_received = datagram_received


def use_host_addresses(addresses: Sequence[str] | None) -> None:
    """Offer exactly these IP addresses as ICE host candidates, loopback included.

    None restores aioice's own choice. Applies to every connection of this process made afterwards.
    Raises ValueError for a bad address.
    """
    if addresses is None:
        aioice.ice.get_host_addresses = _ALL_HOST_ADDRESSES
        return
    parsed = [ipaddress.ip_address(address) for address in addresses]

    def chosen(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        wanted = {4: use_ipv4, 6: use_ipv6}
        return [str(address) for address in parsed if wanted[address.version]]

    aioice.ice.get_host_addresses = chosen


def host_addresses(include_loopback: bool = False) -> list[str]:
    """Return this machine's addresses as aioice would offer them, with 127.0.0.1 last if wanted."""
    found = _ALL_HOST_ADDRESSES(use_ipv4=True, use_ipv6=True)
    return [*found, "127.0.0.1"] if include_loopback else found


def tune_ice(consent_interval_s: float = 5.0, failures: int = 6) -> None:
    """Set how fast a dead peer is noticed, for every connection of this process.

    A check every ``consent_interval_s``; after ``failures`` unanswered ones in a row the connection
    closes. The defaults are aioice's (about 30 s).
    """
    module: Any = aioice.ice
    module.CONSENT_INTERVAL = consent_interval_s
    module.CONSENT_FAILURES = failures


def speak_opus_only(transceiver: RTCRtpTransceiver) -> None:
    """Have an audio transceiver negotiate nothing but Opus; call it before the offer is set."""
    codecs = RTCRtpSender.getCapabilities("audio").codecs
    opus = [codec for codec in codecs if codec.mimeType.lower() == "audio/opus"]
    transceiver.setCodecPreferences(opus)


def name_sender(sender: RTCRtpSender, stream_id: str, track_id: str) -> None:
    """Set the ``a=msid`` of a sender, which aiortc makes up otherwise."""
    private: Any = sender
    private._stream_id = stream_id
    private._track_id = track_id


def answer_dtls_as(connection: RTCPeerConnection, role: Literal["active", "passive"]) -> None:
    """Choose the side of the DTLS handshake, where the offer leaves it open; before createAnswer.

    aiortc's own choice is active.
    """
    if role == "active":
        return
    transports = [transceiver.receiver.transport for transceiver in connection.getTransceivers()]
    if connection.sctp is not None:
        transports.append(connection.sctp.transport)
    for transport in transports:
        private: Any = transport
        if private._role == "auto":
            private._set_role("server")
