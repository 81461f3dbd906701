"""A page as ``signaling/web/session`` keeps its connection, and the worker's peer opposite."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from mixer_core.bus import frames
from mixer_core.bus.frames import FLAG_PAUSE, epoch_newer
from mixer_core.bus.pcm import FRAME_BYTES, FRAME_NS, SILENCE
from mixer_core.runtime.errors import ProblemError
from mixer_core.runtime.units import MS_NS, S_NS
from signaling.registry.actions import Join, Remove, ReplyAnswer
from tests.openai_link.simulator.support import LOUD
from tests.signaling.worlds import OFFER

from .clock import Process, this_process
from .upstream import MAGIC, MARK

DELAYS_MS = (300, 600, 1_200, 2_000, 3_000, 5_000)
STABLE_NS = 3 * S_NS
PING_NS = S_NS
GONE_NS = 2_500 * MS_NS
OPEN_NS = 8 * S_NS
REQUEST_NS = 10 * S_NS
TICK_NS = 250 * MS_NS
REPORT_NS = 500 * MS_NS
NETWORK_NS = 15 * MS_NS
CONNECT_NS = 80 * MS_NS
_PAGE = re.compile(r"a=page:(\d+)")


class Peer:
    """In place of ``webrtc.peer.Peer``: the worker's end."""

    framed = True
    faults_total = 0
    checks_refused_total = 0
    stale_total = 0
    excess_total = 0

    def __init__(self, house: Any, events: Any) -> None:
        self._house = house
        self._loop = house.loop
        self.events = events
        self.process = this_process()
        self.page: Page | None = None
        self.is_closed = False
        self._heard_ns = 0
        self.process.at_death.append(self._die)

    async def answer(self, sdp: str) -> str:
        await asyncio.sleep(self._house.random.uniform(0.005, 0.05))
        found = _PAGE.search(sdp)
        assert found is not None
        self.page = self._house.pages[int(found[1])]
        return f"{OFFER}a=peer:{self._house.note_peer(self)}\r\n"

    @property
    def is_up(self) -> bool:
        """Datagrams pass."""
        page = self.page
        return (
            self.process.is_alive
            and not self.is_closed
            and page is not None
            and page.peer is self
            and not page.is_cut_off
        )

    @property
    def heard_ns(self) -> int:
        """The page answers checks all the time."""
        if self.is_up:
            self._heard_ns = self._loop.now_ns
        return self._heard_ns

    def buffered_bytes(self) -> int:
        return 0

    def send_audio(self, data: bytes) -> None:
        self._to_page(lambda page: page.hear(data))

    def send_control(self, text: str) -> None:
        self._to_page(lambda page: page.read(text), is_reliable=True)

    def drop_queued_audio(self) -> int:
        return 0

    async def close(self) -> None:
        if not self.is_closed:
            if self.is_up:
                self._to_page(lambda page: page.closed_by_peer(self), is_reliable=True)
            self.is_closed = True

    def _die(self) -> None:
        self.is_closed = True

    def _to_page(self, take: Callable[[Page], None], is_reliable: bool = False) -> None:
        page = self.page
        if page is None or not self.is_up or (not is_reliable and self._house.loses_datagram()):
            return

        def arrive() -> None:
            if page.peer is self and not page.is_cut_off:
                page.heard_ns = self._loop.now_ns
                take(page)

        page.later(NETWORK_NS, arrive)

    def from_page(self, take: Callable[[Any], None], is_reliable: bool = True) -> None:
        """The page sends something."""
        if not self.is_up or (not is_reliable and self._house.loses_datagram()):
            return

        def arrive() -> None:
            if not self.is_closed:
                take(self.events)

        context = self.process.context.copy()
        self._loop.call_at(self._loop.time() + NETWORK_NS / S_NS, arrive, context=context)


