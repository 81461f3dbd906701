"""Whether people may show pictures in a room, and what they hear where not. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..facts import ServerError
from ..realtime.picture_refusals import takes_none
from ..settings import OpenaiLinkSettings
from .liveness import ServerHabits

MAX_REASON_CHARS = 300
NOT_TAKEN = (
    "The picture was not shown: the connection to the assistant was lost twice when it was sent. "
    "Try a smaller one."
)
_OFF = "pictures are turned off here (images in [openai_link])"
_NONE_TAKEN = "The assistant's model takes no pictures"


class NotShown(NamedTuple):
    """Why a picture cannot be shown now, as an HTTP answer."""

    status: int
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class RoomPictures:
    """The rule for pictures of one room."""

    settings: OpenaiLinkSettings
    habits: ServerHabits

    @property
    def may_be_shown(self) -> bool:
        """They are on, and the server has not refused them."""
        return self.settings.images and self.habits.takes_images is not False

    def obstacle(self, is_connected: bool) -> NotShown | None:
        """Why none can be shown now; None: one can. ``is_connected``: a session has the room."""
        if not self.settings.images:
            return NotShown(403, "No pictures", _OFF)
        if self.habits.takes_images is False:
            return NotShown(409, "No pictures", f"{_NONE_TAKEN}.")
        if not is_connected:
            return NotShown(503, "Not connected", "the assistant is not connected: try again")
        return None

    def taken(self) -> None:
        """The server has taken a picture."""
        self.habits.takes_images = True

    def refused(self, error: ServerError) -> tuple[str, str] | None:
        """The server has refused a picture: code and sentence for the people in the room.

        None: they know already that it takes none; it was shown before that was known.
        """
        reason = error.message[:MAX_REASON_CHARS]
        if self.habits.takes_images is False:
            return None
        if self.habits.takes_images is not True and takes_none(error):
            self.habits.takes_images = False
            return "pictures_refused", f"{_NONE_TAKEN} ({error.code}): {reason}"
        return "picture_refused", f"The picture was not shown ({error.code}): {reason}"
