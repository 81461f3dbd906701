"""One call: the peer connection, the ``oai-events`` channel, and the end of both."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription

from mixer_core.bus import logs
from openai_link import aiortc_media
from openai_link.simulator.config import SimulatorConfig
from openai_link.simulator.engine import SessionEngine
from openai_link.simulator.media import CallMedia
from openai_link.simulator.offers import clean_offer, has_audio, invalid_offer
from openai_link.simulator.recorder import Recorder
from openai_link.simulator.server_events import Action, EndCall, SendEvent

CHANNEL_LABEL = "oai-events"
_MAX_EARLY_EVENTS = 256
_LAST_WORDS_S = 0.1  # Between the last event and the end, so that it is delivered.


class Call:
    """Answers one offer and lives until hang-up, loss of the peer, or expiry."""

    def __init__(
        self,
        call_id: str,
        engine: SessionEngine,
        config: SimulatorConfig,
        on_end: Callable[[Call, str], None],
    ) -> None:
        """``on_end`` is called once, with the reason, when the call is over."""
        self.id = call_id
        self.log = logs.get("simulator", call_id)
        self._engine = engine
        self._config = config
        self._on_end = on_end
        self._channel: RTCDataChannel | None = None
        self._early_events: list[SendEvent] = []
        self._ended = False
        recorder = None
        if config.record_dir:
            recorder = Recorder(Path(config.record_dir) / f"{call_id}.wav")
        self.media = CallMedia(engine, config, recorder, self._perform)
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connection.on("datachannel", self._on_channel)
        self._connection.on("connectionstatechange", self._on_state)
        self._connect_timer = asyncio.get_running_loop().call_later(
            config.connect_timeout_s, self._on_connect_timeout
        )
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, offer: str) -> str:
        """Return the SDP answer. Raises Refusal ``invalid_offer``, and the call is over."""
        try:
            return await self._negotiate(clean_offer(offer))
        except BaseException:
            await self.end("the offer was refused")
            raise

    async def _negotiate(self, offer: str) -> str:
        connection = self._connection
        if has_audio(offer):
            transceiver = connection.addTransceiver(self.media.track, direction="sendrecv")
            aiortc_media.speak_opus_only(transceiver)
            aiortc_media.name_sender(transceiver.sender, "realtimeapi", "audio")
            aiortc_media.send_directly(transceiver.sender, self.media.track)
            aiortc_media.tap_receiver(transceiver.receiver, self.media.on_packet)
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        except Exception as error:  # The SDP parser raises whatever its code happens to meet.
            self.log.info("! the offer cannot be used: %s", error)
            raise invalid_offer(str(error) or type(error).__name__) from error
        for transceiver in connection.getTransceivers():
            if transceiver.kind != "audio":
                transceiver.direction = "inactive"
        aiortc_media.answer_dtls_as(connection, self._config.dtls_role)
        await connection.setLocalDescription(await connection.createAnswer())
        return connection.localDescription.sdp

    async def end(self, reason: str) -> None:
        """Close everything. Harmless when already over."""
        if self._ended:
            return
        self._ended = True
        self._connect_timer.cancel()
        self.media.close()
        self.log.info("= over: %s", reason)
        self._on_end(self, reason)
        await self._connection.close()

    def _end_soon(self, reason: str) -> None:
        task = asyncio.get_running_loop().create_task(self.end(reason))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_connect_timeout(self) -> None:
        if self._connection.connectionState != "connected":
            self._end_soon("never connected")

    def _on_state(self) -> None:
        state = self._connection.connectionState
        if state == "connected":
            self.log.info("= connected to a client; this is a simulator, not OpenAI")
            self.media.start()
        elif state in ("failed", "closed"):
            self._end_soon(f"the connection is {state}")

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label != CHANNEL_LABEL or self._channel is not None:
            self.log.info("< channel %r ignored", channel.label)
            return
        self._channel = channel
        channel.on("message", self._on_message)
        channel.on("close", lambda: self._end_soon("the client closed its channel"))
        early, self._early_events = self._early_events, []
        self._perform([*self._engine.open(), *early])

    def _on_message(self, message: str | bytes) -> None:
        text = message if isinstance(message, str) else message.decode("utf-8", "replace")
        self._perform(self._engine.client_event(text, time.monotonic_ns()))
        self.media.wake()

    def _perform(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, SendEvent):
                self._send(action)
            elif isinstance(action, EndCall):
                loop = asyncio.get_running_loop()
                loop.call_later(_LAST_WORDS_S, self._end_soon, action.reason)

    def _send(self, action: SendEvent) -> None:
        if self._channel is None:  # Audio can be heard before the channel is there.
            if len(self._early_events) < _MAX_EARLY_EVENTS:
                self._early_events.append(action)
            return
        if self._channel.readyState != "open":
            return
        event = action.event
        self.log.debug("> %s", event["type"])
        if event["type"] == "response.done":
            for item in event["response"]["output"]:
                self.log.info("> says: %s", item["content"][0].get("transcript", "(text)"))
        try:
            self._channel.send(json.dumps(event))
        except ValueError as error:  # Longer than the client's limit.
            self.log.warning("! %s was not sent: %s", event["type"], error)
