"""Pictures in the registry: one answer for each, whatever becomes of the link."""

from __future__ import annotations

import pytest

from mixer_core.bus.control import MAX_PIECE_BYTES, PictureAnswer, PicturePiece
from mixer_core.bus.roles import Role
from signaling.registry.actions import Reply, ReplyDone, ReplyProblem, Show
from signaling.registry.orders import MAX_WAITING
from tests.signaling.registry.test_house import Home, offer_of
from tests.signaling.worlds import FakeChild

IMAGE = bytes(range(256)) * 600


class Gallery(Home):
    """A room with a link and somebody who shows pictures."""

    def __init__(self, role: Role = "speak", has_link: bool = True) -> None:
        super().__init__()
        if has_link:
            self.link = self.world.add("link")
        self.worker = self.come("a.1", role)
        if has_link:
            self.world.settle()
            self.world.connect(self.link)

    def show(self, worker: FakeChild | None = None, room: str = "home") -> int:
        self.world.asked += 1
        who = offer_of(worker or self.worker).participant
        event = Show(self.world.asked, room, who, IMAGE, "Look", b"small")
        self.world.do(self.world.registry.ask(event, self.world.now_ns))
        return event.request

    def reply(self, request: int) -> Reply:
        (reply,) = self.world.replies_to(request)
        return reply

    def status(self, request: int) -> int:
        reply = self.reply(request)
        assert isinstance(reply, ReplyProblem)
        return reply.status

    @property
    def pieces(self) -> list[PicturePiece]:
        return [m for m in self.world.messages_to(self.link) if isinstance(m, PicturePiece)]


def test_a_picture_goes_to_the_link_and_is_answered_by_it() -> None:
    room = Gallery()
    request = room.show()
    assert b"".join(piece.data for piece in room.pieces) == IMAGE
    assert max(len(piece.data) for piece in room.pieces) == MAX_PIECE_BYTES
    assert {piece.upload for piece in room.pieces} == {room.pieces[0].upload}
    assert not room.world.replies_to(request)
    upload = room.pieces[0].upload
    room.world.say(room.link, PictureAnswer(upload, 202))
    assert isinstance(room.reply(request), ReplyDone)
    room.world.say(room.link, PictureAnswer(upload, 500))  # Only the first counts.
    assert len(room.world.replies_to(request)) == 1


@pytest.mark.parametrize("status", [403, 409, 413, 503, 200, 0, 999])
def test_the_links_refusal_is_passed_on(status: int) -> None:
    room = Gallery()
    request = room.show()
    room.world.say(room.link, PictureAnswer(room.pieces[0].upload, status, "No", "because"))
    assert room.status(request) == (status if 400 <= status <= 599 else 502)


def test_a_link_that_is_silent_or_gone_is_answered_for() -> None:
    room = Gallery()
    silent = room.show()
    room.world.advance(5_500)
    assert room.status(silent) == 503
    gone = room.show()
    room.world.exit(room.link, -9)
    assert room.status(gone) == 503
    assert room.status(room.show()) == 503, "there is no link any more"


def test_who_may_not_show_pictures() -> None:
    listener = Gallery("listen")
    assert listener.status(listener.show()) == 403 and not listener.pieces
    room = Gallery()
    assert room.status(room.show(room="attic")) == 404
    waiting = room.world.add("worker")
    room.world.join("home", "Ben", role="speak")
    room.world.settle()  # Not connected yet.
    assert room.status(room.show(waiting)) == 409
    alone = Gallery(has_link=False)
    assert alone.status(alone.show()) == 503
    assert not room.pieces


def test_few_wait_at_once_and_a_restart_answers_them() -> None:
    room = Gallery()
    waiting = [room.show() for _ in range(MAX_WAITING)]
    assert room.status(room.show()) == 503
    assert not any(room.world.replies_to(request) for request in waiting)
    room.world.do(room.world.registry.close())
    assert {room.status(request) for request in waiting} == {503}


def test_another_link_cannot_answer() -> None:
    room = Gallery()
    request = room.show()
    stranger = room.world.add("link")
    room.world.say(stranger, PictureAnswer(room.pieces[0].upload, 202))
    assert not room.world.replies_to(request)
    room.world.exit(room.link)
    assert room.status(request) == 503
