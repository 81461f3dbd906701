"""Conversations that running links are to forget. Sans-I/O."""

from __future__ import annotations

from mixer_core.bus import control

from .actions import Action, Forget, ReplyDone, SendToChild
from .orders import RETRY_S, Orders

_BUSY = "many conversations are being deleted: try again"
_SILENT = (
    503,
    "Not forgotten",
    "what was said is deleted, but the assistant has not confirmed that it has forgotten it: "
    "delete it again, or close the room",
    RETRY_S,
)


class Forgetting(Orders):
    """Those of all rooms. A link that is gone has not forgotten: the next one reads the journal."""

    def __init__(self) -> None:
        super().__init__(_BUSY, _SILENT)

    def ask(self, event: Forget, link: str, now_ns: int) -> list[Action]:
        """Give the order to the child ``link``; empty: the room has none, and knows nothing."""
        if not link:
            return [ReplyDone(event.request)]
        if busy := self.refused(event.request):
            return busy
        order = str(event.request)
        self.add(order, event.request, link, now_ns)
        return [SendToChild(link, control.Forget(order, event.conversation, event.name))]

    def forgotten(self, identity: str, answer: control.Forgotten) -> list[Action]:
        """A link has forgotten."""
        request = self.answered(answer.order, identity)
        return [] if request is None else [ReplyDone(request)]
