"""One WebRTC call: the peer connection, the ``oai-events`` channel, and the end of both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription

from mixer_core.patches.aiortc.connections import answer_dtls_as, gate
from mixer_core.patches.aiortc.rtp_receiver import tap_receiver
from mixer_core.patches.aiortc.rtp_sender import name_stream
from mixer_core.runtime import logs

from ...media.packet_track import send_directly, speak_opus_only
from ..engine.session_engine import SessionEngine
from ..faults.fault_box import FaultBox
from ..faults.timers import FaultTimers
from ..media.call_media import CallMedia
from ..media.recorder import Recorder
from ..settings import SimulatorSettings
from .event_hub import EventHub
from .event_socket import EventSocket
from .offers import clean_offer, has_audio, invalid_offer, reduce_offer

CHANNEL_LABEL = "oai-events"
_CALL_OVER_CODE = 1000


class WebrtcCall:
    """Answers one offer; ends by hang-up, loss of the peer, or expiry."""

    transport = "webrtc"

    def __init__(
        self,
        call_id: str,
        engine: SessionEngine,
        config: SimulatorSettings,
        faults: FaultBox,
        on_end: Callable[[WebrtcCall, str], None],
    ) -> None:
        """``on_end`` is called once, with the reason, when the call ends."""
        self.id = call_id
        self.started_s = time.time()
        self.log = logs.get("simulator", call_id)
        self._config = config
        self._faults = faults
        self._on_end = on_end
        self._channel: RTCDataChannel | None = None
        self._ended = False
        self._silenced = False
        self._timers = FaultTimers(faults, self._close_channel, self._kill)
        self.hub = EventHub(engine, faults, self.log, self._end_soon, self._timers.replying)
        recorder = None
        if config.record_dir:
            recorder = Recorder(Path(config.record_dir) / f"{call_id}.wav")
        self.media = CallMedia(engine, config, recorder, self.hub.perform, faults)
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connection.on("datachannel", self._on_channel)
        self._connection.on("connectionstatechange", self._on_state)
        self._connect_timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._sidebands: set[EventSocket] = set()

    @property
    def state(self) -> str:
        """The peer connection's state."""
        return self._connection.connectionState

    async def answer(self, offer: str) -> str:
        """Return the SDP answer. Ends the call and raises Refusal if the offer is invalid.

        From the answer on the client has ``connect_timeout_s``.
        """
        try:
            reduced = reduce_offer(clean_offer(offer))
            answer = reduced.complete(await self._negotiate(reduced.sdp))
        except BaseException:
            await self.end("the offer was refused")
            raise
        if not self._ended:
            self._connect_timer = asyncio.get_running_loop().call_later(
                self._config.connect_timeout_s, self._on_connect_timeout
            )
        return answer

    async def _negotiate(self, offer: str) -> str:
        connection = self._connection
        if has_audio(offer):
            transceiver = connection.addTransceiver(self.media.track, direction="sendrecv")
            speak_opus_only(transceiver)
            name_stream(transceiver.sender, "realtimeapi", "audio")
            send_directly(transceiver.sender, self.media.track)
            tap_receiver(transceiver.receiver, self.media.on_packet)
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        except Exception as error:  # The SDP parser raises errors of all kinds.
            self.log.info("! invalid offer: %s", error)
            raise invalid_offer(str(error) or type(error).__name__) from error
        answer_dtls_as(connection, self._config.dtls_role)
        await connection.setLocalDescription(await connection.createAnswer())
        gate(connection, lambda: self._silenced or self._faults.faults.drop_udp)
        return connection.localDescription.sdp

    async def attend(self, sideband: EventSocket) -> None:
        """Let a WebSocket take part as a sideband until it closes or the call ends."""
        self.log.info("= a sideband joins")
        self.hub.sidebands.append(sideband)
        self._sidebands.add(sideband)
        try:
            await sideband.run(self._on_text)
        finally:
            self.hub.sidebands.remove(sideband)
            self._sidebands.discard(sideband)

    async def end(self, reason: str) -> None:
        """Close everything. Idempotent."""
        if self._ended:
            return
        self._ended = True
        if self._connect_timer is not None:
            self._connect_timer.cancel()
        self._timers.stop()
        self.media.close()
        self.log.info("= over: %s", reason)
        self._on_end(self, reason)
        for sideband in self._sidebands:
            sideband.close_soon(_CALL_OVER_CODE, reason)
        await self._connection.close()

    def _end_soon(self, reason: str) -> None:
        task = asyncio.get_running_loop().create_task(self.end(reason))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _kill(self) -> None:
        """Vanish: send no more datagrams, not even a goodbye."""
        self._silenced = True
        for sideband in self._sidebands:
            sideband.abort()
        self._end_soon("killed")

    def _close_channel(self) -> None:
        self.log.info("= closing the channel (fault)")
        if self._channel is not None:
            self._channel.close()

    def _on_connect_timeout(self) -> None:
        if self._connection.connectionState != "connected":
            self._end_soon("never connected")

    def _on_state(self) -> None:
        state = self._connection.connectionState
        if state == "connected":
            self.log.info("= connected to a client (simulator, not OpenAI)")
            self.media.start()
            self._timers.connected()
        elif state in ("failed", "closed"):
            self._end_soon(f"the connection is {state}")

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label != CHANNEL_LABEL or self._channel is not None:
            self.log.info("< channel %r ignored", channel.label)
            return
        self._channel = channel
        channel.on("message", self._on_message)
        channel.on("close", lambda: self._end_soon("the channel was closed"))
        self.hub.open(self)
        self._timers.opened()

    def _on_message(self, message: str | bytes) -> None:
        self._on_text(message if isinstance(message, str) else message.decode("utf-8", "replace"))

    def _on_text(self, text: str) -> None:
        self.hub.client_event(text)
        self.media.wake()

    def send(self, text: str) -> None:
        """Send one event on the channel; dropped if it is not open."""
        if self._channel is None or self._channel.readyState != "open":
            return
        try:
            self._channel.send(text)
        except ValueError as error:  # Longer than the client allows.
            self.log.warning("! could not send %.80s…: %s", text, error)
