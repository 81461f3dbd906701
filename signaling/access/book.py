"""The book of invitations: which are used or revoked, and who was removed. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mixer_core.bus.roles import Role
from mixer_core.runtime.errors import ProblemError

from .tokens import ASK, Claims

KEPT_S = 7 * 86_400
"""How long an invitation stays in the list after its end."""
MAX_BANS = 1_000
MAX_INVITATIONS = 2_000
"""Invitations in the list; it is read and written as a whole."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """One invitation."""

    id: str
    rooms: tuple[str, ...]
    role: Role
    name: str
    """The verified name; empty: the guest chooses one."""
    expires_s: int
    """Unix time at which it ends, and with it the sessions that came by it."""
    once: bool
    """It lets one browser in."""
    created_s: int
    used: int = 0
    """Browsers that came by it."""
    revoked: bool = False
    ended_s: int = 0
    """When its end was first noticed; 0: it has not been. A clock may have been wrong then."""

    def claims(self) -> Claims:
        """What its token says."""
        return Claims(
            use="invite",
            jti=self.id,
            role=self.role,
            exp=self.expires_s,
            rooms=self.rooms,
            name=self.name,
        )

    def state(self, now_s: int) -> str:
        """``open``, ``used``, ``revoked`` or ``expired``."""
        if self.revoked:
            return "revoked"
        if self.expires_s <= now_s:
            return "expired"
        return "used" if self.once and self.used else "open"


@dataclass(frozen=True, slots=True)
class Ban:
    """Somebody was removed from a room."""

    room: str
    invitation: str
    session: str
    """That person's session; later sessions of the same invitation are banned, too."""
    at_s: int


@dataclass(frozen=True, slots=True)
class Book:
    """All invitations and bans; every change makes a new book."""

    invitations: dict[str, Invitation] = field(default_factory=dict)
    bans: tuple[Ban, ...] = ()

    def add(self, invitation: Invitation) -> Book:
        """Add an invitation, or replace it. Raises ProblemError (409) where there are too many."""
        if invitation.id not in self.invitations and len(self.invitations) >= MAX_INVITATIONS:
            raise ProblemError(
                409,
                "Too many invitations",
                f"there are {MAX_INVITATIONS} invitations already: they leave the list "
                f"{KEPT_S // 86_400} days after their end, so choose shorter times, or one link "
                "for several people",
            )
        return replace(self, invitations=self.invitations | {invitation.id: invitation})

    def revoke(self, invitation: str) -> Book:
        """Revoke an invitation, and all sessions that came by it. Raises KeyError."""
        return self.add(replace(self.invitations[invitation], revoked=True))

    def use(self, invitation: str) -> Book:
        """A browser comes by an invitation. Raises ProblemError (401) if it may not."""
        known = self.known(invitation)
        if known.once and known.used:
            raise ProblemError(
                401,
                "Invitation used",
                f"this invitation was for one browser, and one has come by it: {ASK}",
            )
        return self.add(replace(known, used=known.used + 1))

    def known(self, invitation: str) -> Invitation:
        """An invitation that is not revoked. Raises ProblemError (401)."""
        found = self.invitations.get(invitation)
        if found is None or found.revoked:
            raise ProblemError(401, "Invitation revoked", f"this invitation was revoked: {ASK}")
        return found

    def ban(self, room: str, subject: str, now_s: int) -> Book:
        """Remove a guest's right to a room."""
        invitation, _, session = subject.partition(".")
        at_s = max(now_s, self.banned_s(invitation) + 1)
        added = (*self.bans, Ban(room, invitation, session, at_s))
        return replace(self, bans=added[-MAX_BANS:])

    def banned_s(self, invitation: str) -> int:
        """When somebody who came by an invitation was removed last; 0: nobody was.

        A session that begins is not before it, whatever the clock says.
        """
        return max((ban.at_s for ban in self.bans if ban.invitation == invitation), default=0)

    def banned(self, claims: Claims) -> frozenset[str]:
        """Rooms that a session may not enter."""
        return frozenset(
            ban.room
            for ban in self.bans
            if ban.invitation == claims.inv
            and (ban.session == claims.jti or claims.iat >= ban.at_s)
        )

    def is_banned(self, room: str, invitation: str, session: str) -> bool:
        """Whether a session that is in a room was removed from it."""
        return any(
            (ban.room, ban.invitation, ban.session) == (room, invitation, session)
            for ban in self.bans
        )

    def names(self, now_s: int) -> frozenset[str]:
        """Verified names of the invitations that count."""
        counting = (i for i in self.invitations.values() if not i.revoked and i.expires_s > now_s)
        return frozenset(invitation.name for invitation in counting) - {""}

    def pruned(self, now_s: int) -> Book:
        """Without what ended long ago: at two changes, ``KEPT_S`` apart, it had ended.

        A clock that jumps ahead and comes back takes nothing away.
        """
        looked_at = {key: _looked_at(known, now_s) for key, known in self.invitations.items()}
        kept = {
            key: known
            for key, known in looked_at.items()
            if not (known.ended_s and now_s - known.ended_s >= KEPT_S)
        }
        return Book(kept, tuple(ban for ban in self.bans if ban.invitation in kept))


def _looked_at(known: Invitation, now_s: int) -> Invitation:
    """An invitation, with the time at which its end was first noticed."""
    if known.expires_s > now_s:
        return replace(known, ended_s=0)
    is_noticed = known.expires_s <= known.ended_s <= now_s
    return known if is_noticed else replace(known, ended_s=now_s)
