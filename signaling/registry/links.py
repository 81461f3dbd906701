"""One link to the assistant per room, opened again when it is lost. Sans-I/O.

A link closes by itself when its room is empty. Signaling only makes sure that a room has exactly
one, and ends others with an empty ``Leave``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mixer_core.bus.control import Leave, LinkState, Metrics, OpenLink
from mixer_core.bus.events import Mode
from mixer_core.runtime.units import MS_NS, S_NS

from .actions import Action, Limits, LinkLost, LinkView, SendToChild
from .children import Child, Children
from .numbering import Numbers

STABLE_NS = 10 * S_NS
"""The loss of a link that was ready this long starts the back-off again."""
BACK_OFF_NS = 250 * MS_NS
MAX_BACK_OFF_NS = 30 * S_NS
FAILED_LOSSES = 5
"""A link that gave up on its upstream counts as so many: the next one waits for seconds."""


@dataclass(slots=True)
class _Slot:
    """The child that is, or was asked to be, the link of a room."""

    identity: str
    asked_ns: int | None
    """When it was asked; None once it has reported the room."""
    ready_ns: int | None = None
    """When it first reported ready."""
    failed: bool = False
    """It gave up on the upstream."""


@dataclass(slots=True)
class _Trouble:
    """Links that a room lost in a row."""

    losses: int = 0
    not_before_ns: int = 0
    """No new link before this time."""


Granted = Callable[[str], tuple[int, int] | None]
"""Takes a room; the epoch under which it is this machine's, and until when (boot time)."""


