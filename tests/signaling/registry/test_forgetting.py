"""Conversations that links are to forget: one answer each, whatever becomes of the link."""

from __future__ import annotations

from mixer_core.bus import control
from signaling.registry.actions import Forget, Reply, ReplyDone, ReplyProblem
from signaling.registry.orders import MAX_WAITING
from tests.signaling.registry.test_house import Home


class Room(Home):
    """A room with somebody in it, and a link."""

    def __init__(self, has_link: bool = True) -> None:
        super().__init__()
        if has_link:
            self.link = self.world.add("link")
        self.come("a.1", "admin")
        if has_link:
            self.world.settle()
            self.world.connect(self.link)

    def forget(self, room: str = "home") -> int:
        self.world.asked += 1
        event = Forget(self.world.asked, room, 7, "Ada")
        self.world.do(self.world.registry.ask(event, self.world.now_ns))
        return event.request

    def reply(self, request: int) -> Reply:
        (reply,) = self.world.replies_to(request)
        return reply

    def status(self, request: int) -> int:
        reply = self.reply(request)
        return reply.status if isinstance(reply, ReplyProblem) else 200

    @property
    def orders(self) -> list[control.Forget]:
        return [m for m in self.world.messages_to(self.link) if isinstance(m, control.Forget)]


def test_the_link_is_told_and_its_answer_counts_once() -> None:
    room = Room()
    request = room.forget()
    (order,) = room.orders
    assert (order.conversation, order.name) == (7, "Ada")
    assert not room.world.replies_to(request)
    stranger = room.world.add("link")
    room.world.say(stranger, control.Forgotten(order.order))
    assert not room.world.replies_to(request)
    room.world.say(room.link, control.Forgotten(order.order))
    room.world.say(room.link, control.Forgotten(order.order))
    assert isinstance(room.reply(request), ReplyDone)


def test_where_there_is_no_link_nobody_knows_anything() -> None:
    room = Room(has_link=False)
    assert room.status(room.forget()) == 200
    assert room.status(room.forget("attic")) == 404


def test_a_link_that_is_silent_or_gone_is_answered_for() -> None:
    room = Room()
    silent = room.forget()
    room.world.advance(5_500)
    assert room.status(silent) == 503
    gone = room.forget()
    room.world.exit(room.link, -9)
    assert room.status(gone) == 503


def test_few_wait_at_once_and_a_restart_answers_them() -> None:
    room = Room()
    waiting = [room.forget() for _ in range(MAX_WAITING)]
    assert room.status(room.forget()) == 503
    room.world.do(room.world.registry.close())
    assert {room.status(request) for request in waiting} == {503}
