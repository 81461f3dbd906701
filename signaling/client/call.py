"""A call: what a script says, hears and reads."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from .connection import Connection, ConnectionEvents
from .conversation import Caption, Conversation, Participant, history
from .errors import CallError, Lost, NoAssistant, Refused, SentAway, Unreachable
from .pacing import Pacer, pieces
from .rejoin import S_NS, Heartbeat, RejoinPolicy
from .requests import Requests, Seat

if TYPE_CHECKING:
    from typing_extensions import Buffer

Found = TypeVar("Found")
_MOST_FRAMES = 250
"""Five seconds."""
_MOST_MESSAGES = 1_000
_MOST_ENTRIES = 10_000
_BEAT_S = 1.0
_log = logging.getLogger("mixminus.client")


class Call:
    """One stay in a room; made by ``join``.

    Iterators end when the script leaves, and raise what else ends the call (``CallError``). What
    they give is given once, whoever reads; what nobody reads is dropped, the oldest first.
    """

    def __init__(self, requests: Requests, seat: Seat, policy: RejoinPolicy) -> None:
        self._requests = requests
        self._seat = seat
        self._policy = policy
        self._connection: Connection | None = None
        self._conversation = Conversation()
        self._frames: deque[bytes] = deque()
        self._messages: deque[dict[str, Any]] = deque(maxlen=_MOST_MESSAGES)
        self._waiters: list[asyncio.Future[None]] = []
        self._has_left = False
        self._error: CallError | None = None
        self._why_lost = ""
        self._ended = asyncio.Event()
        """The connection in use has ended."""
        self._heartbeat = Heartbeat(time.monotonic_ns())
        self._keeper: asyncio.Task[None] | None = None
        self._pacer = Pacer()
        self._speaking = asyncio.Lock()
        self._muted = False
        self.missed_frames = 0
        """Frames that nobody read within five seconds."""
        self.skipped_pieces = 0
        """Pieces of ``play`` that were not sent: the connection was gone, or the network stuck."""

    # -- what is known ----------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Whether the connection is there; false while the call is made anew."""
        return self._connection is not None

    @property
    def room(self) -> str:
        """The room's name."""
        return self._conversation.room or self._seat.room

    @property
    def name(self) -> str:
        """This client's name, as the room sees it."""
        return self._conversation.name or self._seat.name

    @property
    def role(self) -> str:
        """``listen``, ``speak`` or ``admin``; empty: not told yet."""
        return self._conversation.role

    @property
    def participants(self) -> tuple[Participant, ...]:
        """Who is in the room."""
        return self._conversation.people

    @property
    def assistant(self) -> str:
        """``idle``, ``listening``, ``thinking`` or ``speaking``; empty: not told yet."""
        return self._conversation.assistant

    # -- what a script does -----------------------------------------------------------------------

    async def ready(self, timeout_s: float = 30.0) -> None:
        """Wait for the assistant.

        Raises:
            NoAssistant: it is not there, and why; or not within ``timeout_s``.
        """
        known = self._conversation

        def told() -> str | None:
            return known.upstream if known.upstream in ("ready", "failed") else None

        try:
            upstream = await asyncio.wait_for(self._until(told), timeout_s)
        except TimeoutError as error:
            words = (
                f"the assistant is not there within {timeout_s:g} s: {known.detail or 'no word'}"
            )
            raise NoAssistant(words) from error
        if upstream == "failed":
            raise NoAssistant(
                known.detail or "the assistant is not there: the gateway's log says why"
            )

    async def say(self, text: str) -> None:
        """Send a typed line to the assistant: 1 to 4 000 characters."""
        await self._send(type="say", text=text)

    async def play(self, pcm: Buffer) -> None:
        """Speak: PCM16, 24 kHz, mono, as int16 samples or bytes.

        It is sent in real time, and returns when the last 20 ms are on their way. Calls after each
        other make one stream, so a microphone may give it piece by piece.

        Raises:
            ValueError: it is not PCM16.
        """
        async with self._speaking:
            for piece in pieces(pcm):
                now_ns = time.monotonic_ns()
                await asyncio.sleep(max(0, self._pacer.due_ns(piece, now_ns) - now_ns) / S_NS)
                self._check()
                if self._connection is None or not self._connection.speak(piece):
                    self.skipped_pieces += 1

    async def interrupt(self) -> None:
        """Stop the assistant."""
        await self._send(type="interrupt")

    async def mute(self, muted: bool) -> None:
        """Tell the room that this client is muted; while it is, the gateway drops its speech."""
        self._muted = muted
        await self._send(type="mute", muted=muted)

    async def hold_to_talk(self, down: bool) -> None:
        """The button of a room with push-to-talk goes down or up."""
        await self._send(type="ptt", down=down)

    async def move(self, place: str) -> None:
        """Say where this device is now; empty: where no other device of the room is."""
        self._seat = replace(self._seat, place=place)
        await self._send(type="place", name=place)

    async def use_speaker(self, use: Literal["auto", "take", "headphones"]) -> None:
        """Say what its sound is for, where several devices are in one place (docs/places.md)."""
        await self._send(type="speaker", use=use)

    async def record(self, on: bool) -> None:
        """Ask for a recording of the room (admins), or object to it (anybody): docs/recording.md.

        ``recording`` of the message ``state`` says what becomes of it; a refusal is an ``error``.
        """
        await self._send(type="record", on=on)

    async def confirm(self, call: str, allow: bool) -> None:
        """Answer a tool's question. ``call``: of the message ``tool`` with ``status: asking``."""
        await self._send(type="confirm", call=call, allow=allow)

    async def invite(
        self,
        role: Literal["listen", "speak", "admin"] = "speak",
        name: str = "",
        lifetime_s: int = 86_400,
        once: bool = False,
    ) -> str:
        """The link of a new invitation to this room; for admins.

        Args:
            name: of the guest, who may take no other; empty: they choose one.
            lifetime_s: from a minute to a year.
            once: it opens the room for one browser only.

        Raises:
            Refused: with the reason.
        """
        wish = {"role": role, "name": name, "lifetime_s": lifetime_s, "once": once}
        return await self._requests.invite(self.room, wish)

    async def history(self, limit: int = 200) -> list[Caption]:
        """What was said so far, in order: at most ``limit`` lines, the newest.

        Raises:
            Refused: this client only listens, or the gateway keeps no journal.
        """
        content = json.loads(await self._requests.conversation(self.room, "json", limit))
        return history(content)

    async def transcript(self, form: Literal["text", "json", "srt", "vtt"] = "text") -> str:
        """What was said so far, as a file. Raises Refused."""
        return await self._requests.conversation(self.room, form, _MOST_ENTRIES)

    async def delete_conversation(self) -> None:
        """Delete what was said so far, for everybody; the assistant forgets it. For admins.

        Raises:
            Refused: with the reason.
        """
        await self._requests.delete_conversation(self.room)

    async def leave(self) -> None:
        """Leave the room. The end of ``async with`` does it."""
        if self._has_left:
            return
        self._has_left = True
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        connection, self._connection = self._connection, None
        self._wake()
        if connection is not None:
            await self._requests.leave(connection.location)
            await connection.close()

    # -- what a script reads ----------------------------------------------------------------------

    async def captions(self, interim: bool = False) -> AsyncIterator[Caption]:
        """The lines of the conversation, each when it is whole.

        A line that is cut later, because the assistant was interrupted, comes again with the same
        ``item``. ``interim``: also while words are added.
        """
        while line := await self._until(lambda: self._conversation.next_line(interim)):
            yield line

    @property
    async def heard(self) -> AsyncIterator[bytes]:
        """What this client hears: 480 samples of PCM16 each (960 bytes, 24 kHz, mono).

        Nothing comes while nobody speaks. What was not read yet when the assistant is interrupted
        is dropped, as the page does.
        """
        while frame := await self._until(lambda: self._frames.popleft() if self._frames else None):
            yield frame

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Every control message of the gateway but ``level`` and ``pong``, as it came."""
        while True:
            message = await self._until(
                lambda: self._messages.popleft() if self._messages else None
            )
            if message is None:
                return
            yield message

    # -- the connection ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Join, and stay. Raises ``Refused`` and ``Unreachable``."""
        await self._connect()
        self._keeper = asyncio.create_task(self._keep())

    async def _connect(self) -> None:
        """Open a connection, again and again where it may help."""
        while True:
            try:
                await self._open()
                return
            except (Refused, Unreachable) as error:
                refused = error if isinstance(error, Refused) else None
                if refused is not None and not refused.may_pass:
                    raise
                retry_after_s = refused.retry_after_s if refused is not None else 0.0
                wait_ns = self._policy.failed(retry_after_s, time.monotonic_ns())
                if wait_ns is None:
                    raise
                self._requests.ways.failed(error)
                self._seat = replace(self._seat, ticket=refused.ticket if refused else "")
            await asyncio.sleep(wait_ns / S_NS)

    async def _open(self) -> None:
        events = ConnectionEvents(self._take, self._hear, self._lose)
        connection = Connection(events, await self._requests.ice_servers())
        try:
            await connection.open(self._requests, self._seat)
        except BaseException:
            await connection.close()
            if connection.location:
                await self._requests.leave(connection.location)
            raise
        now_ns = time.monotonic_ns()
        self._policy.opened(now_ns)
        self._heartbeat = Heartbeat(now_ns)
        self._seat = replace(self._seat, ticket="", replaces=connection.location)
        self._connection = connection
        if self._muted:
            connection.send({"type": "mute", "muted": True})
        self._wake()

    async def _keep(self) -> None:
        """Look after the connection, until the call is over."""
        while self._error is None:
            try:
                await asyncio.wait_for(self._ended.wait(), _BEAT_S)
            except TimeoutError:
                self._beat()
                continue
            self._ended.clear()
            connection, self._connection = self._connection, None
            if connection is not None:
                await connection.close()
            if self._error is None:
                await self._again()

    def _beat(self) -> None:
        ask, is_gone = self._heartbeat.tick(time.monotonic_ns())
        if self._connection is None:
            return
        if is_gone:
            self._connection.lose(f"the gateway said nothing for {Heartbeat.GONE_NS // S_NS} s")
        elif ask:
            self._connection.send({"type": "ping", "t": 0})

    async def _again(self) -> None:
        """The connection is lost: make it anew, if the script wants that."""
        wait_ns = self._policy.failed(0.0, time.monotonic_ns())
        if wait_ns is None:
            self._end(Lost(f"the call is lost: {self._why_lost}; keep_trying_s joins again"))
            return
        self._requests.ways.lost()
        try:
            await asyncio.sleep(wait_ns / S_NS)
            await self._connect()
        except CallError as error:
            self._end(error)
        except Exception as error:  # Whatever it was, nobody waits for this call any longer.
            self._end(Lost(f"the call is lost, and cannot be made anew: {error!r}"))

    def _lose(self, words: str) -> None:
        self._why_lost = words
        self._ended.set()

    def _end(self, error: CallError) -> None:
        self._error = self._error or error
        self._ended.set()
        self._wake()

    # -- what comes -------------------------------------------------------------------------------

    def _take(self, message: dict[str, Any]) -> None:
        self._heartbeat.heard_ns = time.monotonic_ns()
        kind = message.get("type")
        if kind in ("level", "pong"):
            return
        self._messages.append(message)
        self._conversation.take(message)
        if kind == "flush":
            self._frames.clear()
        elif kind == "error":
            _log.warning("%s: %s", message.get("code"), message.get("message"))
        elif kind == "bye":
            self._end(SentAway(str(message.get("code", "")), str(message.get("message", ""))))
        self._wake()

    def _hear(self, pcm: bytes) -> None:
        self._heartbeat.heard_ns = time.monotonic_ns()
        if len(self._frames) == _MOST_FRAMES:
            self._frames.popleft()
            self.missed_frames += 1
        self._frames.append(pcm)
        self._wake()

    # -- waiting ----------------------------------------------------------------------------------

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _check(self) -> None:
        """Raises CallError: the call is over."""
        if self._error is not None:
            raise self._error
        if self._has_left:
            raise CallError("this client has left the call")

    async def _until(self, look: Callable[[], Found | None]) -> Found | None:
        """What ``look`` finds first; None: the script has left. Raises CallError."""
        while (found := look()) is None:
            if self._error is not None:
                raise self._error
            if self._has_left:
                return None
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        return found

    def _usable(self) -> Connection | None:
        known = self._connection
        return known if known is not None and known.is_open else None

    async def _send(self, **message: Any) -> None:
        """Send a control message; waits while the call is made anew."""
        connection = await self._until(self._usable)
        self._check()
        assert connection is not None
        connection.send(message)
