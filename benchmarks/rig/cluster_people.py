"""People of all rooms of a cluster: ``python -m benchmarks.rig.cluster_people``, by JSON lines.

They are callers that know every node: who loses one joins again at the next, as a page does behind
a balancer. Each question is another one, so that what came of it can be found.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import uvloop

from mixer_core.patches.aioice.gathering import offer_addresses
from mixer_core.runtime.units import MS_NS

from .caller import Caller
from .caller_process import quietly
from .cluster_checks import AT_LENGTH, LONG_MS, longest_gap_s, longest_without_s
from .commands import serve

JOIN_TIMEOUT_S = 60.0
LOOK_S = 0.02
FIRST_ASK_S, MOST_ASK_S, GROWTH = 0.25, 2.0, 1.4
"""From a question that was not answered to the next one; it grows."""
TAKEN_ASK_S = 1.5
"""From a question that the room was told to the next one, should the answer not be heard."""
BREATH_S = 1.5
"""From an answer that everybody has heard to the next question, where they go on asking."""
JOINS_AT_ONCE = 2
SENTENCE_NS = LONG_MS * 5 // 4 * MS_NS
"""After a question at length: then its answer has been heard."""


class Member(Caller):
    """One of them."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.finals: dict[str, str] = {}
        """Item → text of every line that it was told to be final."""
        self.lines: list[tuple[int, str]] = []
        """When it came to which node, and when it lost it (empty)."""
        self._questions = 0
        self._since = 0
        """Number of the last question that does not count."""
        self._answered_ns = 0
        self._quoted_ns = 0
        self.answers_ns: list[int] = []
        """When it heard answers, since ``begin``."""
        self._was_there = False

    def begin(self) -> None:
        """Count from now on."""
        super().begin()
        self.ask_anew()
        self.answers_ns = []
        self.lines = self.lines[-1:]

    def ask_anew(self) -> None:
        """Only questions count that are put from now on."""
        self._since = self._questions
        self._answered_ns = self._quoted_ns = 0

    def put(self, more: str = "") -> bool:
        """Ask the next question; whether it could be said."""
        if not self.is_there:
            return False
        self._questions += 1
        self._asked += 1
        words = f"{self.name} asks {self._questions}{' ' + more if more else ''}."
        self._say({"type": "say", "text": words})
        return True

    @property
    def node(self) -> str:
        """Name of the node that it is connected to; empty: of no cluster, or not connected."""
        place = self._line.location.rpartition("/")[2] if self._line is not None else ""
        return place.partition("~")[2]

    def answered_ns(self) -> int:
        """When it heard an answer to a question put since ``begin``; 0: not yet."""
        if not self._answered_ns and self._quoted_ns:
            heard = (at for at in self._frames.loud_ns if at >= self._quoted_ns)
            self._answered_ns = next(heard, 0)
            if self._answered_ns:
                self.answers_ns.append(self._answered_ns)
        return self._answered_ns

    def heard(self, line: Any, message: bytes | str) -> None:
        """A message of the gateway."""
        super().heard(line, message)
        if isinstance(message, str) and '"caption"' in message:
            self._caption(json.loads(message))

    def _caption(self, content: dict[str, Any]) -> None:
        if content.get("type") != "caption":
            return
        text = str(content.get("text", ""))
        if content.get("final"):
            self.finals[str(content.get("item", ""))] = text
        if not self._quoted_ns and text.startswith("[") and self._is_new(text):
            self._quoted_ns = time.monotonic_ns()

    def _is_new(self, text: str) -> bool:
        """Whether it quotes a question that counts; it may be cut."""
        number = text.partition(f'"{self.name} asks ')[2].partition(" ")[0].strip('."')
        return number.isdigit() and self._since < int(number) <= self._questions

    def note(self) -> None:
        """Look whether it has come or gone."""
        if self.is_there != self._was_there:
            self._was_there = self.is_there
            self.lines.append((time.monotonic_ns(), (self.node or "?") if self.is_there else ""))

    def away_ms(self, until_ns: int) -> float:
        """The longest time without a connection since ``begin``."""
        longest, since_ns = 0, 0
        for at_ns, node in [*self.lines, (until_ns, "")]:
            if since_ns and (node or at_ns == until_ns):
                longest, since_ns = max(longest, at_ns - since_ns), 0
            if not node:
                since_ns = since_ns or at_ns
        return longest / MS_NS

    def story(self, from_ns: int, until_ns: int) -> dict[str, Any]:
        """What happened between these moments."""
        loud = self._frames.loud_ns
        said_ns = from_ns + SENTENCE_NS
        frames = sum(from_ns <= at <= said_ns for at in loud)
        answered_ns = next((at for at in self.answers_ns if at >= from_ns), 0)
        return {
            "room": self.room,
            "name": self.name,
            "node": self.node,
            "answered_ms": (answered_ns - from_ns) / MS_NS if answered_ns else None,
            "away_ms": self.away_ms(until_ns),
            "gap_s": longest_gap_s(loud, from_ns, said_ns),
            "loud_frames": frames,
            "asked": self._asked,
            "joins": self.joins,
            "refusals": self.refusals[-3:],
            "lines": self.lines,
        }


