"""One call and all that belongs to it: events, turns, audio both ways. A new call, a new one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from mixer_core.bus.errors import UpstreamError
from mixer_core.bus.frames import FLAG_PAUSE, Frame
from mixer_core.bus.metrics import Metrics
from mixer_core.bus.settings import OpenaiLinkSettings

from .aiortc_media import TappedPacket
from .captions import Caption
from .downlink import DownlinkFrame, DownlinkGate
from .events import Reducer
from .facts import Assistant, AssistantChanged, Fact, ResponseEnded, ServerError, SessionConfirmed
from .mixer_line import MixerLine
from .opus import OpusDecoder
from .rtp_audio import ReceivedFrame, RtpAudioReceiver
from .session import ClientEvents, Upstream, session_object
from .turns import Flush, ReplyEnded, ReplyStarted, Send, Tell, TurnAction, TurnPolicy
from .uplink import Uplink
from .webrtc import RealtimeCall

MAX_MESSAGE_CHARS = 500
"""Longest message of the server that is shown to people."""


class Conversation:
    """Drives one ``RealtimeCall``: feeds what comes in to the pure parts and does as they say."""

    def __init__(
        self,
        upstream: Upstream,
        settings: OpenaiLinkSettings,
        http: aiohttp.ClientSession,
        line: MixerLine,
        metrics: Metrics,
        log: logging.LoggerAdapter[logging.Logger],
        greet: bool,
        on_confirmed: Callable[[], None],
        on_assistant: Callable[[Assistant], None],
        on_lost: Callable[[UpstreamError], None],
        on_change: Callable[[], None],
    ) -> None:
        """``on_confirmed``: the session is ours. ``on_change``: a time-out may have moved."""
        self._line = line
        self._metrics = metrics
        self._log = log
        self._on_confirmed = on_confirmed
        self._on_assistant = on_assistant
        self._on_lost = on_lost
        self._on_change = on_change
        self._reducer = Reducer()
        events = ClientEvents()
        self._turns = TurnPolicy(events, settings.instructions, greet)
        self._uplink = Uplink(settings, metrics.histogram("uplink_latency_ms"))
        self._downlink_latency = metrics.histogram("downlink_latency_ms")
        self._receiver = RtpAudioReceiver(OpusDecoder(), gap_hold_ms=settings.gap_hold_ms)
        self._gate = DownlinkGate()
        self._closed = False
        self.confirmed = False
        """The server has our session: the microphones may be heard."""
        self.call = RealtimeCall(
            upstream,
            session_object(settings),
            http,
            self._uplink.track,
            log,
            on_up=self._up,
            on_packet=self._packet,
            on_event=self._server_event,
            on_lost=on_lost,
        )

    @property
    def assistant(self) -> Assistant:
        """What the assistant is doing."""
        return self._reducer.assistant

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``."""
        waiting = (
            self._uplink.pacer.next_timeout_ns(),
            self._receiver.next_timeout_ns(),
            self._gate.next_timeout_ns(),
            self._reducer.next_timeout_ns(),
        )
        return min((time_ns for time_ns in waiting if time_ns is not None), default=None)

    def tick(self, now_ns: int) -> None:
        """The time-out was reached."""
        self._uplink.tick(now_ns)
        self._received(self._receiver.pull(now_ns), now_ns)
        self._to_mixer(self._gate.tick(now_ns), now_ns)
        self._facts(self._reducer.tick(now_ns), now_ns)

    def room_audio(self, frame: Frame) -> None:
        """20 ms of the room's microphones. Before the session is confirmed nobody may hear it."""
        if not self.confirmed:
            self._metrics.count("uplink_held_frames_total")
            return
        now_ns = time.monotonic_ns()
        pause = bool(frame.flags & FLAG_PAUSE)
        self._uplink.frame(frame.payload, frame.stamp_ns, pause, now_ns)

    def browser_event(self, event: Mapping[str, Any]) -> None:
        """A control message of a browser."""
        self._apply(self._turns.on_browser(event), time.monotonic_ns())

    def audience(self) -> None:
        """Somebody is in the room and hears what is sent."""
        self._apply(self._turns.on_audience(), time.monotonic_ns())

    async def close(self) -> None:
        """Hang up; nothing is called back afterwards."""
        if self._closed:
            return
        self._closed = True
        now_ns = time.monotonic_ns()
        self._to_mixer(self._gate.end(now_ns), now_ns)
        for fact in self._reducer.close():
            if isinstance(fact, Caption):
                self._tell_caption(fact)
        self.update_metrics()
        await self.call.close()

    def update_metrics(self) -> None:
        """Refresh the gauges and counters that are kept elsewhere."""
        pacer, counters, gate = self._uplink.pacer, self._receiver.counters, self._gate
        values = {
            "uplink_frames_total": pacer.counters.frames,
            "uplink_silences_total": pacer.counters.silences,
            "uplink_dropped_frames_total": pacer.counters.dropped,
            "uplink_dropped_quiet_frames_total": pacer.counters.dropped_quiet,
            "uplink_unsent_packets_total": self._uplink.track.dropped,
            "uplink_starved_total": pacer.counters.starved,
            "downlink_packets_total": counters.received,
            "downlink_lost_packets_total": counters.lost,
            "downlink_late_packets_total": counters.late,
            "downlink_concealed_frames_total": counters.concealed,
            "downlink_flushed_frames_total": gate.dropped_old,
            "downlink_quiet_frames_total": gate.dropped_quiet,
            "server_events_total": self._reducer.events,
            "server_unknown_events_total": sum(self._reducer.unknown.values()),
            "server_bad_events_total": self.call.bad_events,
            "downlink_backlog_ms": self._receiver.waiting * 20,
            "uplink_backlog_ms": max(0, pacer.lead_ns(time.monotonic_ns())) // 1_000_000,
        }
        self._metrics.values.update(values)

    def _up(self) -> None:
        self._log.info("= connected")
        self._uplink.start(time.monotonic_ns())
        self._on_change()

    def _packet(self, packet: TappedPacket) -> None:
        if self._closed:
            return
        now_ns = packet.arrival_ns
        received = self._receiver.push(
            packet.seq, packet.timestamp, packet.payload, now_ns, packet.ssrc
        )
        self._received(received, now_ns)
        if self._receiver.waiting:
            self._on_change()

    def _received(self, received: list[ReceivedFrame], now_ns: int) -> None:
        for frame in received:
            passed = self._gate.frame(frame.pcm, frame.stamp_ns, now_ns, frame.concealed)
            self._to_mixer(passed, now_ns)

    def _to_mixer(self, frame: DownlinkFrame | None, now_ns: int) -> None:
        if frame is not None:
            self._line.audio(frame.pcm, frame.flags, frame.stamp_ns)
            self._downlink_latency.observe_ns(time.monotonic_ns() - frame.stamp_ns)

    def _server_event(self, event: Mapping[str, Any]) -> None:
        if self._closed:
            return
        now_ns = time.monotonic_ns()
        self._facts(self._reducer.feed(event, now_ns), now_ns)
        self._on_change()

    def _facts(self, facts: list[Fact], now_ns: int) -> None:
        for fact in facts:
            self._apply(self._turns.on_fact(fact), now_ns)
            match fact:
                case Caption():
                    self._tell_caption(fact)
                case AssistantChanged(assistant):
                    self._on_assistant(assistant)
                case SessionConfirmed(session) if not self.confirmed:
                    self.confirmed = True
                    self._log.info("= session %s confirmed", session)
                    self._on_confirmed()
                case ServerError():
                    self._server_error(fact)
                case ResponseEnded(status="failed"):
                    self._response_failed(fact)

    def _apply(self, actions: list[TurnAction], now_ns: int) -> None:
        for action in actions:
            match action:
                case Send(event):
                    self._reducer.sent(event)
                    if not self.call.send(event):
                        self._log.warning("! > %s: the channel is not open", event["type"])
                case Flush(reason):
                    self._log.debug("= flush: %s", reason)
                    self._metrics.count("flushes_total")
                    self._gate.flush(now_ns)
                    self._line.flush()
                case ReplyStarted():
                    self._gate.started()
                case ReplyEnded():
                    self._gate.stopped(now_ns)
                case Tell(event, addressee):
                    self._line.event(event, addressee)

    def _tell_caption(self, caption: Caption) -> None:
        self._line.event(
            {
                "type": "caption",
                "speaker": caption.speaker,
                "item": caption.item,
                "text": caption.text,
                "final": caption.final,
            }
        )

    def _server_error(self, error: ServerError) -> None:
        cause = f" (caused by {error.cause})" if error.cause else ""
        if error.benign:
            self._log.info("< benign error %s%s: %s", error.code, cause, error.message)
            return
        self._metrics.count("server_errors_total")
        self._log.warning("! < error %s%s: %s", error.code, cause, error.message)
        if error.fatal:
            self._on_lost(UpstreamError(error.code, error.message))
        else:
            message = error.message[:MAX_MESSAGE_CHARS]
            self._line.event({"type": "error", "code": error.code, "message": message})

    def _response_failed(self, ended: ResponseEnded) -> None:
        code, message = ended.code or "response_failed", ended.message or "no reason was given"
        self._log.warning("! < response %s failed: %s: %s", ended.response, code, message)
        if code in UpstreamError.FATAL_CODES:
            self._on_lost(UpstreamError(code, message))
            return
        words = f"The assistant could not answer ({code}): {message[:MAX_MESSAGE_CHARS]}"
        self._line.event({"type": "error", "code": code, "message": words})
