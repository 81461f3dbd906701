"""The calls of a room: the one that has it, the next one, and the one it has just left.

A loss and a rollover are the same here: a new call is made, told what was said before, and only
then given the room. At a rollover the old call still has it meanwhile, and says what it is saying
to its end.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from mixer_core.bus.frames import FLAG_PAUSE, Frame
from mixer_core.journal.records import HistoryItem
from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.metrics import Metrics

from ..media.quiet import ROOM_NOISE_PEAK, is_quiet
from ..mixer_client import MixerClient
from ..playback.tracker import Truncation
from ..realtime.facts import (
    Assistant,
    AssistantChanged,
    Fact,
    ItemDone,
    PlaybackStarted,
    SpeechStarted,
    ToolCalled,
    Transcribed,
)
from ..realtime.problems import Problem, explain
from ..realtime.session_object import Upstream
from ..settings import OpenaiLinkSettings
from ..transcript.seeding import settled
from ..transport.interface import TransportKind
from ..transport.selection import TransportSelection
from ..turns.policy import TypedText
from .call_maker import CallMaker
from .conversation import Conversation
from .held_call import CallsOwner, HeldCall
from .rollover import DropNext, Move, OpenNext, Rollover, RolloverAction
from .room import Room
from .watching import Surroundings

DRAIN_S = 1.0
"""A call that the room has left is kept at least so long: its last packets are on their way."""
DRAIN_STEP_S = 0.25
PENDING_REPLY_NS = 60_000_000_000
"""After so long without a call nobody waits for an answer any more."""
QUIET_NS = 400_000_000
"""After so long without a loud frame nobody is in the middle of a word."""

_NOTE = (
    "What is above was said before a short interruption that nobody need hear about. "
    "Go on from there, in the same language. Do not greet again."
)
_ROLLOVER = "rollover"
"""Why a session ends that the room has left, in the journal."""
_TIMED_OUT = Problem("connect_timeout", "The next call was not up in time.", True)


class Calls(HeldCall):
    """Makes, changes and ends the calls of one room; is the ``Watcher`` of their conversations."""

    def __init__(
        self,
        upstream: Upstream,
        settings: OpenaiLinkSettings,
        line: MixerClient,
        metrics: Metrics,
        room: Room,
        ways: TransportSelection,
        owner: CallsOwner,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        super().__init__()
        self._upstream = upstream
        self._settings = settings
        self._metrics = metrics
        self._room = room
        self._ways = ways
        self._owner = owner
        self._log = log
        self._loop = asyncio.get_running_loop()
        surroundings = Surroundings(settings, line, metrics, log)
        self._maker = CallMaker(upstream, surroundings, room)
        self._rollover = Rollover(settings)
        self._connecting: dict[Conversation, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._finished: dict[str, int] = {}
        """Counters of the calls that are over."""
        self._called_ns = 0
        self._loud_ns = 0
        self._lost_ns = 0
        """When the room lost its call; 0: it has one, or had none yet."""
        self._next: Conversation | None = None
        self._left: Conversation | None = None

    # -- the link's orders ----------------------------------------------------------------------

    def open(self, kind: TransportKind) -> None:
        """Make a call for the room."""
        self.end("replaced")
        self._room.pending_reply.moved()
        self._called_ns = time.monotonic_ns()
        self.current = self._make(kind)

    def end(self, reason: str) -> None:
        """End whatever call there is; ``reason`` goes into the journal."""
        self._rollover.ended()
        for conversation in (self._left, self.current, self._next):
            if conversation is not None:
                self._end(conversation, _ROLLOVER if conversation is self._left else reason)
        self.current = self._next = self._left = None

    async def close(self) -> None:
        """Wait until all calls have ended; the caller bounds it."""
        self.end("stopped")
        for result in await asyncio.gather(*self._closing, return_exceptions=True):
            if isinstance(result, BaseException):
                self._log.warning("! a call did not close: %r", result)

    async def close_http(self) -> None:
        """Nothing is asked of the server any more."""
        await self._maker.close()

    @property
    def assistant(self) -> Assistant:
        """What the assistant is doing."""
        if self._left is not None and self._left.assistant == "speaking":
            return "speaking"
        return "idle" if self.current is None else self.current.assistant

    @property
    def simulated(self) -> bool:
        """The server is a simulator."""
        known = self.current is not None and self.current.call.simulated
        return known or self._upstream.simulated

    def room_audio(self, frame: Frame) -> None:
        """20 ms of the room's microphones: to the call that has the room, and to no other."""
        conversation = self.current
        if conversation is None or conversation.stage != "talking":
            self._metrics.count("uplink_held_frames_total")
            return
        now_ns = time.monotonic_ns()
        conversation.room_audio(frame, now_ns)
        if self._rollover.phase == "waiting":
            if not is_quiet(frame.payload, ROOM_NOISE_PEAK) and not frame.flags & FLAG_PAUSE:
                self._loud_ns = now_ns
            self._see_activity(now_ns)

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``."""
        waiting = [self._rollover.next_timeout_ns()]
        waiting += [c.next_timeout_ns() for c in (self.current, self._next, self._left) if c]
        return min((time_ns for time_ns in waiting if time_ns is not None), default=None)

    def tick(self, now_ns: int) -> None:
        """The time-out was reached, perhaps."""
        for conversation in (self.current, self._next, self._left):
            if conversation is not None:
                conversation.tick(now_ns)
        if self._rollover.phase == "waiting":
            self._see_activity(now_ns)
        self._apply(self._rollover.tick(now_ns), now_ns)

    def counters(self) -> dict[str, int]:
        """Of all calls so far."""
        totals = dict(self._finished)
        for conversation in (self.current, self._next, self._left):
            if conversation is not None:
                _add(totals, conversation.counters())
        return totals

    # -- making a call --------------------------------------------------------------------------

    def _make(self, kind: TransportKind) -> Conversation:
        conversation = self._maker.make(kind, self)
        self._connecting[conversation] = self._loop.create_task(self._connect(conversation))
        return conversation

    async def _connect(self, conversation: Conversation) -> None:
        try:
            await self._maker.connect(conversation)
            if conversation is self.current:
                self._owner.call_answered()
        except UpstreamError as error:
            self.on_lost(conversation, error)
        except Exception as error:  # Whatever it was, the room hears of it and it is tried again.
            self._log.exception("! the call could not be made")
            self.on_lost(conversation, UpstreamError("internal", repr(error)))
        finally:
            self._connecting.pop(conversation, None)

    def _end(self, conversation: Conversation, reason: str) -> None:
        connecting = self._connecting.pop(conversation, None)
        if connecting is not None and connecting is not asyncio.current_task():
            connecting.cancel()
        had_room = conversation.stage in ("talking", "leaving")
        conversation.finish(time.monotonic_ns())
        if had_room:
            self._room.session_ended(conversation.session_id, reason)
        _add(self._finished, conversation.counters())
        task = self._loop.create_task(conversation.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    # -- what conversations meet (Watcher) ------------------------------------------------------

    def on_confirmed(self, conversation: Conversation) -> None:
        """The server has our session: tell it the past."""
        task = self._loop.create_task(self._teach(conversation))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _teach(self, conversation: Conversation) -> None:
        await self._room.opened()
        if conversation.stage != "calling":
            return
        speaking = self.assistant == "speaking"
        items = self._room.items()
        is_next = conversation is self._next
        events = self._seed(conversation, settled(items, speaking) if is_next else items)
        if events and not self._room.pending_reply.is_pending:
            note = conversation.events.system_text(_NOTE)
            self._room.seeded({}, [note["item"]["id"]])
            events.append(note)
        conversation.learn(events)

    def _seed(
        self, conversation: Conversation, items: Sequence[HistoryItem]
    ) -> list[dict[str, Any]]:
        events = conversation.seeding.tell(items, time.monotonic_ns())
        self._room.seeded(conversation.seeding.new_ids, conversation.seeding.ignored)
        return events

    def on_ready(self, conversation: Conversation) -> None:
        """The server knows the past."""
        now_ns = time.monotonic_ns()
        if conversation is self._next:
            self._log.info("= the next session is ready")
            self._apply(self._rollover.next_ready(now_ns), now_ns)
        elif conversation is self.current:
            self._give_room(conversation, now_ns)
            for event in self._room.unsent(conversation.events):
                conversation.send(event)
            if self._lost_ns and now_ns - self._lost_ns > PENDING_REPLY_NS:
                self._room.pending_reply.forget()
            self._lost_ns = 0
            self._metrics.gauge("connect_ms", (now_ns - self._called_ns) / 1e6)
            self._owner.call_ready()
            waits = self._room.pending_reply.is_pending and not self._room.tools.is_busy
            if waits and conversation.is_settled:  # Else it has been asked already.
                self._log.info("= the room waits for an answer")
                conversation.ask(None, now_ns)

    def on_fact(self, conversation: Conversation, fact: Fact, now_ns: int) -> None:
        """Something happened in the conversation that has the room, or in the one it left."""
        if conversation is self.current:
            interrupts = isinstance(fact, SpeechStarted) and self._settings.interrupt_response
            if interrupts or isinstance(fact, PlaybackStarted):
                self._silence_left(now_ns)
            self._room.on_fact(fact, now_ns)
        elif conversation is self._left:
            self._room.on_fact(fact, now_ns)
            self._tell_late(fact)
        if isinstance(fact, AssistantChanged):
            self._owner.assistant_changed()

    def _tell_late(self, fact: Fact) -> None:
        """What still happens in the call that was left, the new one must know."""
        if isinstance(fact, ItemDone | Transcribed | ToolCalled) and self.current is not None:
            item = self._room.find(fact.item)
            if item is not None and (item.final or item.pending):
                for event in self._seed(self.current, [item]):
                    self.current.send(event)

    def on_heard(self, conversation: Conversation, until: Truncation) -> None:
        """A reply was cut off."""
        if conversation in (self.current, self._left):
            self._room.heard(until)

    def on_said(self, said: TypedText) -> None:
        """Somebody wrote."""
        self._room.said(said)

    def on_lost(self, conversation: Conversation, error: UpstreamError) -> None:
        """The call is gone."""
        now_ns = time.monotonic_ns()
        problem = explain(error, self._upstream)
        if conversation is self.current:
            self._log.warning("! %s", problem.message)
            self._lost_ns = self._lost_ns or now_ns
            self._owner.call_failed(problem)
        elif conversation is self._next:
            self._log.warning("! the next session: %s", problem.message)
            self._drop_next(problem, now_ns)
        elif conversation is self._left:
            self._end(conversation, _ROLLOVER)
            self._left = None

    def on_change(self) -> None:
        """A time-out may have moved."""
        self._owner.changed()

    # -- the rollover ---------------------------------------------------------------------------

    def _apply(self, actions: list[RolloverAction], now_ns: int) -> None:
        for action in actions:
            match action:
                case OpenNext():
                    self._log.info("= the session ends soon: the next one is opened")
                    self._metrics.count("rollovers_begun_total")
                    self._next = self._make(self._ways.choose(now_ns))
                case DropNext():
                    self._drop_next(_TIMED_OUT, now_ns)
                case Move(in_pause):
                    self._move(in_pause, now_ns)

    def _drop_next(self, problem: Problem, now_ns: int) -> None:
        conversation, self._next = self._next, None
        if conversation is not None:
            answered = conversation.is_answered
            self._ways.failed(conversation.call.kind, problem, answered, False)
            self._end(conversation, problem.code)
            self._rollover.next_failed(now_ns)

    def _move(self, in_pause: bool, now_ns: int) -> None:
        """Between two frames: what came before is the old call's, what follows the new one's."""
        old, new = self.current, self._next
        if old is None or new is None or new.stage != "ready":
            return
        self._next = None
        if self._left is not None:
            self._end(self._left, _ROLLOVER)
        self.current, self._left = new, old
        old.leave()
        self._give_room(new, now_ns)
        self._owner.call_moved(new.call.kind)
        self._metrics.count("rollovers_total")
        self._log.info(
            "= the room has moved to the next session, %s",
            "in a pause" if in_pause else "in speech: the time was up",
        )
        self._loop.call_later(DRAIN_S, self._see_left, old)

    def _give_room(self, conversation: Conversation, now_ns: int) -> None:
        """Tell it what it missed while it learnt, and let it hear the room."""
        missed = self._seed(conversation, self._room.items())
        if missed:
            conversation.learn(missed)
        conversation.talk(now_ns)
        conversation.set_tools(self._room.tools.definitions())
        self._introduce(conversation, now_ns)
        is_answering = self._left is not None and not self._left.has_said_everything
        self._room.tools.moved(now_ns, is_answering)
        self._rollover.began(conversation.expires_at_s, time.time(), now_ns)

    def _see_left(self, old: Conversation) -> None:
        """End the call that was left, once it has said everything."""
        if old is not self._left:
            return
        if old.has_said_everything:
            self._end(old, _ROLLOVER)
            self._left = None
        else:
            self._loop.call_later(DRAIN_STEP_S, self._see_left, old)

    def _silence_left(self, now_ns: int) -> None:
        """Somebody speaks over the last words of the call that was left, or the new one does."""
        old = self._left
        if old is not None and old.assistant == "speaking":
            old.silence(now_ns)
            self._end(old, _ROLLOVER)
            self._left = None

    def _see_activity(self, now_ns: int) -> None:
        current = self.current
        calm = current is not None and current.is_settled and not self._room.tools.is_busy
        busy = not calm or now_ns - self._loud_ns < QUIET_NS
        self._apply(self._rollover.activity(busy, now_ns), now_ns)


def _add(totals: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        totals[name] = totals.get(name, 0) + count
