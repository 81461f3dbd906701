"""One participant's session, from its offer to its end. Sans-I/O.

Every input returns the actions to carry out, in order; ``next_timeout_ns`` says when to call
``timeout``. Audio bypasses the session: the shell asks ``uplink`` and ``outbox`` frame by frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mixer_core.bus import events
from mixer_core.bus.control import Offer, RuledMode, WorkerStatus
from mixer_core.bus.frames import Frame, Kind
from mixer_core.bus.place import Place
from mixer_core.bus.rules import AdminRules
from mixer_core.runtime.errors import BrowserMessageError, FrameError

from .actions import Action, Announce, Close, DropQueuedAudio, SendAudio, SendBus, SendControl
from .deadlines import Deadlines, Reason
from .echo_notice import EchoNotice
from .framed_uplink import FramedUplink
from .intake import Intake
from .moderation import Moderation
from .objection import Objection
from .outbox import Outbox
from .plain_uplink import PlainUplink
from .protocol import gateway_messages
from .protocol.browser_messages import (
    BrowserMessage,
    Hello,
    Move,
    Mute,
    Ping,
    Ptt,
    Record,
    Speaker,
    event_of,
)
from .protocol.room_events import for_browser
from .settings import MediaWorkerSettings
from .uplink import Uplink

DEFAULT_TRAITS = gateway_messages.AssistantTraits()


class Session:
    """The life of one participant."""

    def __init__(
        self,
        offer: Offer,
        settings: MediaWorkerSettings,
        now_ns: int,
        assistant: gateway_messages.AssistantTraits = DEFAULT_TRAITS,
    ) -> None:
        self._offer = offer
        self._assistant = assistant
        """As the settings of the gateway have it."""
        self._settings = settings
        self.status: WorkerStatus = "connecting"
        self.detail = ""
        """Why the session is over."""
        self.moderation = Moderation(offer)
        self.ruled_mode = offer.ruled_mode
        self.info = events.StreamInfo(
            role="browser",
            room=offer.room,
            participant=offer.participant,
            name=offer.name,
            mode=offer.mode,
            muted=self.moderation.starts_muted,
            access=offer.role,
            address=offer.rules.address,
            verified=offer.verified,
            place=_first_place(offer.place, now_ns),
        )
        self.outbox = Outbox(settings.outbox_cap_ms)
        self.uplink: Uplink | None = None
        """The microphone, once the channel is open."""
        self.intake = Intake()
        self._objection = Objection()
        self.unknown_events_total = 0
        """Bus events that are not for browsers."""
        self._echo = EchoNotice()
        self._welcomed = False
        self._mixer_gone = False
        self._deadlines = Deadlines(settings, now_ns)

    @property
    def epoch(self) -> int:
        """The newest epoch of the room that is known here."""
        return self.outbox.epoch

    # Inputs of the browser's connection

    def opened(self, *, framed: bool, now_ns: int) -> list[Action]:
        """The browser's channels are open."""
        if self.status != "connecting":
            return []
        self.status = "connected"
        self._deadlines.opened(now_ns)
        hangover_ms = self._settings.silence_hangover_ms
        self.uplink = FramedUplink(hangover_ms) if framed else PlainUplink(hangover_ms)
        self.uplink.set_muted(self.info.muted, now_ns)
        return [Announce(), self._start(now_ns)]

    def control_text(self, text: str, now_ns: int) -> list[Action]:
        """The browser sent text."""
        if self.status == "closed":
            return []
        read = self.intake.control(text, self.info.muted, now_ns)
        if read is None:
            return []
        return [SendControl(read)] if isinstance(read, str) else self._on_message(read, now_ns)

    def bad_audio(self, error: BrowserMessageError, now_ns: int) -> list[Action]:
        """A binary message could not be read."""
        answer = self.intake.bad_audio(error, now_ns)
        return [] if answer is None else [SendControl(answer)]

    def audio_of_listener(self) -> list[Action]:
        """Audio came from somebody who is here to listen: it is dropped."""
        answer = self.moderation.refuse_audio()
        return [] if answer is None else [SendControl(answer)]

    def peer_closed(self, detail: str) -> list[Action]:
        """The connection or its audio channel ended."""
        return self._end(detail)

    def leave(self, code: str = "", message: str = "") -> list[Action]:
        """Signaling ends the session; ``code`` and ``message`` tell the browser why."""
        told: list[Action] = [SendControl(gateway_messages.bye(code, message))] if code else []
        return [*told, *self._end(code or "left")]

    def set_room(
        self, mode: events.Mode, rules: AdminRules, now_ns: int, ruled_mode: RuledMode = ""
    ) -> list[Action]:
        """An admin, or its settings, have changed the room; ``ruled_mode``: see ``Offer``."""
        self.ruled_mode = ruled_mode
        known = (self.info.mode, self.moderation.rules)
        if self.status == "closed" or (mode, rules) == known:
            return []
        self.moderation.rules = rules
        told = SendControl(gateway_messages.room(mode, rules))
        info = replace(self.info, mode=mode, address=rules.address)
        return [told, *self._changed(info, now_ns)]

    def silence(self, muted: bool, locked: bool, now_ns: int) -> list[Action]:
        """An admin mutes the participant, or lets them unmute: nobody else opens a microphone."""
        if self.status == "closed" or self.moderation.listens_only:
            return []
        self.moderation.is_locked = muted and locked
        text = gateway_messages.silenced(muted, self.moderation.is_locked)
        return [SendControl(text), *(self._mute(True, now_ns) if muted else [])]

    def notice(self, code: str, message: str, in_ms: int) -> list[Action]:
        """Signaling tells something about the gateway."""
        if self.status == "closed":
            return []
        return [SendControl(gateway_messages.notice(code, message, in_ms))]

    def stopped(self, reason: str) -> list[Action]:
        """The process has to end."""
        return self._end(reason)

    # Inputs of the bus

    def mixer_connected(self, now_ns: int) -> list[Action]:
        """The sockets lead to a mixer again, perhaps to one that does not know the stream."""
        if self.status != "connected":
            return []
        self._deadlines.asked(now_ns)
        return [self._start(now_ns)]

    def bus_frame(self, frame: Frame, now_ns: int) -> list[Action]:
        """A frame other than AUDIO came from the mixer."""
        if self.status != "connected":
            return []
        if frame.kind is Kind.START:
            return self._acknowledged(frame.epoch, now_ns)
        actions = self.epoch_seen(frame.epoch)
        if frame.kind is Kind.EVENT:
            actions += self._on_event(frame, now_ns)
        return actions

    def epoch_seen(self, epoch: int) -> list[Action]:
        """A frame carries ``epoch``: a newer one voids what was queued."""
        if not self.outbox.adopt(epoch) or not self._welcomed:
            return []
        return [DropQueuedAudio(), SendControl(gateway_messages.flush(epoch))]

    # Time

    def next_timeout_ns(self) -> int | None:
        """When ``timeout`` has something to do; None once closed."""
        due = self._next_due()
        return due[0] if due else None

    def timeout(self, now_ns: int, heard_ns: int) -> list[Action]:
        """Do what is due. ``heard_ns``: when the last datagram of the browser arrived."""
        self._deadlines.heard(heard_ns)
        actions: list[Action] = []
        handlers: dict[Reason, Callable[[int], list[Action]]] = {
            "connect": self._give_up,
            "silence": self._lost,
            "start": self._repeat_start,
            "uplink": self._uplink_timeout,
        }
        while (due := self._next_due()) and due[0] <= now_ns:
            actions += handlers[due[1]](now_ns)
        return actions

    def _next_due(self) -> tuple[int, Reason] | None:
        if self.status == "closed":
            return None
        return self._deadlines.next_due(self.uplink.next_timeout_ns() if self.uplink else None)

    def _give_up(self, now_ns: int) -> list[Action]:
        wait_s = self._settings.connect_timeout_ms / 1000
        return self._end(f"no channel was opened within {wait_s:g} s")

    def _lost(self, now_ns: int) -> list[Action]:
        return self._end(f"nothing came for {self._settings.peer_silence_ms / 1000:g} s")

    def _repeat_start(self, now_ns: int) -> list[Action]:
        actions: list[Action] = [self._start(now_ns)]
        if not self._mixer_gone and self._deadlines.mixer_is_gone(now_ns):
            self._mixer_gone = True
            text = "the mixer does not answer; the call goes on as soon as it is back"
            actions.append(SendControl(gateway_messages.error("mixer_gone", text)))
        return actions

    def _uplink_timeout(self, now_ns: int) -> list[Action]:
        assert self.uplink is not None
        return [SendAudio(frame) for frame in self.uplink.timeout(now_ns)]

    # Parts of the above

    def _start(self, now_ns: int) -> SendBus:
        self._deadlines.started(now_ns)
        return SendBus(Kind.START, self.epoch, self.info.encode())

    def _acknowledged(self, epoch: int, now_ns: int) -> list[Action]:
        self._deadlines.acknowledged(now_ns)
        actions = self.epoch_seen(epoch)
        if self._welcomed and not self._mixer_gone:
            return actions
        self._welcomed, self._mixer_gone = True, False
        return [*actions, SendControl(self._welcome())]

    def _welcome(self) -> str:
        rules, silenced = self.moderation.rules, self.moderation.is_locked
        by_button = self._offer.by_button if not rules.address else rules.address == "push_to_talk"
        traits = self._assistant
        traits = replace(traits, push_to_talk=traits.push_to_talk or by_button)
        stream = self._offer.stream
        return gateway_messages.welcome(self.info, stream, self.epoch, traits, rules, silenced)

    def _on_event(self, frame: Frame, now_ns: int) -> list[Action]:
        if frame.flags not in (0, self._offer.stream):
            return []
        try:
            content = events.decode_event(frame.payload)
        except FrameError:
            self.unknown_events_total += 1
            return []
        if content["type"] == "identify":
            self._deadlines.asked(now_ns)
            return [self._start(now_ns)]
        text = for_browser(content, self._offer.participant)
        if text is None:
            self.unknown_events_total += 1
            return []
        told = self._echo.follow(content, self._offer.participant)
        again = self._objection.follow(content)
        return [
            *(SendControl(line) for line in (text, told) if line is not None),
            *(self._to_link(event_of(again)) if again is not None else ()),
        ]

    def _on_message(self, message: BrowserMessage, now_ns: int) -> list[Action]:
        refusal = self.moderation.refuse(message, self.info.name)
        if refusal is not None:
            return [SendControl(refusal)]
        match message:
            case Ping():
                return [SendControl(gateway_messages.pong(message.t))]
            case Hello():
                name = message.name or self.info.name
                return self._changed(replace(self.info, name=name), now_ns)
            case Mute():
                return self._mute(message.muted, now_ns)
            case Move():
                return self._placed(self.info.place.moved(message.name, now_ns), now_ns)
            case Speaker():
                return self._placed(self.info.place.sounding(message.use, now_ns), now_ns)
            case Ptt():
                place = self.info.place
                held = self._placed(place.pressed(message.down and bool(place.name)), now_ns)
                return [*held, *self._to_link(event_of(message))]
            case Record():
                self._objection.said(message)
        return self._to_link(event_of(message))

    def _mute(self, muted: bool, now_ns: int) -> list[Action]:
        audio = self.uplink.set_muted(muted, now_ns) if self.uplink else []
        changed = self._changed(replace(self.info, muted=muted), now_ns)
        return [*(SendAudio(frame) for frame in audio), *changed]

    def _placed(self, place: Place, now_ns: int) -> list[Action]:
        return self._changed(replace(self.info, place=place), now_ns)

    def _changed(self, info: events.StreamInfo, now_ns: int) -> list[Action]:
        if info == self.info:
            return []
        self.info = info
        return [self._start(now_ns), Announce()] if self.status == "connected" else [Announce()]

    def _to_link(self, content: dict[str, Any]) -> list[Action]:
        if self.status != "connected":
            return []
        content["participant"] = self.info.participant
        content["name"] = self.info.name
        content["stream"] = self._offer.stream
        return [SendBus(Kind.EVENT, self.epoch, events.encode_map(content))]

    def _end(self, detail: str) -> list[Action]:
        if self.status == "closed":
            return []
        was_connected = self.status == "connected"
        self.status, self.detail = "closed", detail
        stop: list[Action] = [SendBus(Kind.STOP, self.epoch)] if was_connected else []
        return [*stop, Announce(), Close(detail)]


def _first_place(offered: Place, now_ns: int) -> Place:
    """Where a stay begins; the page says by itself that its talk button is held."""
    if not offered.came_ns:
        return Place().moved(offered.name, now_ns)
    return replace(offered, held=False)
