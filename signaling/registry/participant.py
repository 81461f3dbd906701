"""One browser in a room. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from mixer_core.bus.control import Offer, RuledMode, WorkerState
from mixer_core.bus.events import Mode
from mixer_core.bus.place import Place
from mixer_core.bus.roles import Role
from mixer_core.bus.rules import AdminRules

from .actions import Action, Joined, ParticipantView


@dataclass(slots=True)
class Participant:
    """One browser in a room."""

    id: str
    """``p-`` and 8 hexadecimal digits."""
    room: str
    stream: int
    mode: Mode
    name: str
    muted: bool = False
    connected: bool = False
    """Its worker reports an open audio connection."""
    worker: str = ""
    """Identity of the child that has the offer or the call; empty: none yet."""
    request: int | None = None
    """The request that waits for an answer; None once answered."""
    sdp: str = ""
    """The offer, until it is answered."""
    deadline_ns: int = 0
    """When the request times out."""
    offered_ns: int = 0
    """When the offer went to ``worker``."""
    offers: int = 0
    """How many children got the offer."""
    client: str = ""
    """Whose address the offer came from; empty: not known."""
    joined_ns: int = 0
    """When the offer came."""
    eager: bool = True
    """The assistant is called before it has connected."""
    returns: bool = False
    """The same browser was connected a moment ago."""
    replaces: str = ""
    """Id of its former stay, which ends as soon as this one is connected; empty: none is left."""
    role: Role = "admin"
    verified: bool = False
    """The name comes from an invitation."""
    subject: str = ""
    """Whose invitation and browser it is; empty: nobody's."""
    silenced: bool = False
    """Only an admin can unmute it."""
    rules: AdminRules = field(default_factory=AdminRules)
    """Of its room."""
    place: Place = field(default_factory=Place)
    ruled_mode: RuledMode = ""
    """What the settings of its room said of its mode, when it got it."""
    by_button: bool = False
    """What they said of the button, when it came; see ``Offer``."""

    @property
    def status(self) -> str:
        """``waiting`` (for a worker), ``connecting`` or ``connected``."""
        if self.connected:
            return "connected"
        return "connecting" if self.worker else "waiting"

    def take_state(self, state: WorkerState) -> list[Action]:
        """Take its worker's state."""
        fresh = state.status == "connected" and not self.connected
        self.connected = state.status == "connected"
        self.name, self.muted, self.place = state.name or self.name, state.muted, state.place
        return [Joined(self.room, self.id, self.name, self.client)] if fresh else []

    def offer(self) -> Offer:
        """The message to a worker child."""
        return Offer(
            self.id,
            self.room,
            self.stream,
            self.mode,
            self.name,
            self.sdp,
            self.role,
            self.verified,
            self.subject,
            silenced=self.silenced,
            rules=self.rules,
            place=self.place,
            ruled_mode=self.ruled_mode,
            by_button=self.by_button,
        )

    def view(self) -> ParticipantView:
        """What ``GET /rooms/{room}`` shows."""
        return ParticipantView(
            self.id,
            self.name,
            self.muted,
            self.status,
            self.role,
            self.verified,
            self.silenced,
            self.place.name,
        )