class Page:
    """One browser, for as long as somebody wants to be in the room."""

    def __init__(self, house: Any, number: int, room: str) -> None:
        self._house = house
        self._loop = house.loop
        self.number, self.room = number, room
        self.process = Process(f"page {number}")
        self.name = f"Name {number}"
        self.peer: Peer | None = None
        self.is_wanted = False
        self.is_open = False
        self.is_cut_off = False
        """No datagram passes."""
        self.participant = ""
        self.former = ""
        self.heard_ns = 0
        self.epoch = 0
        self.people: frozenset[str] = frozenset()
        """By the newest roster."""
        self.place = ""
        self.places: dict[str, tuple[str, bool]] = {}
        """By the newest roster: the place of each device that has one, and whether it plays."""
        self.mode = ""
        self.rules: dict[str, Any] = {}
        self.state: dict[str, Any] = {}
        self.captions: list[dict[str, Any]] = []
        self.told: list[str] = []
        """Codes of errors and of the end."""
        self.loud_until_ns = 0
        self.played = 0
        """Frames of replies, with sound."""
        self._attempt = 0
        self._opened_ns: int | None = None
        self._due_ns: int | None = None
        self._generation = 0
        self._pinged_ns = 0
        self._seq = 0
        self._talks = False
        self._newest_stamp_ns = 0
        self._reported_ns = 0

    def later(self, delay_ns: int, work: Callable[[], None]) -> None:
        """In this page."""
        context = self.process.context.copy()
        self._loop.call_at((self._loop.now_ns + delay_ns) / S_NS, work, context=context)

    # -- staying in the room ----------------------------------------------------------------------

    def join(self) -> None:
        """Somebody opens the page."""
        if not self.is_wanted:
            self.is_wanted = True
            self.later(0, self._connect)
            self.later(TICK_NS, self._tick)

    def leave(self, tells: bool = True) -> None:
        """They close it."""
        self.is_wanted = False
        self._due_ns = None
        self._hang_up(tells)

    def reload(self) -> None:
        """They load it again: nothing is remembered but what the browser keeps."""
        self.former = ""
        self.lost()

    def lost(self) -> None:
        """The connection is gone."""
        if self.is_wanted:
            self._generation += 1
            self._hang_up(True)
            self._retry(0)

    def closed_by_peer(self, peer: Peer) -> None:
        if self.is_open:
            self.lost()

    def _hang_up(self, tells: bool) -> None:
        peer, participant = self.peer, self.participant
        if participant:
            self.former = participant
            if tells:
                self._house.post(lambda n: Remove(n, self.room, participant), None)
        if peer is not None:
            peer.from_page(lambda events: events.closed("the browser closed its channel"))
        self.peer, self.participant, self.is_open = None, "", False
        self.people = frozenset()

    def _retry(self, wait_ms: int) -> None:
        stable = self._opened_ns is not None and self._loop.now_ns - self._opened_ns >= STABLE_NS
        self._attempt = 0 if stable else self._attempt
        self._opened_ns = None
        delay_ms = max(DELAYS_MS[min(self._attempt, len(DELAYS_MS) - 1)], wait_ms)
        self._attempt += 1
        self._due_ns = self._loop.now_ns + delay_ms * MS_NS

    def _connect(self) -> None:
        self._generation += 1
        generation = self._generation
        self._hang_up(True)
        sdp = f"{OFFER}a=page:{self.number}\r\n"
        more = {"replaces": self.former, "place": self.place}
        join = lambda n: Join(n, self.room, self.name, None, sdp, **more)  # noqa: E731

        def answered(reply: ReplyAnswer | Exception) -> None:
            if not self.is_wanted or generation != self._generation:
                if isinstance(reply, ReplyAnswer):
                    self._house.post(lambda n: Remove(n, self.room, reply.participant), None)
                return
            if not isinstance(reply, ReplyAnswer):
                wait_s = reply.retry_after_s if isinstance(reply, ProblemError) else 0
                self._retry((wait_s or 0) * 1_000)
                return
            self.participant = reply.participant
            peer = self._house.peer_of(reply.sdp)
            self.later(CONNECT_NS, lambda: self._open(peer, generation))
            self.later(OPEN_NS, lambda: self._give_up(generation))

        self._house.post(join, lambda reply: self.later(NETWORK_NS, lambda: answered(reply)))
        self.later(REQUEST_NS + OPEN_NS, lambda: self._give_up(generation))

    def _give_up(self, generation: int) -> None:
        if generation == self._generation and self.is_wanted and not self.is_open:
            self._generation += 1
            self._hang_up(True)
            self._retry(0)

    def _open(self, peer: Peer, generation: int) -> None:
        if generation != self._generation or self.is_open or not self.is_wanted:
            return
        if self.is_cut_off or peer.is_closed:
            self.later(CONNECT_NS, lambda: self._open(peer, generation))
            return
        self.peer, self.is_open = peer, True
        self.heard_ns = self._opened_ns = self._loop.now_ns
        self._due_ns = None
        self.epoch, self._seq = 0, 0
        peer.from_page(lambda events: events.opened(True))
        self.say(type="hello", name=self.name)

    def _tick(self) -> None:
        if not self.is_wanted:
            return
        now_ns = self._loop.now_ns
        self.later(TICK_NS, self._tick)
        if self._due_ns is not None and now_ns >= self._due_ns:
            self._due_ns = None
            self._connect()
        if self.is_open and now_ns - self.heard_ns >= GONE_NS:
            self.lost()
        elif self.is_open and now_ns - self._pinged_ns >= PING_NS:
            self._pinged_ns = now_ns
            self.say(type="ping", t=now_ns // MS_NS)

    # -- what is said -----------------------------------------------------------------------------

    def say(self, **message: Any) -> None:
        """On the control channel."""
        text = json.dumps(message)
        if self.peer is not None and self.is_open:
            self.peer.from_page(lambda events: events.text(text))

    def move(self, place: str) -> None:
        """They carry the device to another physical room."""
        self.place = place
        self.say(type="place", name=place)

    def talk(self, ms: int) -> None:
        """Into the microphone."""
        self.loud_until_ns = max(self.loud_until_ns, self._loop.now_ns + ms * MS_NS)
        if not self._talks:
            self._talks = True
            self._speak()

    def _speak(self) -> None:
        now_ns = self._loop.now_ns
        self._talks = now_ns < self.loud_until_ns and self.is_wanted
        if self.peer is not None and self.is_open:
            pcm, flags = (LOUD, 0) if self._talks else (SILENCE, FLAG_PAUSE)
            data = frames.encode_audio(0, self.epoch, self._seq, flags, 0, pcm)
            self._seq += 1
            self.peer.from_page(lambda events: events.audio(data), is_reliable=False)
        if self._talks:
            self.later(FRAME_NS, self._speak)

    # -- what is heard ----------------------------------------------------------------------------

    def read(self, text: str) -> None:
        """A message of the worker."""
        message = json.loads(text)
        match message["type"]:
            case "welcome":
                self.epoch = message["epoch"]
                self.mode, self.rules = message["mode"], message["rules"]
            case "room":
                self.mode, self.rules = message["mode"], message["rules"]
            case "flush":
                self._flush(message["epoch"])
            case "participants":
                people = message["participants"]
                self.people = frozenset(person["participant"] for person in people)
                self.places = {
                    person["participant"]: (person["place"], person["plays"])
                    for person in people
                    if "place" in person
                }
            case "state":
                self.state = message
            case "caption":
                self.captions.append(message)
            case "error":
                self.told.append(message["code"])
            case "bye":
                self.told.append(message["code"])
                self.leave(False)

    def hear(self, data: bytes) -> None:
        """A frame of sound."""
        _, _, _, epoch, _, _, stamp_ns = frames.HEADER.unpack_from(data)
        if epoch_newer(epoch, self.epoch):
            self._flush(epoch)
        if epoch != self.epoch:
            return
        pcm = data[frames.HEADER_BYTES :]
        assert len(pcm) == FRAME_BYTES
        magic, link, session, _, number = MARK.unpack_from(pcm)
        if magic == MAGIC:
            self.played += 1
            age_ns = self._loop.now_ns - stamp_ns
            self._house.watch.played(self, link, session, number, epoch, age_ns)
        self._newest_stamp_ns = stamp_ns
        if self._loop.now_ns - self._reported_ns >= REPORT_NS:
            self._reported_ns = self._loop.now_ns
            self._report(self.epoch, False)

    def _flush(self, epoch: int) -> None:
        if epoch_newer(epoch, self.epoch):
            self._report(self.epoch, True)
            self.epoch = epoch

    def _report(self, epoch: int, last: bool) -> None:
        self.say(
            type="played",
            epoch=epoch,
            played_ms=0,
            buffered_ms=0,
            stamp_ns=self._newest_stamp_ns,
            offset_samples=480,
            last=last,
        )

    def answered_after(self, text: str) -> bool:
        """Whether a final caption of the assistant stands behind a line with ``text``."""
        seen = False
        for caption in self.captions:
            seen = seen or text in caption.get("text", "")
            if seen and caption.get("speaker") == "assistant" and caption.get("text"):
                return True
        return False


def open_pages(pages: Iterable[Page]) -> list[Page]:
    """Those whose channels are open."""
    return [page for page in pages if page.is_open]
