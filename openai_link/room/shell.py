"""One room's shell: sockets, tasks and threads around the engine.

It feeds the engine what happens, has done what the engine returns (``deeds``), and arms one timer.
Sound takes the short way: a frame of the room goes straight to the transport, a frame of the reply
to the mixer.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from mixer_core.bus.control import (
    Grant,
    LinkStatus,
    OpenLink,
    PictureAnswer,
    PicturePiece,
    SpentElsewhere,
    Yield,
    Yielded,
)
from mixer_core.bus.events import StreamInfo
from mixer_core.bus.frames import FLAG_PAUSE, Frame
from mixer_core.bus.pcm import FRAME_BYTES
from mixer_core.journal.file import local_day
from mixer_core.journal.records import SIMULATED
from mixer_core.runtime import boot_clock, process_usage
from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.lazy_timer import LazyTimer
from mixer_core.runtime.units import MS_NS, S_NS

from ..realtime.upstream import Upstream
from ..room_settings import RoomSettings
from ..settings import Settings
from ..tools.runner import ToolRunner
from ..transcript.journal import Journal
from ..transport import selection_memory
from ..transport.factory import make_transport, open_http
from ..transport.interface import Callbacks
from ..transport.selection_memory import Learnt
from ..transport.ways import Ways
from . import guard
from .actions import Action, OpenSession
from .caption_pace import CaptionPace
from .deeds import Deeds, Doers, Tellers
from .engine import RoomEngine
from .mixer_client import MixerClient
from .parts import RoomConfig
from .picture_intake import PictureIntake
from .recorder import Recorder
from .room_tools import Toolset
from .trace_export import TraceExport
from .transports import RoomTransports
from .voice_sockets import VoiceSockets

RESUME_S = 300.0
"""A conversation that nobody ended, because the process died, goes on after at most this time."""
STALE = "stale"
"""Why sessions end whose room another machine has for good."""
CLOCK_NS = S_NS
"""Between two readings of the system's clock."""


