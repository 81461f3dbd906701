"""What one participant may do, by their role and by what an admin has decided. Sans-I/O."""

from __future__ import annotations

from mixer_core.bus.control import Offer

from .protocol.browser_messages import BrowserMessage, Hello, Mute
from .protocol.gateway_messages import error
from .protocol.roles import refusal


class Moderation:
    """The rules for one browser; refusals are JSON texts for it."""

    def __init__(self, offer: Offer) -> None:
        self._role = offer.role
        self._keeps_name = bool(offer.subject)
        self._is_told = False
        self.rules = offer.rules
        """Of the room."""
        self.is_locked = offer.silenced
        """This participant is muted, and only an admin can unmute them."""
        self.refused_frames_total = 0
        """Audio messages of somebody who is here to listen."""

    @property
    def starts_muted(self) -> bool:
        """The microphone is off until somebody turns it on."""
        return self.listens_only or self.is_locked

    @property
    def listens_only(self) -> bool:
        """Their audio is dropped."""
        return self._role == "listen"

    def refuse(self, message: BrowserMessage, name: str) -> str | None:
        """Why ``message`` is not carried out; None: it is. ``name``: the participant has it."""
        words = refusal(message, self._role, self.rules)
        if words is not None:
            return error("not_allowed", words)
        match message:
            case Mute(muted=False) if self.is_locked:
                return error("muted_by_admin", "only an admin can let you speak: ask them to")
            case Hello() if self._keeps_name and message.name not in ("", name):
                return error("name_kept", "your name stays: leave and join again to change it")
        return None

    def refuse_audio(self) -> str | None:
        """An audio message came from a listener: it is dropped, and the first one answered."""
        self.refused_frames_total += 1
        told, self._is_told = self._is_told, True
        if told:
            return None
        return error("not_allowed", "you are here to listen: what your microphone sends is dropped")
