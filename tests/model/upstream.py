"""The Realtime server: the simulator's engine behind a transport; and a journal."""

from __future__ import annotations

import asyncio
import json
import random
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mixer_core.bus.pcm import FRAME_NS, SILENCE
from mixer_core.journal.records import (
    ClosedRecord,
    HistoryItem,
    ItemRecord,
    Record,
    RemovedRecord,
    UsageRecord,
)
from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.simulator.brains.rules import Script
from openai_link.simulator.brains.script import ScriptBrain
from openai_link.simulator.engine.brain import Recognition
from openai_link.simulator.engine.options import EngineOptions
from openai_link.simulator.engine.server_events import EndCall
from openai_link.simulator.engine.session_config import create_session
from openai_link.simulator.engine.session_engine import SessionEngine
from openai_link.transport.interface import Callbacks
from tests.openai_link.simulator.scripted import RULES

from .clock import WALL_NS, Process, this_process

MARK = struct.Struct("<HHHHH")
"""In the first samples of a frame of a reply: magic, link, session, zero, its number."""
MAGIC = 0x5A7E
CONNECT_NS = 60 * MS_NS
IDLE_NS = 100 * MS_NS
"""Between two looks at a session in which nothing happens."""
BUSY_NS = 600 * MS_NS
"""After anything happened every frame counts for so long."""
REGULAR = dict.fromkeys(("omit_rate_limits", "null_previous_in_done", "padded_arguments"), "never")


class _Brain(ScriptBrain):
    def __init__(self) -> None:
        super().__init__(Script(prefix="", ms_per_character=40, rules=RULES))

    def recognize(self, spoken_turn: int) -> Recognition | None:
        return Recognition(f"Spoken turn {spoken_turn}.")


class Upstream:
    """The server's process; a new one after each death."""

    def __init__(self, loop: Any, process: Process) -> None:
        self.loop, self.process = loop, process