class Links:
    """The link children and which room each serves."""

    def __init__(self, limits: Limits, settled_ns: int, streams: Numbers) -> None:
        """No link is opened before ``settled_ns``: until then, running ones announce themselves."""
        self.children: Children[LinkState] = Children(limits.silence_ns, limits.distrust_ns)
        self._limits = limits
        self._settled_ns = settled_ns
        self._streams = streams
        self._slots: dict[str, _Slot] = {}
        self._trouble: dict[str, _Trouble] = {}
        self.granted: Granted | None = None
        """In a cluster: whether a room is this machine's; it gets no link where it is not."""
        self._held: set[str] = set()
        """Rooms that are going to another machine: they get no other link here."""

    def heard(self, identity: str, state: LinkState, now_ns: int) -> list[Action]:
        """A link child's state: it confirms or frees its room, or it is one too many.

        A failed link keeps its room: it has told the room why.
        """
        child = self.children.heard(identity, state, now_ns)
        if state.status == "closed":
            return self._lost(identity, state.detail or "closed", now_ns)
        if state.status == "idle" or not state.room:
            return self._idle(identity, now_ns)
        self._streams.note(state.stream)
        child.work = state.room
        slot = self._slots.setdefault(state.room, _Slot(identity, None))
        if slot.identity != identity:
            return [SendToChild(identity, Leave(""))]
        slot.asked_ns = None
        slot.failed = state.status == "failed"
        if state.status == "ready" and slot.ready_ns is None:
            slot.ready_ns = now_ns
        return []

    def gone(self, identity: str, reason: str, now_ns: int) -> list[Action]:
        """A link child is gone."""
        self.children.gone(identity)
        return self._lost(identity, reason, now_ns)

    def expire(self, now_ns: int) -> list[Action]:
        """End links whose child is silent."""
        actions: list[Action] = []
        for identity in self.children.silent(now_ns):
            actions += self.gone(identity, "its process no longer reports", now_ns)
        return actions

    def keep(self, wanted: Mapping[str, Mode], now_ns: int) -> list[Action]:
        """Open a link for every room of ``wanted`` that has none."""
        self._trouble = {room: t for room, t in self._trouble.items() if room in wanted}
        self._held &= wanted.keys()
        if now_ns < self._settled_ns:
            return []
        actions: list[Action] = []
        for room, mode in wanted.items():
            if self._wants(room, now_ns):
                actions += self._open(room, mode, now_ns)
        return actions

    def prepare(self, room: str, mode: Mode, epoch: int, now_ns: int) -> list[Action] | None:
        """Open a link that waits for a room of another machine; None: no child is idle."""
        if room in self._slots:
            return []
        return self._open(room, mode, now_ns, standby=True, epoch=epoch) or None

    def hold(self, room: str) -> None:
        """The room is going to another machine: no other link is opened for it here."""
        self._held.add(room)

    def release(self, room: str) -> None:
        """The room stays here after all."""
        self._held.discard(room)

    def abandon(self, room: str, now_ns: int) -> list[Action]:
        """The room of another machine does not come."""
        slot = self._slots.pop(room, None)
        if slot is None:
            return []
        self.children.pass_over(slot.identity, now_ns)
        return [SendToChild(slot.identity, Leave(""))]

    def asked(self, room: str) -> str:
        """The child that is, or was asked to be, the link of a room; empty: there is none."""
        slot = self._slots.get(room)
        return slot.identity if slot is not None else ""

    def identity(self, room: str) -> str:
        """The child that has reported to be the link of a room; empty: there is none."""
        child = self._child(room)
        return child.identity if child is not None and child.state.room == room else ""

    def view(self, room: str) -> LinkView:
        """The state of a room's link."""
        child = self._child(room)
        if child is None or child.state.room != room:
            return LinkView("waiting")
        state = child.state
        usage: Metrics = {key: n for key, n in state.metrics.items() if "token" in key}
        return LinkView(state.status, state.upstream, state.detail, usage)

    def next_timeout_ns(self, wanted: Mapping[str, Mode]) -> int | None:
        """When ``keep`` or ``expire`` may have something to do."""
        times = [self.children.next_timeout_ns()]
        if self.children.idle():
            times += [self._due_ns(room) for room in wanted]
        return min((time for time in times if time is not None), default=None)

    def _child(self, room: str) -> Child[LinkState] | None:
        slot = self._slots.get(room)
        return self.children.get(slot.identity) if slot else None

    def _due_ns(self, room: str) -> int | None:
        """When a room may get an idle child; None while it has a link."""
        slot = self._slots.get(room)
        is_elsewhere = self.granted is not None and self.granted(room) is None
        if room in self._held or is_elsewhere:
            return None
        if slot is None:
            trouble = self._trouble.get(room)
            return max(self._settled_ns, trouble.not_before_ns if trouble else 0)
        if slot.asked_ns is None:
            return None
        return slot.asked_ns + self._limits.offer_timeout_ns

    def _wants(self, room: str, now_ns: int) -> bool:
        due_ns = self._due_ns(room)
        return due_ns is not None and due_ns <= now_ns

    def _open(
        self, room: str, mode: Mode, now_ns: int, standby: bool = False, epoch: int = 0
    ) -> list[Action]:
        child = self.children.assign(room)
        if child is None:
            return []
        actions: list[Action] = []
        late = self._slots.get(room)
        if late is not None:
            self.children.pass_over(late.identity, now_ns)
            actions.append(SendToChild(late.identity, Leave("")))
        self._slots[room] = _Slot(child.identity, now_ns)
        until_ns = 0
        if not standby and self.granted is not None:
            epoch, until_ns = self.granted(room) or (0, 0)
        stream, verify = self._streams.draw(), self._limits.verify
        message = OpenLink(room, stream, mode, verify, standby, epoch, until_ns)
        actions.append(SendToChild(child.identity, message))
        return actions

    def _idle(self, identity: str, now_ns: int) -> list[Action]:
        """Idle after it was asked: it has not read that yet. Idle after it served: a loss."""
        if any(s.identity == identity and s.asked_ns is None for s in self._slots.values()):
            self.children.pass_over(identity, now_ns)
            return self._lost(identity, "it is idle again", now_ns)
        return []

    def _lost(self, identity: str, reason: str, now_ns: int) -> list[Action]:
        rooms = [room for room, slot in self._slots.items() if slot.identity == identity]
        for room in rooms:
            self._count_loss(room, self._slots.pop(room), now_ns)
        return [LinkLost(room, reason) for room in rooms]

    def _count_loss(self, room: str, slot: _Slot, now_ns: int) -> None:
        """After the first loss the next link opens at once, after more it waits 250 ms … 30 s."""
        trouble = self._trouble.setdefault(room, _Trouble())
        if slot.ready_ns is not None and now_ns - slot.ready_ns >= STABLE_NS:
            trouble.losses = 0
        trouble.losses += FAILED_LOSSES if slot.failed else 1
        if trouble.losses > 1:
            wait_ns = BACK_OFF_NS << min(trouble.losses - 2, 10)
            trouble.not_before_ns = now_ns + min(wait_ns, MAX_BACK_OFF_NS)
