"""Rooms go from this node to others, and come from others to it: the shell of ``drain``.

It asks other nodes by NATS, links by the control socket, and the owners' records by whoever keeps
them. Everything that waits has a limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from mixer_core.bus import control
from mixer_core.cluster.connection import Connection
from mixer_core.cluster.messages import Message
from mixer_core.cluster.names import Names
from mixer_core.cluster.records import decode_record, encode_record
from mixer_core.cluster.subscription import Subscribed
from mixer_core.cluster.tasks import end
from mixer_core.runtime.counted import counted
from mixer_core.runtime.errors import ClusterError, MixminusError, ProblemError, RecordError
from mixer_core.runtime.lazy_timer import LazyTimer
from mixer_core.runtime.units import MS_NS, S_NS

from ..gateway import Gateway
from ..registry.moves import Moved
from .drain import (
    Abandon,
    Drain,
    DrainAction,
    Finished,
    Give,
    Prepare,
    Resume,
    Yield,
)
from .move_wire import SUBJECT, MoveAnswer, MoveOrder, Op

LOOK_NS = S_NS
"""Between two looks at which rooms are here."""
SESSION_S = 12.0
"""Longest time from the order to prepare a room to a session that knows the conversation."""
PREPARE_S = 14.0
ASK_S = 3.0
"""For whatever is answered at once."""
READY_S = 0.05
"""Between two looks at a link that is prepared."""


class RoomGiver(Protocol):
    """Gives rooms to other nodes, and takes theirs; raises nothing but MixminusError."""

    def rooms(self) -> Mapping[str, int]:
        """The rooms of this node, and their epochs."""

    def target(self, room: str, avoid: Collection[str]) -> tuple[str, str]:
        """A node for a room of this one; or empty, and why there is none."""

    async def give(self, room: str, target: str) -> bool:
        """Write the room's record for ``target``.

        False: it is this node's still. True: nothing of it runs here any more.
        """

    async def take(self, room: str) -> str:
        """Make a room this node's that was given to it; why not, empty: it is."""