class People:
    """All of them, and the commands."""

    def __init__(self) -> None:
        self._members: list[Member] = []
        self._notes: asyncio.Task[None] | None = None

    async def do_join(
        self, seats: list[tuple[str, str]], ways: list[str], token: str, hums: bool
    ) -> None:
        """Let these come, room and name each; the first of each room first. Raises TimeoutError.

        They begin at different nodes.
        """
        if self._notes is None:
            self._notes = asyncio.create_task(self._note())
        fresh = []
        for room, name in seats:
            turn = len(self._members) % len(ways)
            first, *others = ways[turn:] + ways[:turn]
            member = Member(first, room, name, ways=others, token=token, hums=hums)
            self._members.append(member)
            fresh.append(member)
        async with asyncio.timeout(JOIN_TIMEOUT_S):
            for start in range(0, len(fresh), JOINS_AT_ONCE):
                group = fresh[start : start + JOINS_AT_ONCE]
                for member in group:
                    member.start()
                while not all(member.is_there for member in group):
                    await asyncio.sleep(LOOK_S)
        gc.collect()
        gc.freeze()

    async def _note(self) -> None:
        while True:
            for member in self._members:
                member.note()
            await asyncio.sleep(LOOK_S)

    async def do_begin(self) -> None:
        """Count from now on."""
        for member in self._members:
            member.begin()

    async def do_talk(self, rooms: list[str]) -> int:
        """One of each room asks for a long answer; returns how long they are, ms."""
        for room in rooms or {member.room for member in self._members}:
            next(member for member in self._members if member.room == room).put(AT_LENGTH)
        return LONG_MS

    async def do_outcome(
        self, since_ns: int, patience_s: float, anew: bool = False
    ) -> list[dict[str, Any]]:
        """Ask in all rooms until everybody has been answered; what each has seen since then.

        ``anew``: what was answered already does not count.
        """
        for member in self._members if anew else ():
            member.ask_anew()
        await asyncio.gather(
            *(ask_until(people, patience_s) for people in self._by_room().values())
        )
        return await self.do_story(since_ns)

    async def do_go_on(self, since_ns: int, until_ns: int) -> dict[str, float]:
        """Ask on until then; room → the longest time that somebody was without an answer, s."""
        rooms = self._by_room()
        await asyncio.gather(*(go_on_asking(people, until_ns) for people in rooms.values()))
        return {
            room: max(longest_without_s(one.answers_ns, since_ns, until_ns) for one in people)
            for room, people in rooms.items()
        }

    async def do_story(self, since_ns: int) -> list[dict[str, Any]]:
        """What each has seen since then."""
        now_ns = time.monotonic_ns()
        return [member.story(since_ns, now_ns) for member in self._members]

    def _by_room(self) -> dict[str, list[Member]]:
        rooms: dict[str, list[Member]] = {}
        for member in self._members:
            rooms.setdefault(member.room, []).append(member)
        return rooms

    async def do_told(self) -> list[tuple[str, str, str]]:
        """Room, item and text of every final line that anybody was told."""
        return [
            (member.room, item, text)
            for member in self._members
            for item, text in member.finals.items()
        ]

    async def do_nodes(self) -> dict[str, list[str]]:
        """Room → the nodes that its people are connected to."""
        found: dict[str, set[str]] = {}
        for member in self._members:
            found.setdefault(member.room, set()).add(member.node)
        return {room: sorted(nodes) for room, nodes in found.items()}

    async def do_leave(self) -> None:
        """Everybody leaves."""
        await asyncio.gather(*(member.stop() for member in self._members))
        self._members.clear()


async def ask_until(people: Sequence[Member], patience_s: float) -> None:
    """One question at a time in one room, until everybody has heard an answer to one of theirs."""
    end_s = time.monotonic() + patience_s
    waits = dict.fromkeys(people, FIRST_ASK_S)
    due_s, asker, taken = 0.0, people[0], people[0].words_taken()
    while waiting := [member for member in people if not member.answered_ns()]:
        now_s = time.monotonic()
        if now_s > end_s:
            return
        if asker.words_taken() > taken:
            due_s, taken = now_s + TAKEN_ASK_S, asker.words_taken()
        if now_s >= due_s or asker.answered_ns():
            for member in sorted(waiting, key=waits.__getitem__):
                if member.put():
                    asker, taken = member, member.words_taken()
                    due_s = now_s + waits[member]
                    waits[member] = min(MOST_ASK_S, waits[member] * GROWTH)
                    break
        await asyncio.sleep(LOOK_S)


async def go_on_asking(people: Sequence[Member], until_ns: int) -> None:
    """One question after the other in one room, until then."""
    while (left_s := (until_ns - time.monotonic_ns()) / 1e9) > 0:
        for member in people:
            member.ask_anew()
        await ask_until(people, left_s)
        await asyncio.sleep(min(BREATH_S, left_s))


async def main() -> None:
    """Serve until standard input ends."""
    address = sys.argv[1]
    offer_addresses(lambda: [address])
    asyncio.get_running_loop().set_exception_handler(quietly)
    gc.disable()
    await serve(People())


if __name__ == "__main__":
    uvloop.run(main())
