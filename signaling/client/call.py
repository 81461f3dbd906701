"""A call: what a script says, hears and reads."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from .conversation import Caption, Participant, history
from .errors import NoAssistant
from .inbox import Inbox
from .keeper import Keeper
from .pacing import Pacer, pieces
from .rejoin import S_NS, RejoinPolicy
from .requests import Requests, Seat

if TYPE_CHECKING:
    from typing_extensions import Buffer

_MOST_ENTRIES = 10_000


class Call:
    """One stay in a room; made by ``join``.

    Iterators end when the script leaves, and raise what else ends the call (``CallError``). What
    they give is given once, whoever reads; what nobody reads is dropped, the oldest first.
    """

    def __init__(self, requests: Requests, seat: Seat, policy: RejoinPolicy) -> None:
        self._requests = requests
        self._inbox = Inbox()
        self._conversation = self._inbox.conversation
        self._keeper = Keeper(requests, seat, policy, self._inbox)
        self._pacer = Pacer()
        self._speaking = asyncio.Lock()
        self._pressed_ns = time.monotonic_ns()
        self.skipped_pieces = 0
        """Pieces of ``play`` that were not sent: the connection was gone, or the network stuck."""

    # -- what is known ----------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Whether the connection is there; false while the call is made anew."""
        return self._keeper.connection is not None

    @property
    def room(self) -> str:
        """The room's name."""
        return self._conversation.room or self._keeper.seat.room

    @property
    def name(self) -> str:
        """This client's name, as the room sees it."""
        return self._conversation.name or self._keeper.seat.name

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

    @property
    def missed_frames(self) -> int:
        """Frames that nobody read within five seconds."""
        return self._inbox.missed_frames

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
            upstream = await asyncio.wait_for(self._inbox.until(told), timeout_s)
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
                self._inbox.check()
                connection = self._keeper.connection
                if connection is None or not connection.speak(piece):
                    self.skipped_pieces += 1

    async def interrupt(self) -> None:
        """Stop the assistant."""
        await self._send(type="interrupt")

    async def mute(self, muted: bool) -> None:
        """Tell the room that this client is muted; while it is, the gateway drops its speech."""
        self._keeper.muted = muted
        await self._send(type="mute", muted=muted)

    async def hold_to_talk(self, down: bool) -> None:
        """The button of a room with push-to-talk goes down or up."""
        if down:
            self._pressed_ns = time.monotonic_ns()
            await self._send(type="ptt", down=True)
            self._keeper.holds = True
        else:
            self._keeper.holds = False
            held_ms = (time.monotonic_ns() - self._pressed_ns) / 1_000_000
            await self._send(type="ptt", down=False, held_ms=held_ms)

    async def move(self, place: str) -> None:
        """Say where this device is now; empty: where no other device of the room is."""
        self._keeper.seat = replace(self._keeper.seat, place=place)
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
        if not self._inbox.has_left:
            self._inbox.leave()
            await self._keeper.close()

    # -- what a script reads ----------------------------------------------------------------------

    async def captions(self, interim: bool = False) -> AsyncIterator[Caption]:
        """The lines of the conversation, each when it is whole.

        A line that is cut later, because the assistant was interrupted, comes again with the same
        ``item``. ``interim``: also while words are added.
        """
        while line := await self._inbox.until(lambda: self._conversation.next_line(interim)):
            yield line

    @property
    async def heard(self) -> AsyncIterator[bytes]:
        """What this client hears: 480 samples of PCM16 each (960 bytes, 24 kHz, mono).

        Nothing comes while nobody speaks. What was not read yet when the assistant is interrupted
        is dropped, as the page does.
        """
        frames = self._inbox.frames
        while frame := await self._inbox.until(lambda: frames.popleft() if frames else None):
            yield frame

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Every control message of the gateway but ``level`` and ``pong``, as it came."""
        known = self._inbox.messages
        while True:
            message = await self._inbox.until(lambda: known.popleft() if known else None)
            if message is None:  # An empty one is a message, too.
                return
            yield message

    async def start(self) -> None:
        """Join, and stay. Raises ``Refused`` and ``Unreachable``."""
        await self._keeper.start()

    async def _send(self, **message: Any) -> None:
        """Send a control message; waits while the call is made anew."""
        connection = await self._inbox.until(self._keeper.usable)
        self._inbox.check()
        assert connection is not None
        connection.send(message)