class Moving:
    """Of one node, from ``start`` to ``close``."""

    def __init__(
        self,
        gateway: Gateway,
        owning: RoomGiver,
        connection: Connection,
        names: Names,
        node: str,
        log: logging.LoggerAdapter[logging.Logger],
        tell_draining: Callable[[], None] = lambda: None,
    ) -> None:
        """``tell_draining``: this node takes no rooms any more; its record is to say so."""
        self._gateway = gateway
        self._owning = owning
        self._connection = connection
        self._names = names
        self._node = node
        self._log = log
        self._tell_draining = tell_draining
        self._drain = Drain()
        self._finished: Finished | None = None
        self._look_ns = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer = LazyTimer(asyncio.get_running_loop(), self._fire)
        self._subscribed: Subscribed | None = None
        self._orders: dict[str, int] = {}
        """Of the latest ``Yield``, by room."""

    async def start(self) -> None:
        """Answer other nodes, and hear what links and the command line say."""
        gateway = self._gateway
        gateway.on_moving, gateway.on_drain = self._heard, self.begin
        gateway.is_needed = lambda: self._drain.is_begun and self._finished is None
        subject = self._names.of_node(self._node, SUBJECT)
        self._subscribed = await self._connection.serve(subject, self._serve)

    async def close(self) -> None:
        """What moves at this moment is left as it is: the records say whose it is."""
        self._timer.close()
        if self._subscribed is not None:
            await self._subscribed.close()
        await end(self._tasks)

    @property
    def is_draining(self) -> bool:
        """Whether this node gives its rooms away, and takes none."""
        return self._drain.is_begun

    def state(self) -> dict[str, Any] | None:
        """For ``/readyz``; None: this node does not drain."""
        if not self._drain.is_begun:
            return None
        finished = self._finished
        return {
            "left": self._drain.left,
            "moved": self._drain.moved,
            "finished": finished is not None,
            "stay": [] if finished is None else list(finished.stay),
        }

    # -- what happens ---------------------------------------------------------------------------

    def begin(self, limit_s: float) -> None:
        """Move this node's rooms to others within ``limit_s``."""
        now_ns = time.monotonic_ns()
        if not self._drain.is_begun:
            self._log.info("= this node drains: its rooms go to others")
            self._tell_draining()
        self._drain.begin(now_ns, int(limit_s * S_NS))
        self._look(now_ns)

    def _heard(self, message: control.Yielded | control.DrainNode) -> None:
        if isinstance(message, control.DrainNode):
            self.begin(message.limit_ms / 1_000)
            return
        now_ns = time.monotonic_ns()
        self._do(self._drain.yielded(message.room, message.order, message.owed, now_ns))

    def _fire(self) -> None:
        now_ns = time.monotonic_ns()
        try:
            if now_ns >= self._look_ns:
                self._look(now_ns)
            else:
                self._do(self._drain.tick(now_ns))
        finally:
            self._arm()

    def _look(self, now_ns: int) -> None:
        self._look_ns = now_ns + LOOK_NS
        held, registry = self._owning.rooms(), self._gateway.registry
        unsure = {room for room in registry.occupied() if room not in held}
        self._do(self._drain.rooms(held, now_ns, unsure))
        for room, order in list(self._orders.items()):
            if not registry.has_link(room):  # It has ended, and no other one follows.
                self._do(self._drain.yielded(room, order, False, now_ns))

    def _arm(self) -> None:
        due_ns = self._drain.next_timeout_ns()
        if due_ns is not None:
            self._timer.arm(min(due_ns, self._look_ns))

    # -- what is to be done ---------------------------------------------------------------------

    def _do(self, actions: Sequence[DrainAction]) -> None:
        for action in actions:
            match action:
                case Prepare(room, avoid):
                    self._spawn(self._prepare(room, avoid))
                case Yield(room, within_ns, order):
                    self._orders[room] = order
                    self._tell(control.Yield(room, order, within_ns // MS_NS))
                case Give(room, target, owed):
                    self._orders.pop(room, None)
                    self._spawn(self._give(room, target, owed))
                case Resume(room):
                    self._orders.pop(room, None)
                    self._tell(control.Stay(room))
                case Abandon(room, target):
                    self._spawn(self._abandon(room, target))
                case Finished():
                    self._finish(action)
        self._arm()

    def _finish(self, finished: Finished) -> None:
        self._finished = finished
        words = f"= {counted(self._drain.moved, 'room')} moved"
        if finished.stay:
            words += f"; these could not: {', '.join(finished.stay)}"
        self._log.info(words)
        self._gateway.alter(lambda *_: ())  # It may end now, if it is to.

    def _tell(self, message: control.Yield | control.Stay | control.OwesAnswer) -> None:
        self._gateway.alter(lambda registry, now_ns: registry.tell_link(message, now_ns))

    async def _prepare(self, room: str, avoid: frozenset[str]) -> None:
        target, why = self._owning.target(room, avoid | {self._node})
        if target:
            why = await self._ask(target, "prepare", room, PREPARE_S)
        now_ns = time.monotonic_ns()
        if target and not why:
            self._do(self._drain.prepared(room, target, now_ns))
            return
        self._log.info("= %s does not take the room: %s", target or "nobody", why)
        self._do(self._drain.refused(room, target, why, now_ns))

    async def _give(self, room: str, target: str, owed: bool) -> None:
        why = await self._ask(target, "expect", room, ASK_S)
        if not why:
            try:
                if await self._owning.give(room, target):
                    why = await self._ask(target, "take", room, ASK_S, owed)
                    self._gateway.metrics.count("cluster_moved_total")
                    late = f", which has not taken it yet: {why}" if why else ""
                    self._log.info("= the room is at %s%s", target, late, extra={"room": room})
                    self._do(self._drain.given(room, time.monotonic_ns()))
                    return
                why = "its record could not be written"
            except MixminusError as error:
                why = str(error)
        self._do(self._drain.not_given(room, why, time.monotonic_ns()))

    async def _abandon(self, room: str, target: str) -> None:
        await self._ask(target, "abandon", room, ASK_S)

    async def _ask(self, target: str, op: Op, room: str, limit_s: float, owed: bool = False) -> str:
        """Why the other node does not do it; empty: it has."""
        moved = Moved()
        if op in ("prepare", "expect"):
            moved = self._gateway.registry.taken_along(room)
        epoch = self._owning.rooms().get(room, 0)
        order = MoveOrder(op, room, self._node, moved, epoch, owed)
        subject = self._names.of_node(target, SUBJECT)
        try:
            answer = await self._connection.request(subject, encode_record(order), limit_s)
            said = decode_record(answer.data, MoveAnswer)
        except (ClusterError, RecordError) as error:
            return str(error)
        return "" if said.ok else said.why or "it does not say why"

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._log.error("! a room could not be moved", exc_info=task.exception())

    # -- what other nodes ask --------------------------------------------------------------------

    async def _serve(self, message: Message) -> bytes:
        order = decode_record(message.data, MoveOrder)
        try:
            why = await self._obey(order)
        except ProblemError as error:
            why = error.detail
        return encode_record(MoveAnswer(not why, why[:512]))

    async def _obey(self, order: MoveOrder) -> str:
        """Why not; empty: it is done."""
        gateway, room = self._gateway, order.room
        if order.op == "abandon":
            gateway.alter(lambda registry, now_ns: registry.abandon(room, now_ns))
            return ""
        if self.is_draining:
            return "this node drains, too"
        if order.op == "prepare":
            return await self._make_ready(order)
        if order.op == "expect":
            gateway.alter(lambda registry, now_ns: registry.expect(room, order.moved, now_ns))
            return ""
        why = await self._owning.take(room)
        if not why:
            self._log.info("= a room of %s is here", order.node, extra={"room": room})
            if order.owed:
                self._tell(control.OwesAnswer(room))
        return why

    async def _make_ready(self, order: MoveOrder) -> str:
        """Have a link with a session that knows the conversation."""
        gateway, room = self._gateway, order.room
        if gateway.burden() >= 1.0:
            return "it is busy"
        moved, epoch = order.moved, order.epoch
        gateway.alter(lambda registry, now_ns: registry.prepare(room, moved, epoch, now_ns))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SESSION_S):
                while (status := gateway.registry.link_status(room)) not in ("ready", "failed"):
                    await asyncio.sleep(READY_S)
                if status == "ready":
                    return ""
        gateway.alter(lambda registry, now_ns: registry.abandon(room, now_ns))
        return "it has no session with the assistant's server"
