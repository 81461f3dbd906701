"""Pictures on their way to the links: cut into pieces, answered by the link. Sans-I/O."""

from __future__ import annotations

from mixer_core.bus.control import MAX_PIECE_BYTES, PictureAnswer, PicturePiece
from mixer_core.bus.roles import at_least

from .actions import Action, ReplyDone, ReplyProblem, SendToChild, Show
from .orders import RETRY_S, Orders
from .participant import Participant

_TITLE = "Not connected"
_BUSY = "many pictures are being shown: try again"
_LOST = (503, _TITLE, "the connection to the assistant was lost: show the picture again", RETRY_S)


class Pictures(Orders):
    """Those of all rooms."""

    def __init__(self) -> None:
        super().__init__(_BUSY, _LOST)

    def show(self, event: Show, person: Participant, link: str, now_ns: int) -> list[Action]:
        """Give a picture of ``person`` to the child ``link`` (empty: their room has none)."""
        if not person.connected:
            return [ReplyProblem(event.request, 409, "Not joined", "join the room first")]
        if not at_least(person.role, "speak"):
            words = f"you are here to {person.role}: you may not show pictures; ask an admin"
            return [ReplyProblem(event.request, 403, "Not allowed", words)]
        if not link:
            words = "the assistant is not connected: try again"
            return [ReplyProblem(event.request, 503, _TITLE, words, RETRY_S)]
        if busy := self.refused(event.request):
            return busy
        upload = f"{person.id}.{event.request}"
        self.add(upload, event.request, link, now_ns)
        return [SendToChild(link, piece) for piece in _pieces(event, person, upload)]

    def received(self, identity: str, answer: PictureAnswer) -> list[Action]:
        """A link says what became of a picture."""
        request = self.answered(answer.upload, identity)
        if request is None:
            return []
        if answer.status == 202:
            return [ReplyDone(request)]
        status = answer.status if 400 <= answer.status <= 599 else 502
        retry_s = RETRY_S if status == 503 else None
        return [ReplyProblem(request, status, answer.title, answer.detail, retry_s)]


def _pieces(event: Show, person: Participant, upload: str) -> list[PicturePiece]:
    data = event.image
    cuts = range(0, len(data), MAX_PIECE_BYTES)
    pieces = [
        PicturePiece(upload, person.id, index, len(cuts), data[at : at + MAX_PIECE_BYTES])
        for index, at in enumerate(cuts)
    ]
    first = PicturePiece(
        upload,
        person.id,
        0,
        len(cuts),
        pieces[0].data,
        person.name,
        person.stream,
        event.text,
        event.thumbnail,
    )
    return [first, *pieces[1:]]
