"""Gives offers to idle worker children, and pairs answers with their requests. Sans-I/O.

An offer goes to an idle child at once. If that child dies, or does not react in time while
another one is idle, the offer goes to that one, and the first has to leave.
"""

from __future__ import annotations

from mixer_core.bus.control import Answer, Leave, Refused, SetRoom, WorkerState

from .actions import Action, Left, Limits, ReplyAnswer, ReplyProblem, SendToChild
from .children import Children
from .numbering import Numbers
from .participant import Participant
from .participants import Participants

BUSY_RETRY_S = 2


class Dispatch:
    """The participants, and the worker children that serve them."""

    def __init__(self, limits: Limits, streams: Numbers) -> None:
        """``streams`` is where the stream ids of running children are noted."""
        self.participants = Participants(limits.tombstone_ns)
        self.workers: Children[WorkerState] = Children(limits.silence_ns, limits.distrust_ns)
        self._limits = limits
        self._streams = streams

    def heard(self, identity: str, state: WorkerState, now_ns: int) -> list[Action]:
        """A worker child's state; an unknown participant joined before signaling was restarted."""
        child = self.workers.heard(identity, state, now_ns)
        if state.status == "closed":
            return self._release(identity, state.detail or "closed", now_ns)
        if state.status == "idle":
            return self._idle(identity, now_ns)
        child.work = child.work or state.participant
        participant = self.participants.get(state.participant)
        if participant is None:
            if self.participants.left(state.participant, now_ns) or not state.participant:
                return [SendToChild(identity, Leave(state.participant))]
            participant = self.participants.adopt(identity, state)
            self._streams.note(state.stream)
            return [*participant.take_state(state), *self._catch_up(participant, state)]
        elif participant.worker != identity:
            return [SendToChild(identity, Leave(state.participant))]
        return participant.take_state(state)

    def _catch_up(self, participant: Participant, state: WorkerState) -> list[Action]:
        """The room has changed since somebody heard of it last."""
        known = (state.mode, state.rules, state.ruled_mode)
        p = participant
        if known == (p.mode, p.rules, p.ruled_mode):
            return []
        return [SendToChild(p.worker, SetRoom(p.id, p.mode, p.rules, p.ruled_mode))]

    def answer(self, identity: str, message: Answer) -> list[Action]:
        """An answer; it counts only from the child that has the offer."""
        participant = self.participants.get(message.participant)
        if participant is None or participant.worker != identity:
            return [SendToChild(identity, Leave(message.participant))]
        request, participant.request, participant.sdp = participant.request, None, ""
        if request is None:
            return []
        return [ReplyAnswer(request, participant.room, participant.id, message.sdp)]

    def refused(self, identity: str, message: Refused, now_ns: int) -> list[Action]:
        """A child refused the offer: where it cannot now, an idle one gets it; else the browser
        gets its reason.
        """
        participant = self.participants.get(message.participant)
        if participant is None or participant.worker != identity:
            return []
        self.workers.refuse(identity)
        is_busy = message.status == 503
        if is_busy and self._may_ask_another(participant) and self.workers.idle():
            participant.worker = ""
            return []
        status = message.status if 400 <= message.status <= 599 else 500
        problem = (status, message.title, message.detail)
        return self.drop(participant, f"refused: {message.detail}", now_ns, problem)

    def gone(self, identity: str, reason: str, now_ns: int) -> list[Action]:
        """A worker child is gone."""
        self.workers.gone(identity)
        return self._release(identity, reason, now_ns, lost=True)

    def expire(self, now_ns: int) -> list[Action]:
        """End children that are silent and requests that have waited too long."""
        actions: list[Action] = []
        for identity in self.workers.silent(now_ns):
            actions += self.gone(identity, "its process no longer reports", now_ns)
        for participant in self.participants.overdue(now_ns):
            detail = (
                "the media worker did not answer in time"
                if participant.worker
                else "no media worker is idle: all are in use, or media_worker is not running"
            )
            actions += self.drop(participant, detail, now_ns, (503, "No answer", detail))
        return actions

    def offer(self, now_ns: int) -> list[Action]:
        """Give offers that wait, or whose child does not react, to idle children."""
        actions: list[Action] = []
        for participant in self.participants.all():
            late = self._may_move(participant) and self._late_ns(participant) <= now_ns
            if participant.request is None or (participant.worker and not late):
                continue
            child = self.workers.assign(participant.id)
            if child is None:
                break
            if participant.worker:
                self.workers.pass_over(participant.worker, now_ns)
                actions.append(SendToChild(participant.worker, Leave(participant.id)))
            participant.worker, participant.offered_ns = child.identity, now_ns
            participant.offers += 1
            actions.append(SendToChild(child.identity, participant.offer()))
        return actions

    def drop(
        self,
        participant: Participant,
        reason: str,
        now_ns: int,
        problem: tuple[int, str, str],
        told: tuple[str, str] = ("", ""),
        lost: bool = False,
    ) -> list[Action]:
        """End a participant: tell its worker, and reply ``problem`` to a request that waits.

        ``told``: code and message of ``Leave``, for the person. ``lost``: the worker is dead.
        """
        self.participants.remove(participant, now_ns)
        actions: list[Action] = []
        child = self.workers.get(participant.worker)
        if child is not None:
            self.workers.pass_over(child.identity, now_ns)
            if child.state.status != "closed" and not child.refused:
                actions.append(SendToChild(child.identity, Leave(participant.id, *told)))
        if participant.request is not None:
            retry_s = BUSY_RETRY_S if problem[0] == 503 else None
            actions.append(ReplyProblem(participant.request, *problem, retry_s))
        else:
            actions.append(Left(participant.room, participant.id, reason, lost))
        return actions

    def next_timeout_ns(self) -> int | None:
        """When ``expire`` or ``offer`` will have something to do."""
        times = [self.workers.next_timeout_ns(), self.participants.next_deadline_ns()]
        if self.workers.idle():
            times += [self._late_ns(p) for p in self.participants.all() if self._may_move(p)]
        return min((time for time in times if time is not None), default=None)

    def _idle(self, identity: str, now_ns: int) -> list[Action]:
        """An idle state may cross an offer; long after the answer it means that the call ended."""
        actions: list[Action] = []
        for participant in self.participants.of_worker(identity):
            long_ago = now_ns - participant.offered_ns >= self._limits.silence_ns
            if participant.request is None and long_ago:
                actions += self.drop(participant, "its worker is idle again", now_ns, _ENDED)
        return actions

    def _release(
        self, identity: str, reason: str, now_ns: int, *, lost: bool = False
    ) -> list[Action]:
        """A worker is gone: an unanswered offer goes to another one, else the call is over."""
        actions: list[Action] = []
        for participant in self.participants.of_worker(identity):
            if self._may_ask_another(participant):
                participant.worker = ""
            else:
                actions += self.drop(participant, reason, now_ns, _ENDED, lost=lost)
        return actions

    def _may_move(self, participant: Participant) -> bool:
        """Whether an unanswered offer may go from its child to another one.

        A child that has told of it is at work: a STUN server that is silent takes its time.
        """
        if not self._may_ask_another(participant):
            return False
        child = self.workers.get(participant.worker)
        if child is not None and child.state.participant == participant.id:
            return False
        return participant.worker != ""

    def _may_ask_another(self, participant: Participant) -> bool:
        return participant.request is not None and participant.offers < self._limits.max_offers

    def _late_ns(self, participant: Participant) -> int:
        return participant.offered_ns + self._limits.offer_timeout_ns


_ENDED = (503, "No answer", "every media worker that got the offer ended")
