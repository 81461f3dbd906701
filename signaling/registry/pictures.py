"""Pictures on their way to the links: cut into pieces, answered by the link. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.bus.control import MAX_PIECE_BYTES, PictureAnswer, PicturePiece
from mixer_core.bus.roles import at_least
from mixer_core.runtime.units import S_NS

from .actions import Action, ReplyDone, ReplyProblem, SendToChild, Show
from .participant import Participant

ANSWER_NS = 5 * S_NS
"""A link that has not answered by then does not."""
MAX_WAITING = 16
"""Pictures that wait for an answer; one more is refused."""
RETRY_S = 2
_TITLE = "Not connected"
_LOST = (503, _TITLE, "the connection to the assistant was lost: show the picture again", RETRY_S)


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: int
    identity: str
    until_ns: int


class Pictures:
    """Those of all rooms."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

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
        if len(self._waiting) >= MAX_WAITING:
            words = "many pictures are being shown: try again"
            return [ReplyProblem(event.request, 503, "Busy", words, RETRY_S)]
        upload = f"{person.id}.{event.request}"
        self._waiting[upload] = _Waiting(event.request, link, now_ns + ANSWER_NS)
        return [SendToChild(link, piece) for piece in _pieces(event, person, upload)]

    def answered(self, identity: str, answer: PictureAnswer) -> list[Action]:
        """A link says what became of a picture."""
        waiting = self._waiting.get(answer.upload)
        if waiting is None or waiting.identity != identity:
            return []
        del self._waiting[answer.upload]
        if answer.status == 202:
            return [ReplyDone(waiting.request)]
        status = answer.status if 400 <= answer.status <= 599 else 502
        retry_s = RETRY_S if status == 503 else None
        return [ReplyProblem(waiting.request, status, answer.title, answer.detail, retry_s)]

    def gone(self, identity: str) -> list[Action]:
        """A link child is gone, with what it was shown."""
        lost = [upload for upload, w in self._waiting.items() if w.identity == identity]
        return [ReplyProblem(self._waiting.pop(upload).request, *_LOST) for upload in lost]

    def expire(self, now_ns: int) -> list[Action]:
        """Pictures that were not answered in time."""
        late = [upload for upload, w in self._waiting.items() if w.until_ns <= now_ns]
        return [ReplyProblem(self._waiting.pop(upload).request, *_LOST) for upload in late]

    def close(self) -> list[int]:
        """The requests that wait: nobody answers them any more."""
        requests = [waiting.request for waiting in self._waiting.values()]
        self._waiting.clear()
        return requests

    def next_timeout_ns(self) -> int | None:
        """When ``expire`` has something to do."""
        return min((w.until_ns for w in self._waiting.values()), default=None)


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
