"""The shell of ``owners``: the bucket of rooms, and those who ask which node has one."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

from mixer_core.cluster.names import room_token
from mixer_core.cluster.placement import NoNode
from mixer_core.cluster.records import RoomRecord, decode_record, encode_record
from mixer_core.cluster.tasks import end
from mixer_core.runtime.errors import (
    ClusterAwayError,
    ClusterError,
    ConflictError,
    RecordError,
)

from .. import clock
from .owner_actions import (
    Action,
    Announce,
    Claim,
    Entry,
    Give,
    Lose,
    Nobody,
    Nodes,
    Own,
    Place,
    Read,
    Release,
    Reply,
    There,
    Where,
    Wish,
    Write,
)
from .owners import Owners
from .rooms_bucket import RoomsBucket

ASK_LIMIT_S = 9.0
"""Longest wait of who asks for a room; an offer is given up after ten."""
JOIN_LIMIT_S = 3.0
"""Longest wait of who comes before this node has joined: a page asks again after four."""
IO_LIMIT_S = 3.0
"""For one answer of NATS."""
AT_ONCE = 64
"""Records that are read or written at the same time; further ones wait."""
AWAY = "NATS, which knows where rooms are, does not answer"
LATE = "the machine that has this room was not found in time"
DAMAGED = "the cluster's record of this room cannot be read or written: see the log"
RETRY_S = 2


def now_ns() -> int:
    """The time that leases are counted in: it goes on while the machine sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Placing(Nodes, Protocol):
    """What is asked about nodes; see ``placer``."""

    def target(self, needs: Collection[str], avoid: Collection[str], now_ns: int) -> str | NoNode:
        """The node that a room would get now; nothing is counted."""


class Told(Protocol):
    """Who runs the rooms."""

    def own(self, room: str, epoch: int) -> None:
        """This node has a room from now on: its assistant may talk, under this epoch."""

    def lose(self, room: str, why: str) -> None:
        """Another node has it: whoever is in it here has to join again."""


