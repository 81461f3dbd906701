"""The shell of one session: feeds it, carries out its actions, re-arms one timer."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable

from mixer_core.bus import control, frames
from mixer_core.bus.audio_client import AudioPush, AudioSub
from mixer_core.runtime import process_usage
from mixer_core.runtime.errors import BrowserMessageError, FrameError
from mixer_core.runtime.lazy_timer import LazyTimer

from .actions import Action, Announce, Close, DropQueuedAudio, SendAudio, SendBus, SendControl
from .protocol.audio_messages import FRAME_MESSAGE_BYTES
from .protocol.gateway_messages import AssistantTraits
from .session import Session
from .settings import Settings
from .uplink import UplinkFrame
from .webrtc.peer import Peer, PeerEvents

CLOSE_S = 0.3
"""Longest wait for the peer connection to close."""
_KIND_OFFSET = 5
_AUDIO = int(frames.Kind.AUDIO)


class SessionShell:
    """One browser: its session, its peer connection, its sockets to the mixer."""

    def __init__(
        self,
        offer: control.Offer,
        settings: Settings,
        log: logging.LoggerAdapter[logging.Logger],
        announce: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        """``announce`` tells signaling the current state; ``ended`` is called once, at the end."""
        self.participant = offer.participant
        self._stream = offer.stream
        self._subject = offer.subject
        self._log = log
        self._announce = announce
        self._ended = ended
        loop = asyncio.get_running_loop()
        link = settings.openai_link
        assistant = AssistantTraits(
            link.turn_detection == "push_to_talk",
            link.output == "audio",
            link.image_max_edge_px if link.images else 0,
            link.image_max_bytes,
        )
        self._session = Session(offer, settings.media_worker, time.monotonic_ns(), assistant)
        self._timer = LazyTimer(loop, self._on_timer)
        self._bytes_in = 0
        self._bytes_out = 0
        self._bus_dropped = 0
        self._bad_frames = 0
        events = PeerEvents(
            self._on_opened, self._on_audio, self._on_text, self._on_unreadable, self._on_closed
        )
        network = settings.media_worker.network().announcing(offer.announced)
        self.peer = Peer(events, log, network, offer.ice_servers)
        directory, topic = settings.runtime_dir, frames.topic(offer.stream)
        self._heard_seq = frames.U32
        """Number of the last frame that came from the mixer."""
        self._to_mixer = AudioPush(loop, directory, self._on_mixer)
        self._from_mixer = AudioSub(loop, directory, topic, self._on_bus, self._on_mixer)

    def start(self) -> None:
        """The offer is answered: the connect deadline runs."""
        self._arm()

    def leave(self, code: str, message: str) -> None:
        """Signaling ends the session; see ``control.Leave``."""
        self._apply(self._session.leave(code, message))

    def set_room(self, order: control.SetRoom) -> None:
        """An admin, or its settings, have changed the room."""
        now_ns = time.monotonic_ns()
        self._apply(self._session.set_room(order.mode, order.rules, now_ns, order.ruled_mode))

    def silence(self, muted: bool, locked: bool) -> None:
        """An admin mutes the participant, or lets them speak again."""
        self._apply(self._session.silence(muted, locked, time.monotonic_ns()))

    def notice(self, code: str, message: str, in_ms: int) -> None:
        """Signaling tells something about the gateway; see ``control.Notice``."""
        self._apply(self._session.notice(code, message, in_ms))

    def stop(self, reason: str = "") -> None:
        """The process has to end; ``reason``: why, else the gateway shuts down."""
        self._apply(self._session.stopped(reason or "the gateway stops"))

    async def close(self) -> None:
        """Close the peer connection, without waiting long for a dead one, and the sockets."""
        self._timer.close()
        self._from_mixer.close()
        try:
            await asyncio.wait_for(self.peer.close(), CLOSE_S)
        except TimeoutError:
            self._log.warning("! the peer connection did not close within %s s", CLOSE_S)
        except Exception:  # aiortc's, of a connection that it has half set up.
            self._log.exception("! the peer connection cannot be closed")
        self._to_mixer.close()

    def state(self, worker: str) -> control.WorkerState:
        """The state for signaling."""
        info = self._session.info
        return control.WorkerState(
            worker=worker,
            pid=os.getpid(),
            status=self._session.status,
            room=info.room,
            participant=info.participant,
            stream=self._stream,
            name=info.name,
            muted=info.muted,
            mode=info.mode,
            detail=self._session.detail,
            metrics=self._metrics(),
            role=info.access,
            verified=info.verified,
            subject=self._subject,
            silenced=self._session.moderation.is_locked,
            rules=self._session.moderation.rules,
            place=info.place,
            ruled_mode=self._session.ruled_mode,
        )

    def _metrics(self) -> control.Metrics:
        outbox, uplink, intake = self._session.outbox, self._session.uplink, self._session.intake
        return {
            "frames_in_total": uplink.frames_total if uplink else 0,
            "frames_suppressed_total": uplink.suppressed_total if uplink else 0,
            "frames_overrun_total": uplink.dropped_total if uplink else 0,
            "frames_late_total": uplink.late_total if uplink else 0,
            "frames_out_total": outbox.sent_total,
            "frames_dropped_total": outbox.dropped_total + self.peer.stale_total,
            "frames_dropped_full_total": outbox.full_total,
            "frames_dropped_stale_total": outbox.stale_total + self.peer.stale_total,
            "frames_dropped_epoch_total": outbox.old_epoch_total,
            "frames_refused_total": self._session.moderation.refused_frames_total,
            "bus_dropped_total": self._bus_dropped,
            "bad_messages_total": intake.bad_total,
            "too_fast_messages_total": intake.too_fast_total,
            "bad_frames_total": self._bad_frames,
            "unknown_events_total": self._session.unknown_events_total,
            "handler_faults_total": self.peer.faults_total,
            "ice_checks_refused_total": self.peer.checks_refused_total,
            "excess_total": self.peer.excess_total,
            "bytes_in_total": self._bytes_in,
            "bytes_out_total": self._bytes_out,
            "audio_backlog_ms": outbox.backlog_ms,
            **process_usage.report(),
            "downlink_latency_ms": outbox.latency.report(),
        }

    # From the mixer

    def _on_mixer(self) -> None:
        """A mixer is there, perhaps one that knows nothing of us yet."""
        if self._to_mixer.is_connected and self._from_mixer.is_connected:
            self._apply(self._session.mixer_connected(time.monotonic_ns()))
            self._to_mixer.release()

    def _on_bus(self, data: bytes) -> None:
        """One message on this session's topic."""
        if len(data) == FRAME_MESSAGE_BYTES and data[_KIND_OFFSET] == _AUDIO:
            self._on_bus_audio(data)
            return
        try:
            frame = frames.decode(data)
        except FrameError:
            self._bad_frames += 1
            return
        self._apply(self._session.bus_frame(frame, time.monotonic_ns()))

    def _on_bus_audio(self, data: bytes) -> None:
        stream, version, _, epoch, seq, _, stamp_ns = frames.HEADER.unpack_from(data)
        if version != frames.VERSION or stream != self._stream:
            self._bad_frames += 1
            return
        self._heard_seq = seq
        current = self._session
        if current.status != "connected":
            return
        if frames.epoch_newer(epoch, current.epoch):
            self._apply(current.epoch_seen(epoch))
        peer = self.peer
        if current.outbox.admit(epoch, stamp_ns, peer.buffered_bytes(), time.monotonic_ns()):
            peer.send_audio(data if peer.framed else data[frames.HEADER_BYTES :])
            self._bytes_out += len(data)

    # From the browser

    def _on_opened(self, framed: bool) -> None:
        self._log.info("= channel open, %s protocol", "framed" if framed else "plain")
        self._apply(self._session.opened(framed=framed, now_ns=time.monotonic_ns()))

    def _on_audio(self, data: bytes) -> None:
        self._bytes_in += len(data)
        current = self._session
        if current.uplink is None or current.status != "connected":
            return
        if current.moderation.listens_only:
            self._apply(current.audio_of_listener())
            return
        now_ns = time.monotonic_ns()
        try:
            pieces = current.uplink.push(data, now_ns)
        except BrowserMessageError as error:
            self._apply(current.bad_audio(error, now_ns))
            return
        for piece in pieces:
            self._send_audio(piece)
        if not self.peer.framed:
            self._arm()

    def _on_text(self, text: str) -> None:
        self._bytes_in += len(text)
        self._apply(self._session.control_text(text, time.monotonic_ns()))

    def _on_unreadable(self, code: str, sentence: str) -> None:
        error = BrowserMessageError(code, sentence)
        self._apply(self._session.bad_audio(error, time.monotonic_ns()))

    def _on_closed(self, detail: str) -> None:
        self._apply(self._session.peer_closed(detail))

    # Carrying out actions

    def _apply(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case SendControl():
                    self._bytes_out += len(action.text)
                    self.peer.send_control(action.text)
                case SendAudio():
                    self._send_audio(action.frame)
                case SendBus():
                    self._send_bus(action)
                case DropQueuedAudio():
                    self._session.outbox.old_epoch_total += self.peer.drop_queued_audio()
                case Announce():
                    self._announce()
                case Close():
                    self._log.info("= closed: %s", action.detail)
                    self._ended()
        self._arm()

    def _send_bus(self, action: SendBus) -> None:
        """A START also says which frame is expected next, so that any mixer goes on counting."""
        seq = 0
        if action.kind is frames.Kind.START:
            seq = (self._heard_seq + 1) & frames.U32
            self._to_mixer.follow()
            self._from_mixer.follow()
        frame = frames.Frame(action.kind, self._stream, action.epoch, seq, payload=action.payload)
        is_repeated = action.kind is frames.Kind.START
        send = self._to_mixer.send if is_repeated else self._to_mixer.send_or_keep
        self._bus_dropped += not send(frames.encode(frame))

    def _send_audio(self, piece: UplinkFrame) -> None:
        epoch = self._session.epoch
        self._push(
            frames.encode_audio(
                self._stream, epoch, piece.seq, piece.flags, piece.stamp_ns, piece.pcm
            )
        )

    def _push(self, message: bytes) -> None:
        if not self._to_mixer.send(message):
            self._bus_dropped += 1

    def _arm(self) -> None:
        due_ns = self._session.next_timeout_ns()
        if due_ns is None:
            self._timer.stop()
        else:
            self._timer.arm(due_ns)

    def _on_timer(self) -> None:
        self._apply(self._session.timeout(time.monotonic_ns(), self.peer.heard_ns))