class Call:
    """A transport and the session at its other end."""

    kind = "webrtc"
    call_id = "rtc_1"
    knows_session = True
    simulated = False
    bad_events = 0

    def __init__(self, house: Any, callbacks: Callbacks) -> None:
        self._house = house
        self._loop = house.loop
        self._callbacks = callbacks
        self._link = this_process()
        self.number = next(house.calls) & 0xFFFF
        self._server: Upstream | None = None
        self._engine: SessionEngine | None = None
        self._closed = False
        self._pump: Any = None
        self._busy_ns = 0
        self._heard: list[tuple[bytes, int]] = []
        self._frames = 0
        self.last_received_ns = 0

    # -- the transport's side, in the link's process ----------------------------------------------

    async def connect(self, session: Mapping[str, Any]) -> None:
        await asyncio.sleep(CONNECT_NS / S_NS)
        server = self._house.upstream
        if server is None or not server.process.is_alive:
            raise UpstreamError("unreachable", "nobody listens there")
        if self._closed:
            return
        self._server = server
        expires_s = WALL_NS // S_NS + 3_600 + self._house.elapsed_ns // S_NS
        fields = create_session(f"sess_{self.number}", expires_s, session)
        options = EngineOptions(session_limit_s=3_600.0, **REGULAR)
        seed = random.Random(self.number)
        self._engine = SessionEngine(fields, _Brain(), seed, self._loop.now_ns, options)
        self._callbacks.on_answered()
        self._callbacks.on_up()
        server.process.run(self._serve, self._engine.open())
        server.process.run(self._look)

    def send(self, event: Mapping[str, Any]) -> bool:
        if self._closed or self._engine is None:
            return False
        text = json.dumps(event)
        self._to_server(lambda: self._client_event(text))
        return True

    def clear_output(self, event: Mapping[str, Any]) -> None:
        self.send(event)

    async def close(self) -> None:
        self._closed = True
        await asyncio.sleep(0)

    def start(self, now_ns: int) -> None:
        pass

    def frame(self, pcm: bytes, stamp_ns: int, pause: bool, now_ns: int) -> None:
        self._house.watch.heard_upstream(now_ns - stamp_ns if not pause else 0)
        self._to_server(lambda: self._sound(pcm))

    def next_timeout_ns(self) -> int | None:
        return None if self._closed else self._loop.now_ns // S_NS * S_NS + S_NS

    def tick(self, now_ns: int) -> None:
        pass

    def counters(self) -> dict[str, int]:
        return {}

    def backlog_ms(self, now_ns: int) -> tuple[int, int]:
        return 0, 0

    # -- the server's side ------------------------------------------------------------------------

    @property
    def _is_up(self) -> bool:
        server = self._server
        return (
            server is not None
            and server.process.is_alive
            and self._link.is_alive
            and not self._closed
        )

    def _to_server(self, work: Callable[[], None]) -> None:
        if self._server is not None and self._is_up:
            context = self._server.process.context.copy()
            self._loop.call_at(self._loop.time() + 0.01, work, context=context)

    def _to_link(self, work: Callable[[], None]) -> None:
        def take() -> None:
            if not self._closed:
                self.last_received_ns = self._loop.now_ns
                work()

        self._loop.call_at(self._loop.time() + 0.01, take, context=self._link.context.copy())

    def _client_event(self, text: str) -> None:
        if self._is_up and self._engine is not None:
            self._serve(self._engine.client_event(text, self._loop.now_ns))
            self._wake()

    def _sound(self, pcm: bytes) -> None:
        if self._is_up and self._engine is not None:
            if any(pcm):
                self._wake()
            self._heard.append((pcm, self._loop.now_ns))
            del self._heard[:-8]

    def _wake(self) -> None:
        self._busy_ns = self._loop.now_ns + BUSY_NS

    def _look(self) -> None:
        """The next 20 ms, or the next look."""
        if not self._is_up or self._engine is None:
            return
        now_ns = self._loop.now_ns
        pcm = self._heard.pop(0)[0] if self._heard else SILENCE
        self._serve(self._engine.audio(pcm, now_ns))
        spoken, made = self._engine.slot(now_ns)
        self._serve(made)
        if spoken is not None:
            self._speak(spoken)
            self._wake()
        self._to_link(lambda: None)
        busy = now_ns < self._busy_ns or bool(self._heard)
        self._loop.call_at((now_ns + (FRAME_NS if busy else IDLE_NS)) / S_NS, self._look)

    def _speak(self, pcm: bytes) -> None:
        self._frames += 1
        mark = MARK.pack(
            MAGIC, self._house.number_of(self._link), self.number, 0, self._frames & 0xFFFF
        )
        marked = mark + pcm[len(mark) :] if any(pcm) else pcm

        def deliver() -> None:
            now_ns = self._loop.now_ns
            self._callbacks.on_audio(marked, now_ns, now_ns, False)

        self._to_link(deliver)

    def _serve(self, made: Sequence[Any]) -> None:
        for action in made:
            if isinstance(action, EndCall):
                self._to_link(lambda: self._callbacks.on_lost(UpstreamError("ended", "the end")))
            else:
                event = json.loads(json.dumps(action.event))
                self._wake()
                self._to_link(lambda event=event: self._callbacks.on_event(event))


class Disk:
    """What all journals have written."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, HistoryItem]] = {}
        self.is_open: dict[str, bool] = {}
        self.usage: Counter[tuple[str, str]] = Counter()

    def write(self, room: str, record: Record) -> None:
        items = self.items.setdefault(room, {})
        match record:
            case ItemRecord(item):
                self.is_open[room] = True
                items[item.item] = item
            case RemovedRecord(item):
                items.pop(item, None)
            case UsageRecord():
                self.usage[record.kind, record.key] += 1
            case ClosedRecord():
                self.is_open[room] = False
                items.clear()


class Journal:
    """In place of ``transcript.journal.Journal``: commits after a few ms."""

    dropped = 0

    def __init__(self, disk: Disk, room: str) -> None:
        self._disk, self._room = disk, room
        self._loop = asyncio.get_running_loop()

    def write(self, records: Sequence[Record], then: Callable[[], None] | None = None) -> None:
        def commit() -> None:
            for record in records:
                self._disk.write(self._room, record)
            if then is not None:
                then()

        self._loop.call_later(0.003, commit)

    def counters(self) -> dict[str, int]:
        return {}

    def keep_words(self, is_wanted: bool) -> None:
        pass

    async def recover(self, _: float) -> list[HistoryItem]:
        await asyncio.sleep(0.003)
        items = self._disk.items.get(self._room, {}).values()
        return [
            replace(item, final=True, ok=False if item.pending else item.ok)
            for item in sorted(items, key=lambda item: item.position)
        ]

    async def day_total(self, _: bool = False) -> tuple[str, float]:
        return "day", 0.0

    async def room_total(self, _: str) -> float:
        return 0.0

    async def close(self) -> None:
        await asyncio.sleep(0.004)
