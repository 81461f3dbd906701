"""One room's shell: joins its engine to sockets, tasks and threads, and does what signaling wants.

==================  ===============================================================================
module              does
==================  ===============================================================================
``mixer_feed``      feeds the engine what the mixer brings, and the room's sound to the server
``session_feed``    feeds it what the servers bring, and the reply's sound to the mixer
``journal_feed``    feeds it what the journal brings
``ownership``       obeys the cluster: the room is granted, paused, left or taken over
``driver``          has done what the engine returns (``deeds``), and arms one timer
==================  ===============================================================================
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from mixer_core.bus.control import (
    LinkStatus,
    OpenLink,
    PictureAnswer,
    PicturePiece,
    SpentElsewhere,
    Yielded,
)
from mixer_core.bus.frames import Frame
from mixer_core.journal.file import local_day
from mixer_core.journal.records import SIMULATED
from mixer_core.runtime import process_usage
from mixer_core.runtime.units import MS_NS, S_NS

from ..realtime.upstream import Upstream
from ..room_settings import RoomSettings
from ..settings import Settings
from ..tools.runner import ToolRunner
from ..transport import selection_memory
from ..transport.factory import open_http
from ..transport.selection_memory import Learnt
from ..transport.ways import Ways
from .caption_pace import CaptionPace
from .deeds import Deeds, Doers, Tellers
from .driver import Driver
from .engine import RoomEngine
from .journal_feed import RESUME_S, JournalFeed
from .mixer_feed import MixerFeed
from .ownership import Ownership
from .parts import RoomConfig
from .picture_intake import PictureIntake
from .recorder import Recorder
from .room_tools import Toolset
from .session_feed import SessionFeed
from .trace_export import TraceExport
from .transports import RoomTransports
from .unwritten import CLUSTER_TIMEOUT_NS, JOURNAL_TIMEOUT_NS
from .voice_sockets import VoiceSockets

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
        now_ns = time.monotonic_ns()
        known = RoomSettings.of(settings, order.room)
        own = replace(upstream.for_room(order.room), model=known.link.model)
        learnt = selection_memory.recall(settings.runtime_dir, upstream.base_url, now_ns)
        config = _config(order, upstream, known, learnt)
        self.engine = RoomEngine(config, _wall_ms(), now_ns)
        self.metrics = self.engine.metrics
        self._driver = Driver(self.engine, self._on_time, log)
        self._clock_due_ns = now_ns + CLOCK_NS
        self._is_simulated = upstream.simulated
        self._intake = PictureIntake(settings.openai_link.image_max_bytes)
        self._on_picture = on_picture
        self._http = open_http(upstream, known.link)
        voices = self._open_voices(own)
        of_room = replace(settings, openai_link=known.link)
        self._journal_feed = JournalFeed(order, of_room, self._driver, self._stale)
        self.ownership = Ownership(
            order, self._driver, self._journal_feed, voices, on_yielded, on_exit
        )
        transports = RoomTransports(log, self._driver.start)
        self._mixer_feed = MixerFeed(
            order, settings.runtime_dir, self._driver, self.ownership, transports, self._track
        )
        self._to = Doers(
            transports=transports,
            mixer=self._mixer_feed.mixer,
            captions=CaptionPace(),
            journal=self._journal_feed.journal,
            tools=ToolRunner(known.link, log, self._tools_changed, self._tool_answered),
            traces=TraceExport(known.link.traces_url, order.room, log),
            recorder=self._make_recorder(order, of_room),
            voices=voices,
            log=log,
        )
        ways = Ways(upstream, known.link.transport, learnt.way)
        self._session_feed = SessionFeed(
            own, known.link, self._http, ways, self._driver, self.ownership, self._to
        )
        tellers = Tellers(
            open_session=self._session_feed.open,
            journal_written=self._journal_feed.written,
            picture_answered=on_picture,
            state_changed=on_change,
            room_yielded=self.ownership.yielded,
            room_over=on_exit,
        )
        self._begin(Deeds(self._to, tellers, settings.runtime_dir, upstream.base_url, ways))

    def _open_voices(self, upstream: Upstream) -> VoiceSockets:
        did, engine = self._driver.did, self.engine
        return VoiceSockets(
            upstream,
            self._http,
            self._driver.start,
            lambda who: did(engine.voice_opened(who, time.monotonic_ns())),
            lambda who, event: did(engine.voice_event(who, event, time.monotonic_ns())),
            lambda who, words: did(engine.voice_lost(who, words, time.monotonic_ns())),
        )

    def _make_recorder(self, order: OpenLink, settings: Settings) -> Recorder:
        return Recorder(
            order.room,
            settings.state_dir,
            settings.openai_link.recording_free_mib,
            self.engine,
            self._mixer_feed.mixer,
            self._recording_failed,
            self._left_out,
            self._driver.log,
        )

    def _begin(self, deeds: Deeds) -> None:
        to, now_ns = self._to, time.monotonic_ns()
        self._driver.begin(
            deeds,
            [
                to.mixer.next_timeout_ns,
                to.recorder.next_timeout_ns,
                self.engine.next_timeout_ns,
                to.captions.next_timeout_ns,
                self.ownership.next_timeout_ns,
                to.transports.next_timeout_ns,
            ],
        )
        self.ownership.begin(now_ns)
        self._driver.do(self.engine.open(now_ns))
        to.tools.start()
        self._driver.start(self._recover())
        self._driver.arm()

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
        self._session_feed.use_model(settings.link.model)
        self._to.journal.keep_words(settings.rules.transcript)
        self._driver.did(self.engine.change_rules(settings, time.monotonic_ns()))

    def set_load(self, level: int) -> None:
        """The gateway is as loaded as that, from 0 to 3: captions come less often."""
        self._to.captions.set_load(level)
        self._driver.arm()

    def spent_elsewhere(self, spent: SpentElsewhere) -> None:
        """What the other nodes of the cluster have spent."""
        amounts = {spent.day: spent.usd, spent.day + SIMULATED: spent.simulated_usd}
        self._driver.did(self.engine.spent_elsewhere(amounts, time.monotonic_ns()))

    def picture_piece(self, piece: PicturePiece) -> None:
        """A piece of a picture that somebody shows."""
        for found in self._intake.piece(piece):
            if isinstance(found, PictureAnswer):
                self._on_picture(found)
            else:
                now_ns = time.monotonic_ns()
                self._driver.did(self.engine.picture(piece.upload, found, now_ns))

    async def forget(self, conversation: int, name: str) -> None:
        """Forget what was said so far, if it is of that conversation; returns once it is deleted.

        ``conversation``: its id in the journal; 0: whichever goes on.
        """
        if await self._journal_feed.forget(conversation, name):
            self._to.captions.forget()
            await self._journal_feed.all_written()

    def update_metrics(self) -> None:
        """Refresh ``metrics``."""
        to, values = self._to, self.metrics.values
        values.update(process_usage.report())
        values.update(self.engine.counters())
        values.update(to.transports.counters())
        values.update(to.journal.counters())
        values["turns_untraced_total"] = to.traces.lost
        active = to.transports.get(self.engine.active_session)
        backlog = (0, 0) if active is None else active.backlog_ms(time.monotonic_ns())
        values["uplink_backlog_ms"], values["downlink_backlog_ms"] = backlog
        values["downlink_frames_total"] = to.mixer.sent
        values["mixer_dropped_messages_total"] = to.mixer.dropped
        values["mixer_bad_messages_total"] = to.mixer.bad
        values["mixer_unsent_events_total"] = to.mixer.unsent_events

    async def close(self) -> None:
        """End the sessions, the tools and the journal, and say STOP; bounded by the caller."""
        self._driver.do(self.engine.stop(time.monotonic_ns()))
        running = self._driver.stop()
        loop, to = asyncio.get_running_loop(), self._to
        try:
            ends = await asyncio.gather(
                to.tools.close(),
                to.journal.close(),
                loop.run_in_executor(None, to.traces.close),
                loop.run_in_executor(None, to.recorder.close),
                to.voices.close_all(),
                *running,
                return_exceptions=True,
            )
            for error in ends:
                if isinstance(error, Exception):
                    to.log.warning("! the room did not close: %r", error)
        finally:
            to.mixer.close()
            await self._http.close()

    # -- for the parts ----------------------------------------------------------------------------

    def _on_time(self, now_ns: int) -> None:
        self.ownership.look()
        self._to.mixer.tick(now_ns)
        self._to.recorder.tick(now_ns)
        if now_ns >= self._clock_due_ns:
            self._clock_due_ns = now_ns + CLOCK_NS
            self.engine.wall_clock(_wall_ms(), now_ns)
        for number, transport in self._to.transports.all():
            transport.tick(now_ns)
            self.engine.session_received(number, transport.last_received_ns, now_ns)
        self._driver.do(self.engine.tick(now_ns))
        for caption in self._to.captions.tick(now_ns):
            self._to.mixer.event(caption.event, caption.addressee)

    async def _recover(self) -> None:
        await self._journal_feed.recover(self._is_simulated, self.ownership.is_elsewhere)
        left = await self._to.recorder.left(_wall_ms() - round(RESUME_S * 1000))
        if left:
            self._driver.did(self.engine.recording_left(left, time.monotonic_ns()))

    def _track(self, frame: Frame) -> None:
        """20 ms of one voice by itself, for the recording and for its own words."""
        self._to.recorder.track(frame)
        self._mixer_feed.voice(frame)

    def _recording_failed(self, words: str) -> None:
        self._driver.did(self.engine.end_recording(words, time.monotonic_ns()))

    def _left_out(self, name: str) -> None:
        self._driver.did(self.engine.left_out_of_recording(name, time.monotonic_ns()))

    def _stale(self, words: str) -> None:
        self.ownership.stale(words)

    def _tools_changed(self) -> None:
        self.ownership.look()
        tools = self._to.tools
        toolset = Toolset(tools.specs, tools.definitions(), tools.problems)
        self._driver.did(self.engine.tools_changed(toolset, time.monotonic_ns()))

    def _tool_answered(self, call: str, output: str) -> None:
        self.ownership.look()
        self._driver.did(self.engine.tool_answered(call, output, time.monotonic_ns()))


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
        journal_timeout_ns=CLUSTER_TIMEOUT_NS if order.epoch else JOURNAL_TIMEOUT_NS,
        standby=order.standby,
    )


def _wall_ms() -> int:
    return time.time_ns() // MS_NS
