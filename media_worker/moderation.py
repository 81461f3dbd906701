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
        self.is_locked = False
        """An admin has muted this participant, and only an admin can unmute them."""
        self.refused_frames_total = 0
        """Audio messages of somebody who is here to listen."""

    @property
    def listens_only(self) -> bool:
        """Their audio is dropped."""
        return self._role == "listen"

    def refuse(self, message: BrowserMessage, name: str) -> str | None:
        """Why ``message`` is not carried out; None: it is. ``name``: the participant has it."""
        words = refusal(message, self._role)
        if words is not None:
            return error("not_allowed", words)
        match message:
            case Mute(muted=False) if self.is_locked:
                return error("muted_by_admin", "an admin has muted you: ask them to unmute you")
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
