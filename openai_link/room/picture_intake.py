"""Puts pictures together from the pieces that signaling sends. Sans-I/O.

Signaling has checked them; what is checked again here is what would hurt this process: how many
bytes wait, and that the whole is a picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mixer_core.bus.control import MAX_PIECE_BYTES, PictureAnswer, PicturePiece
from mixer_core.bus.picture_file import read_picture
from mixer_core.runtime.errors import PictureError

from ..pictures import Picture

MAX_UNFINISHED = 4
"""Pictures whose pieces are coming; of more the oldest is given up."""
_LOST = "a part of the picture got lost"


@dataclass(slots=True)
class _Unfinished:
    first: PicturePiece
    data: bytearray = field(default_factory=bytearray)
    count: int = 0


class PictureIntake:
    """Of one room."""

    def __init__(self, max_bytes: int) -> None:
        """``max_bytes``: of one picture."""
        self._max_bytes = max_bytes
        self._unfinished: dict[str, _Unfinished] = {}

    def piece(self, piece: PicturePiece) -> list[Picture | PictureAnswer]:
        """Take a piece: the picture that it completes, and refusals of pictures that never will."""
        answers: list[Picture | PictureAnswer] = []
        known = self._unfinished.get(piece.upload)
        if known is None and piece.index:  # Its beginning is lost, or was given up.
            return [_refusal(piece.upload, 503, _LOST)]
        if known is None:
            known = self._unfinished[piece.upload] = _Unfinished(piece)
            if len(self._unfinished) > MAX_UNFINISHED:
                oldest = next(iter(self._unfinished))
                answers.append(self._refuse(oldest, 503, "too many pictures come at once"))
        expected = known.first.pieces
        if piece.index != known.count or piece.pieces != expected:
            return [*answers, self._refuse(piece.upload, 503, _LOST)]
        size_bytes = len(known.data) + len(piece.data)
        if size_bytes > self._max_bytes or len(piece.data) > MAX_PIECE_BYTES:
            words = f"a picture may have at most {self._max_bytes} bytes (image_max_bytes)"
            return [*answers, self._refuse(piece.upload, 413, words)]
        known.data += piece.data
        known.count += 1
        if known.count < expected:
            return answers
        del self._unfinished[piece.upload]
        return [*answers, _whole(known)]

    def _refuse(self, upload: str, status: int, detail: str) -> PictureAnswer:
        del self._unfinished[upload]
        return _refusal(upload, status, detail)


def _refusal(upload: str, status: int, detail: str) -> PictureAnswer:
    return PictureAnswer(upload, status, "Picture not shown", detail)


def _whole(complete: _Unfinished) -> Picture | PictureAnswer:
    first, data = complete.first, bytes(complete.data)
    try:
        file = read_picture(data)
    except PictureError as error:
        return PictureAnswer(first.upload, 415, "No picture", str(error))
    return Picture(
        data, file, first.participant, first.name, first.stream, first.text, first.thumbnail
    )