class OwnerShell:
    """Which node has which room; on one event loop, from the first lease to ``close``.

    ``own`` and ``lose`` of ``told`` are called on the loop and must not raise. Questions do not
    raise either: what went wrong is in the answer.
    """

    def __init__(
        self,
        node: str,
        rooms: RoomsBucket,
        nodes: Placing,
        told: Told,
        log: logging.LoggerAdapter[logging.Logger],
        unix_s: Callable[[], int] = clock.now_s,
    ) -> None:
        """``unix_s``: epochs are made of it, and have to grow while the bucket forgets rooms."""
        self._owners = Owners(node, nodes, unix_s)
        self._rooms = rooms
        self._bucket = rooms.bucket
        self._nodes = nodes
        self._told = told
        self._log = log
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Place]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._is_closed = False
        self._looking: asyncio.Task[None] | None = None
        self._has_joined = asyncio.Event()
        """It had a lease, or ends."""

    async def prepare(self, replicas: int = 1) -> None:
        """Have the bucket, before the first lease. Raises ClusterError."""
        await self._rooms.prepare(replicas)

    # -- questions ------------------------------------------------------------------------------

    def rooms(self) -> Mapping[str, int]:
        """The rooms that this node has, and their epochs."""
        return self._owners.held()

    async def where(self, room: str) -> Place:
        """Which node has a room."""
        return await self._ask(room, Where())

    async def claim(
        self,
        room: str,
        needs: Collection[str] = (),
        avoid: Collection[str] = (),
        here: bool = False,
    ) -> Place:
        """Somebody comes to a room, which has to have a node afterwards; see ``Claim``.

        Who comes while this node starts waits a little for its first lease.
        """
        until_s = asyncio.get_running_loop().time() + ASK_LIMIT_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(JOIN_LIMIT_S):
                await self._has_joined.wait()
        return await self._ask(room, Claim(frozenset(needs), frozenset(avoid), here), until_s)

    async def refused(self, room: str) -> None:
        """This node cannot take the first person of a room: another one shall have it."""
        await self._ask(room, Release())

    def target(self, room: str, avoid: Collection[str]) -> tuple[str, str]:
        """A node for a room of this one; or empty, and why there is none."""
        found = self._nodes.target((), avoid, now_ns())
        return ("", found.why) if isinstance(found, NoNode) else (found, "")

    async def announce(self, room: str, target: str) -> None:
        """Write into the record of a room that it will go to ``target``; empty: that it stays."""
        await self._ask(room, Announce(target))

    async def give(self, room: str, target: str) -> bool:
        """Write the room's record for ``target``.

        False: it is this node's still. True: nothing of it runs here any more.
        """
        await self._ask(room, Give(target))
        return room not in self._owners.held()

    async def take(self, room: str) -> str:
        """Make a room this node's that was given to it; why not, or empty: it is."""
        found = await self.claim(room, here=True)
        if isinstance(found, There):
            return f"{found.node} has it"
        return found.why if isinstance(found, Nobody) else ""

    # -- what happens ---------------------------------------------------------------------------

    def lease_begins(self, incarnation: str) -> None:
        """This node has a lease, under a new incarnation."""
        self._owners.lease_begins(incarnation)
        self._has_joined.set()

    def lease_pauses(self) -> None:
        """It has run out, and may hold again."""
        self._do(self._owners.lease_pauses())

    def lease_resumes(self, incarnation: str) -> None:
        """It holds again, under the same incarnation: what this node had it has."""
        self._do(self._owners.lease_resumes(incarnation))

    def lease_ends(self) -> None:
        """It has lapsed for good."""
        self._do(self._owners.lease_ends())

    def occupied(self, rooms: Collection[str]) -> None:
        """Once a second: the rooms here in which somebody is."""
        self._do(self._owners.occupied(rooms, now_ns()))
        if self._rooms.is_open:
            self._look_for_bucket()

    async def close(self) -> None:
        """Answer who waits, write nothing more. What this node has stays its own."""
        self._is_closed = True
        self._has_joined.set()
        for future in self._waiting.values():
            if not future.done():
                future.set_result(Nobody("this machine is restarting", RETRY_S))
        await end(self._tasks)

    # -- inside ---------------------------------------------------------------------------------

    async def _ask(self, room: str, wish: Wish, until_s: float | None = None) -> Place:
        """``until_s``: by the loop's clock; None: ``ASK_LIMIT_S`` from now."""
        if self._is_closed:
            return Nobody("this machine is restarting", RETRY_S)
        request = next(self._numbers)
        future: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        self._waiting[request] = future
        try:
            self._do(self._owners.ask(request, room, wish, now_ns()))
            due_s = until_s or asyncio.get_running_loop().time() + ASK_LIMIT_S
            async with asyncio.timeout_at(due_s):
                return await future
        except TimeoutError:
            return Nobody(LATE, RETRY_S)
        finally:
            del self._waiting[request]

    def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, Reply):
                future = self._waiting.get(action.request)
                if future is not None and not future.done():
                    future.set_result(action.place)
            elif isinstance(action, Own | Lose):
                self._tell(action)
            elif not self._is_closed:
                task = asyncio.create_task(self._carry_out(action))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _tell(self, action: Own | Lose) -> None:
        more = {"room": action.room}
        try:
            if isinstance(action, Own):
                self._log.info("= owned, epoch %d", action.epoch, extra=more)
                self._told.own(action.room, action.epoch)
            else:
                self._log.info("= not owned: %s", action.why, extra=more)
                self._told.lose(action.room, action.why)
        except Exception:  # What is to be read and written goes on.
            self._log.exception("! who runs the room could not be told", extra=more)

    async def _carry_out(self, action: Read | Write) -> None:
        room = action.room if isinstance(action, Read) else action.record.room
        is_perhaps_done = isinstance(action, Write)
        try:
            found = await self._asked(action)
        except ConflictError:
            result = self._owners.refused(room, now_ns())
        except ClusterAwayError as error:
            is_perhaps_done = is_perhaps_done and error.is_perhaps_done
            result = self._failed(room, AWAY, error, is_perhaps_done)
            self._look_for_bucket()
        except (ClusterError, RecordError) as error:
            result = self._failed(room, DAMAGED, error, is_perhaps_done)
        except Exception as error:  # Whatever it is: who waits for the room has an answer.
            self._log.exception("! its record could not be asked for", extra={"room": room})
            result = self._failed(room, DAMAGED, error, is_perhaps_done)
        else:
            if isinstance(found, Entry):
                result = self._owners.got(room, found, now_ns())
            else:
                result = self._owners.written(room, found, now_ns())
        self._do(result)

    async def _asked(self, action: Read | Write) -> Entry | int:
        """What was read, or the revision that was written; a few at a time."""
        async with self._places:
            if isinstance(action, Read):
                return await self._read(action.room)
            return await self._write(action)

    def _failed(self, room: str, why: str, error: Exception, is_perhaps_done: bool) -> list[Action]:
        self._log.info("! its record: %s", error, extra={"room": room})
        return self._owners.failed(room, why, now_ns(), is_perhaps_done=is_perhaps_done)

    def _look_for_bucket(self) -> None:
        """NATS may have lost it."""
        if self._looking is None and not self._is_closed:
            self._looking = asyncio.create_task(self._look())
            self._tasks.add(self._looking)
            self._looking.add_done_callback(self._tasks.discard)

    async def _look(self) -> None:
        try:
            await self._rooms.look()
        except ClusterError as error:
            self._log.info("! the records of rooms: %s", error)
        finally:
            self._looking = None

    async def _read(self, room: str) -> Entry:
        stored = await self._bucket.get(room_token(room), IO_LIMIT_S)
        if stored is None:
            return Entry()
        return Entry(decode_record(stored.value, RoomRecord), stored.revision)

    async def _write(self, action: Write) -> int:
        key, value = room_token(action.record.room), encode_record(action.record)
        if not action.revision:
            return await self._bucket.create(key, value, IO_LIMIT_S)
        return await self._bucket.update(key, value, action.revision, IO_LIMIT_S)
