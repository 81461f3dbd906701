"""A picture that somebody shows the assistant, and which of them a room remembers. Sans-I/O."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from mixer_core.bus.picture_file import PictureFile
from mixer_core.runtime.units import S_NS

MAX_KEPT = 2
"""Pictures that are kept for a next session."""
MAX_TRIES = 3
"""Sessions that one picture is shown to; a server that it ends must not get it for ever."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, and who shows it."""

    data: bytes
    """The file, checked (``read_picture``)."""
    file: PictureFile
    participant: str
    name: str
    stream: int = 0
    """Stream id of the browser; 0: not known."""
    text: str = ""
    """What was typed with it; may be empty."""
    thumbnail: bytes = b""
    """A small JPEG of it for the people in the room, made by the page of who shows it."""

    @property
    def url(self) -> str:
        """As ``input_image`` carries it (RFC 2397)."""
        return f"data:{self.file.media_type};base64,{base64.b64encode(self.data).decode()}"

    @property
    def words(self) -> str:
        """What stands for it where there are only words: the journal, a later session."""
        size = f"{self.file.width_px} × {self.file.height_px}"
        kilobytes = max(1, round(len(self.data) / 1_000))
        return f"[picture: {self.file.kind.upper()}, {size}, {kilobytes} kB]"

    @property
    def shown(self) -> str:
        """The words for it, with what was typed."""
        return f"{self.words} {self.text}".strip()

    def as_event(self) -> dict[str, str | int]:
        """What the people in the room are told of it."""
        return {
            "media_type": self.file.media_type,
            "width_px": self.file.width_px,
            "height_px": self.file.height_px,
            "size_bytes": len(self.data),
        }


@dataclass(slots=True)
class _Kept:
    picture: Picture
    until_ns: int
    sessions: set[int]
    """Numbers of the sessions that it was shown to."""


class RecentPictures:
    """The newest pictures of a room, for sessions that begin soon after."""

    def __init__(self, keep_s: float, max_bytes: int) -> None:
        """``max_bytes``: of all together."""
        self._keep_ns = int(keep_s * S_NS)
        self._max_bytes = max_bytes
        self._kept: dict[str, _Kept] = {}

    def keep(self, item: str, picture: Picture, session: int, now_ns: int) -> None:
        """``session`` has taken a picture as ``item``."""
        self._kept[item] = _Kept(picture, now_ns + self._keep_ns, {session})
        while len(self._kept) > MAX_KEPT or self._size_bytes > self._max_bytes:
            del self._kept[next(iter(self._kept))]

    def forget(self) -> None:
        """No session is shown any of them any more."""
        self._kept.clear()

    def to_seed(self, session: int, now_ns: int) -> Mapping[str, Picture]:
        """Pictures that ``session`` is shown, if it does not know them, by item."""
        self._kept = {i: kept for i, kept in self._kept.items() if kept.until_ns > now_ns}
        shown = {}
        for item, kept in self._kept.items():
            if session in kept.sessions or len(kept.sessions) < MAX_TRIES:
                kept.sessions.add(session)
                shown[item] = kept.picture
        return shown

    @property
    def _size_bytes(self) -> int:
        return sum(len(kept.picture.data) for kept in self._kept.values())
