"""The books of several nodes as one. Sans-I/O.

Nodes tell each other entries, in any order and as often as they like: merging is commutative,
associative and idempotent, and what was revoked or removed stays so. How often an invitation was
used is at least what a node knows; that one for one browser lets in one is not decided here, but
by a key that one node can write only (``cluster/shared_access.py``).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TypeVar

import msgspec

from mixer_core.cluster.names import room_token
from mixer_core.runtime.errors import RecordError, UnreadableError
from mixer_core.runtime.foreign_data import read_json_by

from .book import KEPT_S, MAX_BANS, MAX_INVITATIONS, Ban, Book, Invitation

_SAFE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_INVITATION, _BAN = msgspec.json.Decoder(Invitation), msgspec.json.Decoder(Ban)
_T = TypeVar("_T", Invitation, Ban)


def merged(ours: Book, theirs: Book, now_s: int) -> Book:
    """``ours`` with what others know. What ended long ago is not taken in again."""
    invitations = dict(ours.invitations)
    for key, other in theirs.invitations.items():
        known = invitations.get(key)
        if known is not None:
            invitations[key] = _together(known, other)
        elif other.expires_s + KEPT_S > now_s:
            invitations[key] = other
    if len(invitations) > MAX_INVITATIONS:
        latest = sorted(invitations.values(), key=_age, reverse=True)[:MAX_INVITATIONS]
        invitations = {one.id: one for one in latest}
    bans = {_ban_key(ban): ban for ban in ours.bans}
    for ban in theirs.bans:
        known_ban = bans.get(_ban_key(ban))
        if known_ban is None or ban.at_s < known_ban.at_s:
            bans[_ban_key(ban)] = ban
    kept = [ban for ban in bans.values() if ban.invitation in invitations]
    kept.sort(key=lambda ban: (ban.at_s, *_ban_key(ban)))
    return Book(invitations, tuple(kept[-MAX_BANS:]))


def _together(ours: Invitation, theirs: Invitation) -> Invitation:
    """One invitation as two nodes know it; ``ended_s`` is this node's own."""
    return replace(ours, used=max(ours.used, theirs.used), revoked=ours.revoked or theirs.revoked)


def _age(invitation: Invitation) -> tuple[int, str]:
    return invitation.expires_s, invitation.id


def _ban_key(ban: Ban) -> tuple[str, str, str]:
    return ban.invitation, ban.session, ban.room


def entries(book: Book) -> dict[str, bytes]:
    """A book as keys and values of a bucket; ids of no such form are left out."""
    found: dict[str, bytes] = {}
    for key, invitation in book.invitations.items():
        if _SAFE.fullmatch(key):
            found[f"i.{key}"] = msgspec.json.encode(replace(invitation, ended_s=0))
    for ban in book.bans:
        if _SAFE.fullmatch(ban.invitation) and _SAFE.fullmatch(ban.session):
            key = f"b.{ban.invitation}.{ban.session}.{room_token(ban.room)}"
            found[key] = msgspec.json.encode(ban)
    return found


def from_entry(key: str, value: bytes) -> Book:
    """A book of what one key says; an empty one where it says nothing that can be read."""
    try:
        if key.startswith("i."):
            invitation = _read(value, _INVITATION)
            if key == f"i.{invitation.id}" and _SAFE.fullmatch(invitation.id):
                return Book({invitation.id: replace(invitation, ended_s=0)})
        elif key.startswith("b."):
            ban = _read(value, _BAN)
            if key == f"b.{ban.invitation}.{ban.session}.{room_token(ban.room)}":
                return Book(bans=(ban,))
    except (UnreadableError, RecordError):
        pass
    return Book()


def says_the_same(key: str, one: bytes, other: bytes) -> bool:
    """Whether two values of a key are the same, as far as this release understands them.

    Another release may write more, or in another way: who wrote that anew would be written over
    again.
    """
    return one == other or from_entry(key, one) == from_entry(key, other) != Book()


def _read(value: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    return read_json_by(value, decoder)


def joined(books: list[Book]) -> Book:
    """Books of single entries as one."""
    invitations = {key: one for book in books for key, one in book.invitations.items()}
    return Book(invitations, tuple(ban for book in books for ban in book.bans))
