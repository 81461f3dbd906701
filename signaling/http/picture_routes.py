"""Pictures over HTTP: a participant shows the assistant one.

They come by HTTP and not by the data channel: there they would share one congestion window with
the microphone, in pieces of at most 64 KiB, and pass the queues of the audio sockets, which hold
ten frames. Here they have a connection, a status and a back pressure of their own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Annotated

import msgspec
from aiohttp import web

from mixer_core.bus.picture_file import PictureFile, read_picture
from mixer_core.runtime.errors import PictureError, ProblemError

from ..access.owners import Owners
from ..access.permissions import check
from ..gateway import Gateway
from ..limits.limiter import Refusal
from ..registry.actions import Show
from ..registry.names import check_room
from ..settings import AssistantSettings
from .requests import JSON_TYPE, identity_of, json_response, read_json

MAX_TEXT_CHARS = 2_000
MAX_THUMBNAIL_BYTES = 6_000
MAX_THUMBNAIL_PX = 240
MAX_AT_ONCE = 4
"""Bodies that are being read; of one participant one."""
BODY_TIMEOUT_S = 30.0
"""A phone far from its mast sends 50 kbit/s."""
_ENVELOPE_BYTES = 512
_MOST_BYTES_PER_CHARACTER = 12
"""A character as two escapes of JSON."""
_NO_PICTURE = "No picture"


class _Shown(msgspec.Struct):
    """The body; bytes are base64 (RFC 4648)."""

    image: bytes
    """JPEG or PNG."""
    text: Annotated[str, msgspec.Meta(max_length=MAX_TEXT_CHARS)] = ""
    thumbnail: bytes = b""
    """A small JPEG of it, for the others in the room."""


def most_body_bytes(settings: AssistantSettings) -> int:
    """Largest body."""
    encoded = 4 * (settings.image_max_bytes + MAX_THUMBNAIL_BYTES + 6) // 3
    return encoded + _MOST_BYTES_PER_CHARACTER * MAX_TEXT_CHARS + _ENVELOPE_BYTES


class PictureRoutes:
    """The handlers."""

    def __init__(
        self,
        gateway: Gateway,
        owners: Owners,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """``owners`` knows the secret addresses of participants."""
        self._gateway = gateway
        self._owners = owners
        self._settings = gateway.allowances.pictures
        self._log = log
        self._limits = gateway.allowances.picture_limits
        self._reading: set[str] = set()
        """Participants whose bodies are being read."""

    def add_to(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add the route below ``prefix``."""
        path = f"{prefix}/rooms/{{room}}/participants/{{participant}}/pictures"
        router.add_post(path, self.show)

    async def show(self, request: web.Request) -> web.Response:
        """POST of a picture below the secret address of its participant: 202."""
        room = check_room(request.match_info["room"])
        check(identity_of(request), "show", room)
        participant = self._owners.participant(request.match_info["participant"])
        if participant is None:
            raise ProblemError(404, "No such participant", "pictures need your own address")
        if not self._settings.images:
            raise ProblemError(403, "No pictures", "pictures are turned off here")
        if request.content_type != JSON_TYPE:
            raise ProblemError(415, "Unsupported Media Type", f"send the body as {JSON_TYPE}")
        if len(self._reading) >= MAX_AT_ONCE or participant in self._reading:
            raise ProblemError(503, "Busy", "other pictures are being sent: try again", 1)
        self._within(lambda now_ns: self._limits.begin(participant, room, now_ns))
        shown = await self._read(request, participant)
        file = self._checked(shown)
        size_bytes = len(shown.image)
        self._within(lambda now_ns: self._limits.size(participant, room, size_bytes, now_ns))
        await self._gateway.ask(
            lambda number: Show(
                number, room, participant, shown.image, shown.text.strip(), shown.thumbnail
            )
        )
        answer = {"media_type": file.media_type, "width_px": file.width_px}
        answer |= {"height_px": file.height_px, "size_bytes": size_bytes}
        return json_response({"status": "shown", **answer}, status=202)

    def _within(self, check_limit: Callable[[int], None]) -> None:
        """Raises Refusal, with a line in the log for the first of a burst."""
        try:
            check_limit(time.monotonic_ns())
        except Refusal as refusal:
            if refusal.log_line:
                self._log.warning("! %s: it gets 429", refusal.log_line)
            raise

    async def _read(self, request: web.Request, participant: str) -> _Shown:
        self._reading.add(participant)
        try:
            most_bytes = most_body_bytes(self._settings)
            return await read_json(request, _Shown, most_bytes, BODY_TIMEOUT_S)
        finally:
            self._reading.discard(participant)

    def _checked(self, shown: _Shown) -> PictureFile:
        """Raises ProblemError (400, 413, 415)."""
        most_bytes, most_px = self._settings.image_max_bytes, self._settings.image_max_edge_px
        if len(shown.image) > most_bytes:
            words = f"a picture may have at most {most_bytes} bytes (image_max_bytes)"
            raise ProblemError(413, "Picture too large", words)
        file = _read_file(shown.image)
        if file.long_edge_px > most_px:
            words = f"a picture may be at most {most_px} pixels long (image_max_edge_px)"
            raise ProblemError(413, "Picture too large", words)
        if shown.thumbnail:
            small = _read_file(shown.thumbnail)
            is_small = len(shown.thumbnail) <= MAX_THUMBNAIL_BYTES
            is_small = is_small and small.long_edge_px <= MAX_THUMBNAIL_PX
            if small.kind != "jpeg" or not is_small:
                words = f"a thumbnail is a JPEG of at most {MAX_THUMBNAIL_PX} pixels and "
                raise ProblemError(400, "Bad thumbnail", f"{words}{MAX_THUMBNAIL_BYTES} bytes")
        return file


def _read_file(data: bytes) -> PictureFile:
    try:
        return read_picture(data)
    except PictureError as error:
        raise ProblemError(415 if error.is_format else 400, _NO_PICTURE, str(error)) from error
