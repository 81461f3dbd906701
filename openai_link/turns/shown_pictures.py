"""Pictures that people show the assistant, until its server has taken them. Sans-I/O.

An answer is asked for when the newest picture is taken, not before: it would be about what the
model has not seen. A request for an answer that comes meanwhile is about the pictures, too.
"""

from __future__ import annotations

from typing import Any

from ..facts import ServerError
from ..pictures import Picture
from ..realtime.client_events import ClientEvents
from ..realtime.picture_refusals import is_about_pictures

MAX_WAITING = 8
"""Pictures that may wait to be taken; of more the oldest is forgotten."""


class ShownPictures:
    """Of one call."""

    def __init__(self, events: ClientEvents, detail: str) -> None:
        """``detail``: how closely the model looks at them."""
        self._events = events
        self._detail = detail
        self._waiting: dict[str, bool] = {}
        """Those that are not taken yet, by item: whether an answer is asked for then."""

    def __contains__(self, item: str) -> bool:
        """Whether an item is a picture that is not taken yet."""
        return item in self._waiting

    def show(self, picture: Picture, is_answered: bool) -> dict[str, Any]:
        """The event that shows a picture; ``is_answered``: when it is taken."""
        create = self._events.user_picture(picture.url, picture.text, self._detail)
        self._waiting[str(create["item"]["id"])] = is_answered
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
        return create

    def taken(self, item: str) -> bool:
        """The server has taken a picture; returns whether an answer is to be asked for."""
        return self._waiting.pop(item)

    def answered(self) -> None:
        """An answer is asked for, which is about all of them."""
        self._waiting = dict.fromkeys(self._waiting, False)

    def refused(self, error: ServerError) -> str:
        """The item of the picture that an error is about; empty: it is about something else.

        An error that names no event is about the oldest one, if it speaks of pictures.
        """
        item = error.event_id
        if not item and self._waiting and is_about_pictures(error):
            item = next(iter(self._waiting))
        return item if self._waiting.pop(item, None) is not None else ""
