"""A room's engine: everything that happens to a room comes in, and actions for the shell come out.

Sans-I/O. Every input takes ``now_ns`` (monotonic) last and returns the actions to carry out, in
order; ``tick`` is due at ``next_timeout_ns``. The parts never call back: they return signals among
their actions, and ``_settle`` passes each signal on when the part that sent it has finished.

================  =================================================================================
module            has
================  =================================================================================
``engine_course`` the way of a signal through the parts
``parts``         the parts that decide, and how they are joined
``startup``       what the first session waits for
``people``        what people do
``consequences``  what follows from each signal
``recovery``      a session that failed, the next one, and the answer that is owed
``audience``      what people are told of the state
``rule_changes``  what follows where the room's rules change
``moving``        what follows where the room goes to another machine, or comes from one
``deadlines``     when something is due, and in which order
``room_sound``    what the session hears, and what it says
``server_ids``    ids that are unique in the room, in place of those of each server
``outlet``        the pace of what goes out
================  =================================================================================

Sound does not pass through actions: ``room_audio`` and ``reply_audio`` are called directly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mixer_core.journal.records import HistoryItem
from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.units import MS_NS

from ..media.downlink_gate import DownlinkFrame
from ..pictures import Picture
from ..room_settings import RoomSettings
from .actions import Action, Log, TellBrowsers
from .engine_course import EngineCourse
from .room_tools import Toolset
from .signals import Outcome, ProblemFound, SessionFailed


class RoomEngine(EngineCourse):
    """One room; see the module."""

    # -- the room's life --------------------------------------------------------------------------

    def open(self, now_ns: int) -> list[Action]:
        """The room has its first participant on the way."""
        outcomes = self._parts.address.open()
        outcomes += self._parts.want_own_words(self._rules.rules.transcribe_each, self._settings)
        outcomes += self._startup.open(now_ns)
        wall_ms, grace_ns = self._wall_ms(now_ns), self._moving.grace_ns
        outcomes += self._connection.open(wall_ms, now_ns, grace_ns)
        return self._settle(outcomes, now_ns)

    def suspend(
        self, reason: str, words: str, now_ns: int, *, for_good: bool = False
    ) -> list[Action]:
        """No session may be open here before ``resume``; people stay, and are told ``words``.

        Final lines that are not in the journal wait, too, for another machine may have the room;
        ``for_good``: it does, and they are told nobody.
        """
        self._record.hold_lines()
        if for_good:
            self._parts.waiting.is_room_here = False
            self._record.give_up_lines()
        wall_ms = self._wall_ms(now_ns)
        return self._settle(self._connection.suspend(reason, words, wall_ms, now_ns), now_ns)

    def resume(self, reason: str, now_ns: int) -> list[Action]:
        """A session may be open as far as that reason is concerned."""
        self._record.release_lines(now_ns)
        wall_ms = self._wall_ms(now_ns)
        return self._settle(self._connection.resume(reason, wall_ms, now_ns), now_ns)

    def yield_room(self, within_ns: int, now_ns: int) -> list[Action]:
        """Leave the room in its next pause, for another machine: ``RoomYielded`` follows."""
        is_time = self._parts.yielding.begin(now_ns + within_ns, now_ns)
        wall_ms = self._wall_ms(now_ns)
        return self._settle_each(self._moving.left(wall_ms, now_ns), now_ns) if is_time else []

    def stay(self, now_ns: int) -> list[Action]:
        """The room stays here, whether or not it was left already."""
        return self._settle(self._moving.stays(self._wall_ms(now_ns), now_ns), now_ns)

    def granted(self, items: Sequence[HistoryItem], now_ns: int) -> list[Action]:
        """The room of another machine is here now, where ``items`` were said."""
        return self._settle(self._moving.granted(items, now_ns), now_ns)

    def owes_answer(self, now_ns: int) -> list[Action]:
        """People wait for an answer that another machine, which had the room, did not give."""
        return self._settle(self._moving.owes_answer(), now_ns)

    def stop(self, now_ns: int) -> list[Action]:
        """The process must end."""
        actions = self.end_recording("the assistant has left", now_ns)
        stopped = self._connection.stop(self._wall_ms(now_ns), now_ns)
        return [*actions, *self._settle(stopped, now_ns)]

    def change_rules(self, settings: RoomSettings, now_ns: int) -> list[Action]:
        """The room's settings are these from now on."""
        wall_ms = self._wall_ms(now_ns)
        return self._settle(self._rules.change(settings, wall_ms, now_ns), now_ns)

    def forget(self, name: str, now_ns: int) -> list[Action]:
        """Somebody deletes what was said so far; ``name``: of who it is, or empty.

        All sessions end first, so that nothing of it comes later; those of pages are told.
        """
        wall_ms = self._wall_ms(now_ns)
        actions = self._settle(self._connection.forget(wall_ms, now_ns), now_ns)
        actions += self._settle(self._parts.address.stopped(), now_ns)
        actions += self._settle(self._parts.tools.forget(now_ns), now_ns)
        actions += self._settle(self._parts.own_words.forget(now_ns), now_ns)
        actions += self._settle(self._record.forget(wall_ms), now_ns)
        self._outlet.forget()
        self._parts.waiting.take()
        told: list[Outcome] = [
            Log("info", "= the conversation is deleted"),
            TellBrowsers({"type": "forgotten", "name": name}),
        ]
        return [*actions, *self._settle(told, now_ns)]

    def wall_clock(self, wall_ms: int, now_ns: int) -> None:
        """Unix time is ``wall_ms`` now: the system's clock may have been set."""
        self._wall_offset_ns = wall_ms * MS_NS - now_ns

    def tick(self, now_ns: int) -> list[Action]:
        """The time-out was reached, perhaps."""
        passed = self._deadlines.passed(self._wall_ms(now_ns), now_ns)
        return [*self._settle_each(passed, now_ns), *self._outlet.tick(now_ns)]

    # -- the journal ------------------------------------------------------------------------------

    def journal_recovered(
        self,
        items: Sequence[HistoryItem],
        day: str,
        cost_usd: float,
        now_ns: int,
        *,
        room_usd: float = 0.0,
    ) -> list[Action]:
        """What the journal knows: a conversation that goes on, and what was spent on ``day``.

        ``cost_usd``: by all rooms; ``room_usd``: in this one.
        """
        outcomes = self._startup.journal_recovered(items, day, cost_usd, now_ns, room_usd)
        return self._settle(outcomes, now_ns)

    def journal_written(self, ticket: int, now_ns: int) -> list[Action]:
        """The records with this ticket are safe, or never will be."""
        return self._settle(self._record.journal_written(ticket), now_ns)

    def journal_failed(self, message: str, now_ns: int) -> list[Action]:
        """The journal cannot be written; ``message``: a sentence for people."""
        return self._settle([ProblemFound("journal_failed", message)], now_ns)

    def day_spent(self, day: str, cost_usd: float, now_ns: int) -> list[Action]:
        """What all rooms have spent on a day, by the journal."""
        return self._settle(self._record.day_total(day, cost_usd), now_ns)

    def spent_elsewhere(self, amounts: Mapping[str, float], now_ns: int) -> list[Action]:
        """What the other nodes of a cluster have spent, by day."""
        return self._settle(self._record.spent_elsewhere(amounts), now_ns)

    # -- the tools --------------------------------------------------------------------------------

    def tools_changed(self, tools: Toolset, now_ns: int) -> list[Action]:
        """The tools have been loaded, or others have come since."""
        return self._settle(self._startup.tools_changed(tools, now_ns), now_ns)

    def tool_answered(self, call: str, output: str, now_ns: int) -> list[Action]:
        """A tool has returned ``output`` (JSON text)."""
        return self._settle(self._parts.tools.answered(call, output, now_ns), now_ns)

    # -- the transports ---------------------------------------------------------------------------

    def session_answered(
        self, session: int, simulated: bool, now_ns: int, *, knows_session: bool | None = None
    ) -> list[Action]:
        """The server has taken the call.

        Args:
            session: its number.
            simulated: the server says that it is a simulator.
            now_ns: monotonic.
            knows_session: the session went with the call; None: as usual with its transport.
        """
        found = self._sessions.find(session)
        if found is None:
            return []
        found.answered = True
        if knows_session is not None:
            found.must_be_told = not knows_session
        found.simulated = found.simulated or simulated
        if found is self._sessions.active:
            self._connection.answered()
        return []

    def session_up(self, session: int, now_ns: int) -> list[Action]:
        """Media can flow."""
        found = self._sessions.find(session)
        if found is None:
            return []
        found.up(now_ns)
        return [Log("info", f"= connected by {found.kind}")]

    def session_lost(self, session: int, error: UpstreamError, now_ns: int) -> list[Action]:
        """The connection could not be made, or is gone."""
        return self._settle([SessionFailed(session, error)], now_ns)

    def session_received(self, session: int, received_ns: int, now_ns: int) -> None:
        """Anything last came from the server at ``received_ns``; 0: nothing yet."""
        if received_ns and session == self.active_session:
            self._connection.received(received_ns)

    def server_event(self, session: int, event: Mapping[str, Any], now_ns: int) -> list[Action]:
        """One event of the server."""
        found = self._sessions.find(session)
        if found is None:
            return []
        event = self._ids.arrived(session, event)
        return self._settle(found.server_event(event, now_ns), now_ns)

    def samples_delivered(self, session: int, item: str, samples: int, now_ns: int) -> list[Action]:
        """The server delivered more samples of an item, ahead of their time (WebSocket)."""
        found = self._sessions.find(session)
        if found is not None:
            found.delivered(self._ids.item(session, item), samples, now_ns)
        return []

    # -- sound ------------------------------------------------------------------------------------

    def room_audio(self, pcm: bytes, flags: int, now_ns: int) -> tuple[int, list[Action]]:
        """20 ms of the room's microphones (960 bytes) with the frame's flags.

        Returns the number of the session that is to hear it (0: none), and what follows.
        """
        wall_ms = self._wall_ms(now_ns)
        hears, steps = self._sound.microphones(pcm, flags, wall_ms, now_ns)
        return hears, self._settle_each(steps, now_ns)

    def reply_audio(
        self, session: int, pcm: bytes, stamp_ns: int, concealed: bool, now_ns: int
    ) -> DownlinkFrame | None:
        """20 ms of a reply (960 bytes) that arrived at ``stamp_ns``: the frame for the mixer."""
        return self._sound.reply(session, pcm, stamp_ns, concealed, now_ns)

    @property
    def has_heard(self) -> bool:
        """A reply has begun or ended to sound: ``tick`` is due."""
        return self._sound.has_heard

    def room_slot(self, number: int, now_ns: int) -> None:
        """The room's frame with that number is heard."""
        self._record.speech.heard(number, now_ns)

    def mixer_epoch(self, epoch: int) -> None:
        """The mixer's messages are of this epoch."""
        self._parts.epoch.seen(epoch)

    # -- people -----------------------------------------------------------------------------------

    def roster(self, event: Mapping[str, Any], now_ns: int) -> list[Action]:
        """The mixer's ``participants`` event: exactly these people are in the room."""
        wall_ms = self._wall_ms(now_ns)
        return self._settle(self._people.roster(event, wall_ms, now_ns), now_ns)

    def speech(self, event: Mapping[str, Any], now_ns: int) -> list[Action]:
        """The mixer's ``speech`` event: whose voice was in which slots."""
        self._record.speech.report(event)
        outcomes = self._parts.speakers.reported(now_ns)
        outcomes += self._parts.own_words.reported(now_ns)
        return self._settle(outcomes, now_ns)

    # -- sessions that write down one participant each --------------------------------------------

    @property
    def hears_voices(self) -> bool:
        """Whether ``voice_frame`` is to be called; else nothing comes of it."""
        return self._parts.own_words.hears

    def voice_frame(self, who: str, pcm: bytes, now_ns: int) -> list[Action]:
        """20 ms of somebody's voice by itself (960 bytes)."""
        return self._settle(self._parts.own_words.frame(who, pcm, now_ns), now_ns)

    def voice_opened(self, who: str, now_ns: int) -> list[Action]:
        """The session that writes down a participant is connected."""
        return self._settle(self._parts.own_words.opened(who, now_ns), now_ns)

    def voice_event(self, who: str, event: Mapping[str, Any], now_ns: int) -> list[Action]:
        """One event of its server."""
        wall_ms = self._wall_ms(now_ns)
        return self._settle(self._parts.own_words.event(who, event, wall_ms, now_ns), now_ns)

    def voice_lost(self, who: str, words: str, now_ns: int) -> list[Action]:
        """It is over, or cannot be had. ``words``: why."""
        return self._settle(self._parts.own_words.lose(who, words, now_ns), now_ns)

    def browser_event(self, event: Mapping[str, Any], now_ns: int) -> list[Action]:
        """A control message of a browser: say, interrupt, ptt, played, confirm, record."""
        if event.get("type") == "record":
            wall_ms = self._wall_ms(now_ns)
            return self._settle(self._people.recording_asked(event, wall_ms, now_ns), now_ns)
        return self._settle(self._people.browser_event(event, now_ns), now_ns)

    def keeps(self, participant: str, now_ns: int) -> bool:
        """Whether what somebody says is kept in a recording."""
        return self._parts.recording.keeps(participant, now_ns)

    def name_of(self, participant: str) -> str:
        """What people call a participant; empty where it is not known."""
        return self._parts.notices.people.get(participant, "")

    def end_recording(self, words: str, now_ns: int) -> list[Action]:
        """A recording cannot go on. ``words``: why, a sentence for people, without its end."""
        ended = self._parts.recording.end(words, self._wall_ms(now_ns))
        return self._settle(ended, now_ns)

    def recording_left(self, words: str, now_ns: int) -> list[Action]:
        """This room's last process died while it recorded. ``words``: as in ``end_recording``."""
        return self._settle(self._parts.recording.left(words, self._wall_ms(now_ns)), now_ns)

    def left_out_of_recording(self, name: str, now_ns: int) -> list[Action]:
        """A recording has no room for the voice of somebody who is called that."""
        who = name or "somebody"
        words = f"It has as many voices as it may: what {who} says is not in it."
        return self._settle([ProblemFound("recording_full", words)], now_ns)

    def picture(self, upload: str, picture: Picture, now_ns: int) -> list[Action]:
        """Somebody shows the assistant a picture; ``upload`` is answered by ``AnswerUpload``."""
        return self._settle(self._people.picture(upload, picture, now_ns), now_ns)