class RoomShell:
    """Runs one ``RoomEngine`` on the event loop."""

    def __init__(
        self,
        order: OpenLink,
        upstream: Upstream,
        settings: Settings,
        log: logging.LoggerAdapter[logging.Logger],
        on_change: Callable[[], None],
        on_exit: Callable[[], None],
        on_picture: Callable[[PictureAnswer], object],
        on_yielded: Callable[[Yielded], object],
    ) -> None:
        """Open the room.

        Args:
            order: which room.
            upstream: the server.
            settings: of the link.
            log: of the room.
            on_change: announce the state.
            on_exit: the room is empty, end the process.
            on_picture: tell signaling what became of a picture.
            on_yielded: tell signaling that the room was left to another machine.
        """
        known = RoomSettings.of(settings, order.room)
        self._settings = known.link
        self._upstream = replace(upstream.for_room(order.room), model=known.link.model)
        self._runtime_dir = settings.runtime_dir
        self._log = log
        self._on_picture = on_picture
        self._on_yielded = on_yielded
        self._is_elsewhere = order.standby
        """Another machine has the room."""
        self._yields: Yield | None = None
        """The order to leave the room."""
        self._intake = PictureIntake(settings.openai_link.image_max_bytes)
        self._loop = asyncio.get_running_loop()
        now_ns = time.monotonic_ns()
        learnt = selection_memory.recall(self._runtime_dir, upstream.base_url, now_ns)
        self._ways = Ways(upstream, self._settings.transport, learnt.way)
        config = _config(order, upstream, known, learnt)
        self.engine = RoomEngine(config, _wall_ms(), now_ns)
        self._guard: guard.Guard | None = None
        """In a cluster: looks whether the room is this machine's."""
        self._guard_due_ns: int | None = None
        """When it has to look, whatever happens."""
        self.metrics = self.engine.metrics
        self._uplink_latency = self.metrics.histogram("uplink_latency_ms")
        self._downlink_latency = self.metrics.histogram("downlink_latency_ms")
        self._timer = LazyTimer(self._loop, self._on_time)
        self._due_ns: int | None = None
        """When the timer fires; None: it does not."""
        self._clock_due_ns = now_ns + CLOCK_NS
        self._tasks: set[asyncio.Task[None]] = set()
        self._conversation = asyncio.Lock()
        """Held while it is taken from the journal, or deleted: so deleted words do not return."""
        self._transports = RoomTransports(log, self._start, self._lost)
        self._http = open_http(upstream, self._settings)
        self._captions = CaptionPace()
        self._traces = TraceExport(self._settings.traces_url, order.room, log)
        self._tools = ToolRunner(self._settings, log, self._tools_changed, self._tool_answered)
        self._journal = Journal.open(
            replace(settings, openai_link=known.link),
            order.room,
            log,
            self._journal_failed,
            self._day_spent,
            self._stale,
            epoch=order.epoch,
            standby=order.standby,
        )
        info = StreamInfo("link", order.room, mode=order.mode, opened_ns=now_ns)
        self._mixer = MixerClient(
            settings.runtime_dir,
            order.stream,
            info,
            self._room_audio,
            self._mixer_event,
            log,
            self._arm,
            self._track,
        )
        self._voices = VoiceSockets(
            self._upstream,
            self._http,
            self._start,
            lambda who: self._did(self.engine.voice_opened(who, time.monotonic_ns())),
            lambda who, event: self._did(self.engine.voice_event(who, event, time.monotonic_ns())),
            lambda who, words: self._did(self.engine.voice_lost(who, words, time.monotonic_ns())),
        )
        self._recorder = Recorder(
            order.room,
            settings.state_dir,
            self._settings.recording_free_mib,
            self.engine,
            self._mixer,
            self._recording_failed,
            log,
        )
        tellers = Tellers(
            open_session=self._open,
            journal_written=self._written,
            picture_answered=on_picture,
            state_changed=on_change,
            room_yielded=self._yielded,
            room_over=on_exit,
        )
        self._deeds = self._make_deeds(tellers)
        if order.epoch:
            self._begin_guarded(order, now_ns)
        self._do(self.engine.open(now_ns))
        self._tools.start()
        self._start(self._recover(order.room))
        self._arm()

    def _make_deeds(self, tellers: Tellers) -> Deeds:
        doers = Doers(
            transports=self._transports,
            mixer=self._mixer,
            captions=self._captions,
            journal=self._journal,
            tools=self._tools,
            traces=self._traces,
            recorder=self._recorder,
            voices=self._voices,
            log=self._log,
        )
        return Deeds(doers, tellers, self._runtime_dir, self._upstream.base_url, self._ways)

    # -- for the child ----------------------------------------------------------------------------

    @property
    def status(self) -> LinkStatus:
        """How the connection is, for signaling."""
        return self.engine.state

    @property
    def detail(self) -> str:
        """Why it is so, in words."""
        return self.engine.detail

    def change_rules(self, settings: RoomSettings) -> None:
        """The room's settings are these from now on; what can change in a call does."""
        self._upstream = replace(self._upstream, model=settings.link.model)
        self._journal.keep_words(settings.rules.transcript)
        self._did(self.engine.change_rules(settings, time.monotonic_ns()))

    def set_load(self, level: int) -> None:
        """The gateway is as loaded as that, from 0 to 3: captions come less often."""
        self._captions.set_load(level)
        self._arm()

    def spent_elsewhere(self, spent: SpentElsewhere) -> None:
        """What the other nodes of the cluster have spent."""
        amounts = {spent.day: spent.usd, spent.day + SIMULATED: spent.simulated_usd}
        self._did(self.engine.spent_elsewhere(amounts, time.monotonic_ns()))

    def picture_piece(self, piece: PicturePiece) -> None:
        """A piece of a picture that somebody shows."""
        for found in self._intake.piece(piece):
            if isinstance(found, PictureAnswer):
                self._on_picture(found)
            else:
                self._did(self.engine.picture(piece.upload, found, time.monotonic_ns()))

    async def forget(self, conversation: int, name: str) -> None:
        """Forget what was said so far, if it is of that conversation; returns once it is deleted.

        ``conversation``: its id in the journal; 0: whichever goes on.
        """
        async with self._conversation:
            if conversation and not await self._journal.is_of(conversation):
                return
            self._did(self.engine.forget(name, time.monotonic_ns()))
        self._captions.forget()
        deleted = asyncio.Event()
        self._journal.write((), deleted.set)
        await deleted.wait()

    def _begin_guarded(self, order: OpenLink, now_ns: int) -> None:
        boot_ns = boot_clock.now_ns()
        self._guard = guard.Guard(order.epoch, order.until_ns, order.standby, boot_ns)
        if self._guard.is_paused:
            self._do(self.engine.suspend(guard.REASON, guard.WORDS, now_ns))
        self._watch_guard(now_ns)

    def _watch_guard(self, now_ns: int) -> None:
        left_ns = None if self._guard is None else self._guard.left_ns(boot_clock.now_ns())
        self._guard_due_ns = None if left_ns is None else now_ns + left_ns

    def _look(self) -> None:
        """Before anything else of a room in a cluster: end all sessions if it is time."""
        if self._guard is not None and self._guard.must_pause(boot_clock.now_ns()):
            self._pause()

    def _pause(self) -> None:
        self._guard_due_ns = None
        self._log.warning("! fenced: the room is not granted any more")
        self._voices.lose_all(guard.WORDS)
        self._did(self.engine.suspend(guard.REASON, guard.WORDS, time.monotonic_ns()))

    def grant(self, grant: Grant) -> None:
        """The room is this machine's until then."""
        self._look()
        if self._guard is not None:
            change = self._guard.grant(grant.epoch, grant.until_ns, boot_clock.now_ns())
            now_ns = time.monotonic_ns()
            self._watch_guard(now_ns)
            if change == "pause":
                self._pause()
            elif change == "resume":
                self._log.info("= the room is granted again")
                self._did(self.engine.resume(guard.REASON, now_ns))
            self._arm()
        if self._is_elsewhere and grant.until_ns:
            self._is_elsewhere = False
            self._start(self._take_over(grant.epoch))

    async def _take_over(self, epoch: int) -> None:
        """The room of another machine is here: the session that was prepared gets it."""
        await self._journal.grant(epoch)
        async with self._conversation:
            items = await self._journal.recover(RESUME_S)
            self._did(self.engine.granted(items, time.monotonic_ns()))
        self._journal.let_go()

    def _stale(self, words: str) -> None:
        """Another machine has the room for good."""
        if self._yields is None:  # Else it was given to it.
            self._log.warning("! %s", words)
        self._did(self.engine.suspend(STALE, words, time.monotonic_ns()))

    def leave_room(self, order: Yield) -> None:
        """Leave the room in its next pause, for another machine."""
        self._yields = order
        self._did(self.engine.yield_room(order.within_ms * MS_NS, time.monotonic_ns()))

    def stay(self) -> None:
        """The room stays here after all."""
        self._yields = None
        self._did(self.engine.stay(time.monotonic_ns()))

    def owe_answer(self) -> None:
        """The machine that had the room before owes people an answer."""
        self._did(self.engine.owes_answer(time.monotonic_ns()))

    def _yielded(self, owed: bool) -> None:
        order = self._yields
        if order is not None:
            told = Yielded(order.room, order.order, owed)
            self._journal.write((), partial(self._tell_yielded, order, told))

    def _tell_yielded(self, order: Yield, told: Yielded) -> None:
        """All that was said is written."""
        if self._yields is order:  # Else the room stays here after all.
            self._on_yielded(told)

    def update_metrics(self) -> None:
        """Refresh ``metrics``."""
        values = self.metrics.values
        values.update(process_usage.report())
        values.update(self.engine.counters())
        values.update(self._transports.counters())
        values["turns_untraced_total"] = self._traces.lost
        active = self._transports.get(self.engine.active_session)
        backlog = (0, 0) if active is None else active.backlog_ms(time.monotonic_ns())
        values["uplink_backlog_ms"], values["downlink_backlog_ms"] = backlog
        values["downlink_frames_total"] = self._mixer.sent
        values["mixer_dropped_messages_total"] = self._mixer.dropped
        values["mixer_bad_messages_total"] = self._mixer.bad
        values["mixer_unsent_events_total"] = self._mixer.unsent_events

    async def close(self) -> None:
        """End the sessions, the tools and the journal, and say STOP; bounded by the caller."""
        self._do(self.engine.stop(time.monotonic_ns()))
        self._timer.close()
        try:
            ends = await asyncio.gather(
                self._tools.close(),
                self._journal.close(),
                self._loop.run_in_executor(None, self._traces.close),
                self._loop.run_in_executor(None, self._recorder.close),
                self._voices.close_all(),
                *self._tasks,
                return_exceptions=True,
            )
            for error in ends:
                if isinstance(error, Exception):
                    self._log.warning("! the room did not close: %r", error)
        finally:
            self._mixer.close()
            await self._http.close()

    # -- time -------------------------------------------------------------------------------------

    def _on_time(self) -> None:
        now_ns = time.monotonic_ns()
        self._due_ns = None
        try:
            self._look()
            self._mixer.tick(now_ns)
            self._recorder.tick(now_ns)
            if now_ns >= self._clock_due_ns:
                self._clock_due_ns = now_ns + CLOCK_NS
                self.engine.wall_clock(_wall_ms(), now_ns)
            for number, transport in self._transports.all():
                transport.tick(now_ns)
                self.engine.session_received(number, transport.last_received_ns, now_ns)
            self._do(self.engine.tick(now_ns))
            for caption in self._captions.tick(now_ns):
                self._mixer.event(caption.event, caption.addressee)
        finally:  # Whatever went wrong (the loop logs it), time goes on.
            self._arm()

    def _arm(self) -> None:
        """Any deadline may have moved."""
        self._due_ns = None
        self._arm_by(self._mixer.next_timeout_ns())
        self._arm_by(self._recorder.next_timeout_ns())
        self._arm_by(self.engine.next_timeout_ns())
        self._arm_by(self._captions.next_timeout_ns())
        self._arm_by(self._guard_due_ns)
        for _, transport in self._transports.all():
            self._arm_by(transport.next_timeout_ns())

    def _arm_by(self, deadline_ns: int | None) -> None:
        """Wake up at ``deadline_ns`` at the latest."""
        if deadline_ns is not None and (self._due_ns is None or deadline_ns < self._due_ns):
            self._due_ns = deadline_ns
            self._timer.arm(deadline_ns)

    # -- sound ------------------------------------------------------------------------------------

    def _room_audio(self, frame: Frame) -> None:
        if self._guard is not None:
            self._look()
        now_ns = time.monotonic_ns()
        self.engine.room_slot(frame.seq, now_ns)
        number, actions = self.engine.room_audio(frame.payload, frame.flags, now_ns)
        transport = self._transports.get(number)
        if transport is not None:
            pause = bool(frame.flags & FLAG_PAUSE)
            transport.frame(frame.payload, frame.stamp_ns, pause, now_ns)
            self._arm_by(transport.next_timeout_ns())
        if actions:
            self._do(actions)
            self._arm()

    def _track(self, frame: Frame) -> None:
        """20 ms of one voice by itself, for the recording and for its own words."""
        self._recorder.track(frame)
        if not self.engine.hears_voices:
            return
        if self._guard is not None:
            self._look()
            if self._guard.is_paused:
                return
        who = frame.payload[FRAME_BYTES:].decode(errors="replace")
        if who:
            now_ns = time.monotonic_ns()
            self._do(self.engine.voice_frame(who, frame.payload[:FRAME_BYTES], now_ns))

    def _reply_audio(
        self, session: int, pcm: bytes, stamp_ns: int, now_ns: int, concealed: bool
    ) -> None:
        if self._guard is not None:
            self._look()
        frame = self.engine.reply_audio(session, pcm, stamp_ns, concealed, now_ns)
        if frame is not None:
            pcm = self._recorder.voice(frame.pcm, now_ns)
            self._mixer.audio(pcm, frame.flags, frame.stamp_ns)
            self._downlink_latency.observe_ns(time.monotonic_ns() - frame.stamp_ns)
        if self.engine.has_heard:
            self._did(self.engine.tick(now_ns))

    # -- what the mixer brings --------------------------------------------------------------------

    def _mixer_event(self, event: dict[str, Any]) -> None:
        self._look()
        now_ns = time.monotonic_ns()
        self.engine.mixer_epoch(self._mixer.epoch)
        match event["type"]:
            case "speech":
                actions = self.engine.speech(event, now_ns)
                if not actions:
                    return
                self._do(actions)
            case "identify":
                pass
            case "participants":
                self._do(self.engine.roster(event, now_ns))
            case "confirm" if self._guard is not None and self._guard.is_paused:
                pass  # Another machine may have the room, and asks for itself.
            case _:
                self._do(self.engine.browser_event(event, now_ns))
        self._arm()

    # -- what the transports bring ----------------------------------------------------------------

    def _open(self, action: OpenSession) -> None:
        number = action.session
        if self._guard is not None and not self._guard.may_open(boot_clock.now_ns()):
            self._loop.call_soon(self._pause)  # Before the connection is begun.
        model = str(action.description.get("model") or self._upstream.model)
        transport = make_transport(
            action.kind,
            replace(self._upstream, model=model),
            self._settings,
            self._http,
            self._uplink_latency,
            self._log,
            Callbacks(
                on_answered=partial(self._answered, number),
                on_up=partial(self._up, number),
                on_event=partial(self._server_event, number),
                on_audio=partial(self._reply_audio, number),
                on_delivered=partial(self._delivered, number),
                on_lost=partial(self._lost, number),
                on_change=self._arm,
            ),
            self._ways,
        )
        self._transports.open(number, transport, action.description)

    def _answered(self, session: int) -> None:
        self._look()
        if self._transports.get(session) is None:
            return
        transport, now_ns = self._transports[session], time.monotonic_ns()
        self._did(
            self.engine.session_answered(
                session, transport.simulated, now_ns, knows_session=transport.knows_session
            )
        )

    def _up(self, session: int) -> None:
        self._look()
        self._did(self.engine.session_up(session, time.monotonic_ns()))

    def _server_event(self, session: int, event: Mapping[str, Any]) -> None:
        if self._guard is not None:
            self._look()
        self._did(self.engine.server_event(session, event, time.monotonic_ns()))

    def _delivered(self, session: int, item: str, samples: int) -> None:
        self.engine.samples_delivered(session, item, samples, time.monotonic_ns())

    def _lost(self, session: int, error: UpstreamError) -> None:
        self._did(self.engine.session_lost(session, error, time.monotonic_ns()))

    # -- what the journal and the tools bring -----------------------------------------------------

    async def _recover(self, room: str) -> None:
        journal = self._journal
        known = journal.catch_up if self._is_elsewhere else journal.recover
        async with self._conversation:
            items = await known(RESUME_S)
            day, cost_usd = await journal.day_total(self._upstream.simulated)
            room_usd = await journal.room_total(day)
            now_ns = time.monotonic_ns()
            told = self.engine.journal_recovered(items, day, cost_usd, now_ns, room_usd=room_usd)
            self._did(told)
        left = await self._recorder.left(_wall_ms() - round(RESUME_S * 1000))
        if left:
            self._did(self.engine.recording_left(left, time.monotonic_ns()))

    def _written(self, ticket: int) -> None:
        self._did(self.engine.journal_written(ticket, time.monotonic_ns()))

    def _journal_failed(self, message: str) -> None:
        self._did(self.engine.journal_failed(message, time.monotonic_ns()))

    def _recording_failed(self, words: str) -> None:
        self._did(self.engine.end_recording(words, time.monotonic_ns()))

    def _day_spent(self, day: str, cost_usd: float) -> None:
        self._did(self.engine.day_spent(day, cost_usd, time.monotonic_ns()))

    def _tools_changed(self) -> None:
        self._look()
        tools = Toolset(self._tools.specs, self._tools.definitions(), self._tools.problems)
        self._did(self.engine.tools_changed(tools, time.monotonic_ns()))

    def _tool_answered(self, call: str, output: str) -> None:
        self._look()
        self._did(self.engine.tool_answered(call, output, time.monotonic_ns()))

    # -- actions ----------------------------------------------------------------------------------

    def _did(self, actions: list[Action]) -> None:
        self._do(actions)
        self._arm()

    def _do(self, actions: list[Action]) -> None:
        self._deeds.do(actions)

    def _start(self, work: Any) -> asyncio.Task[None]:
        """Run ``work`` in a task; whatever goes wrong is logged."""
        task: asyncio.Task[None] = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._log.error("! a task of the room failed", exc_info=error)


def _config(
    order: OpenLink, upstream: Upstream, settings: RoomSettings, learnt: Learnt
) -> RoomConfig:
    """What the room's engine is given."""
    return RoomConfig(
        room=order.room,
        settings=settings.link,
        rules=settings.rules,
        usual=settings.usual,
        upstream=upstream,
        mark=secrets.token_hex(3),
        day_of=partial(local_day, simulated=upstream.simulated),
        jitter=random.random,
        websocket_until_ns=learnt.websocket_until_ns,
        allowed_ns=learnt.allowed_ns,
        verify=order.verify,
        standby=order.standby,
    )


def _wall_ms() -> int:
    return time.time_ns() // MS_NS
