"""Gives out invitations, and sessions to those who come by one."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from mixer_core.bus.roles import Role
from mixer_core.runtime.errors import ProblemError, RuntimeDirError

from .book import Book, Invitation
from .identity import MACHINE, Identity
from .ledger import Ledger
from .tokens import ASK, MAX_BYTES, Claims, read, sign

WRONG = (
    "is not the value of MIXMINUS_TOKEN: check both, or open the link of an invitation in a browser"
)
MACHINE_SESSION_S = 30 * 86_400
LONGEST_INVITE = MAX_BYTES - 256
"""Characters. A session's token has some more, and browsers keep no cookie over 4,096 bytes."""
REVOKED = ("revoked", f"your invitation was revoked: {ASK}")
EXPIRED = ("expired", f"your invitation has ended: {ASK}")
REMOVED = ("removed", "an admin has removed you from this room")


class Desk:
    """Invitations of one gateway."""

    def __init__(self, ledger: Ledger, machine_token: str = "") -> None:
        """``machine_token``: value of MIXMINUS_TOKEN; empty: there is none."""
        self._ledger = ledger
        self._machine_token = machine_token
        digest = hashlib.sha256(machine_token.encode()).hexdigest()
        self._machine_inv = f"token:{digest[:16]}"

    @property
    def key(self) -> bytes:
        """The gateway's key."""
        return self._ledger.key

    @property
    def ledger(self) -> Ledger:
        """Where the book and the key are."""
        return self._ledger

    def book(self) -> Book:
        """All invitations. Raises RuntimeDirError."""
        return self._ledger.book()

    def names(self, now_s: int) -> frozenset[str]:
        """Verified names, which nobody else may take."""
        return self.book().names(now_s)

    def invite(
        self,
        rooms: Sequence[str],
        role: Role,
        name: str,
        lifetime_s: int,
        once: bool,
        now_s: int,
    ) -> tuple[Invitation, str]:
        """A new invitation and its token. ``name``: verified; empty: the guest chooses one.

        Raises ProblemError (400): it is for so many rooms that no browser would keep its cookie.
        """
        made = Invitation(
            secrets.token_hex(4), tuple(rooms), role, name, now_s + lifetime_s, once, now_s
        )
        token = sign(made.claims(), self.key)
        if len(token) > LONGEST_INVITE:
            words = f"one invitation cannot be for {len(rooms)} rooms: make several"
            raise ProblemError(400, "Too many rooms", words)
        self._ledger.change(lambda book: book.add(made), now_s)
        return made, token

    def revoke(self, invitation: str, now_s: int) -> None:
        """End an invitation and its sessions. Raises KeyError."""
        self._ledger.change(lambda book: book.revoke(invitation), now_s)

    def ban(self, room: str, subject: str, now_s: int) -> None:
        """A guest was removed from a room."""
        if "." in subject:
            self._ledger.change(lambda book: book.ban(room, subject, now_s), now_s)

    async def claim(self, token: str, cookie: str, now_s: int) -> None:
        """Call it before ``exchange``: of several nodes one lets a browser in by an invitation for
        one. Raises ProblemError (401, 503)."""
        if self._ledger.claim is None or self.is_machine(token):
            return
        claims = read(token, "invite", self.key, now_s)
        known = self.book().known(claims.jti)
        if known.once and not known.used and self._kept(claims.jti, cookie, now_s) is None:
            await self._ledger.claim(claims.jti)

    def exchange(self, token: str, cookie: str, now_s: int) -> tuple[Identity, str]:
        """Who comes with an invitation's token, and the value of their session cookie.

        Args:
            token: from the link, or the value of MIXMINUS_TOKEN.
            cookie: the browser's present one; it is kept if it came by the same invitation.

        Raises:
            ProblemError: 401, 403; the detail says what is wrong with the token.
        """
        if self.is_machine(token):
            return self._admit(
                Claims(
                    use="session",
                    jti=secrets.token_hex(4),
                    role=MACHINE.role,
                    exp=now_s + MACHINE_SESSION_S,
                    inv=self._machine_inv,
                    iat=now_s,
                ),
                now_s,
            )
        claims = read(token, "invite", self.key, now_s)
        if (kept := self._kept(claims.jti, cookie, now_s)) is not None:
            return kept
        book = self._ledger.change(lambda book: book.use(claims.jti), now_s)
        session = Claims(
            use="session",
            jti=secrets.token_hex(4),
            role=claims.role,
            exp=claims.exp,
            rooms=claims.rooms,
            name=claims.name,
            inv=claims.jti,
            iat=max(now_s, book.banned_s(claims.jti)),
        )
        return self._admit(session, now_s)

    def is_machine(self, token: str) -> bool:
        """Whether it is the value of MIXMINUS_TOKEN."""
        known = self._machine_token.encode()
        given = token.encode("utf-8", "surrogatepass")  # As headers bring what is not UTF-8.
        return bool(known) and hmac.compare_digest(given, known)

    def refusal(self, token: str, now_s: int) -> ProblemError:
        """Why a token that is not the value of MIXMINUS_TOKEN opens nothing: 401."""
        if token.count(".") != 2:
            return ProblemError(401, "Wrong token", f"the token {WRONG}")
        try:
            self.book().known(read(token, "invite", self.key, now_s).jti)
        except ProblemError as error:
            return error
        words = "this is the token of an invitation: POST it to /session first, for a cookie"
        return ProblemError(401, "Invitation needed", words)

    def session(self, cookie: str, now_s: int) -> Identity:
        """Whose cookie it is. Raises ProblemError (401)."""
        return self._identity(read(cookie, "session", self.key, now_s))

    def verdict(self, subject: str, room: str, now_s: int) -> tuple[str, str] | None:
        """Why somebody who has come may no longer be in a room: code and sentence; None: they may.

        Codes: ``revoked``, ``expired``, ``removed``.
        """
        invitation, dot, session = subject.partition(".")
        if not dot or invitation == self._machine_inv:
            return None
        try:
            book = self.book()
        except RuntimeDirError:  # No reason to end a call.
            return None
        known = book.invitations.get(invitation)
        is_elsewhere = self._ledger.claim is not None or self._ledger.stands_in
        if known is None and is_elsewhere:  # In another node's book, or in one that is not read.
            return None
        if known is None or known.revoked:
            return REVOKED
        if known.expires_s <= now_s:
            return EXPIRED
        return REMOVED if book.is_banned(room, invitation, session) else None

    def _kept(self, invitation: str, cookie: str, now_s: int) -> tuple[Identity, str] | None:
        """The session that this browser has by the same invitation."""
        if not cookie:
            return None
        try:
            claims = read(cookie, "session", self.key, now_s)
            return (self._identity(claims), cookie) if claims.inv == invitation else None
        except ProblemError:
            return None

    def _admit(self, claims: Claims, now_s: int) -> tuple[Identity, str]:
        identity = self._identity(claims)
        rooms = claims.rooms
        if rooms and identity.banned.issuperset(rooms):
            raise ProblemError(
                403, "Removed", f"somebody who came by this link was removed from the room: {ASK}"
            )
        return identity, sign(claims, self.key)

    def _identity(self, claims: Claims) -> Identity:
        if claims.inv == self._machine_inv and self._machine_token:
            subject, banned = MACHINE.subject, frozenset[str]()
        else:
            book = self.book()
            book.known(claims.inv)
            subject, banned = f"{claims.inv}.{claims.jti}", book.banned(claims)
        return Identity(
            subject,
            claims.role,
            claims.name,
            bool(claims.name),
            claims.rooms,
            banned,
            claims.exp,
        )
