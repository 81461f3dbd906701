"""The link of an invitation, and its QR code. Sans-I/O.

The token stands in the fragment, which browsers send to no server.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from .book import Invitation
from .desk import Desk

if TYPE_CHECKING:
    import segno

FIRST_ROOM = "home"
FIRST_LIFETIME_S = 30 * 86_400
FIRST_NAME = ""
_BORDER = 2


def link(base_url: str, token: str) -> str:
    """The address to open. ``base_url``: of the page, with its path."""
    return f"{base_url.rstrip('/')}/#invite={token}"


def terminal_qr(text: str, columns: int) -> str:
    """A QR code in half blocks, for a terminal of so many columns; words where it does not fit.

    A terminal wraps lines that are too long, and no phone can read what comes of it.
    """
    code = _code(text)
    needed = code.symbol_size(border=_BORDER)[0]
    if needed > columns:
        return (
            f"mixminus: no QR code, it needs {needed} columns and this terminal has {columns}: "
            "make the window wider or its letters smaller, and start again\n"
        )
    out = io.StringIO()
    code.terminal(out, border=_BORDER, compact=True)
    return out.getvalue()


def svg_qr(text: str) -> str:
    """A QR code as an SVG document, black on white."""
    out = io.BytesIO()
    _code(text).save(
        out, kind="svg", border=4, dark="#000", light="#fff", omitsize=True, xmldecl=False
    )
    return out.getvalue().decode()


def first_link(desk: Desk, base_url: str, now_s: int, columns: int) -> str | None:
    """What a first start prints: a QR code and a link that let one phone in as admin.

    ``columns``: of the terminal.

    None once an admin has come by an invitation. The link of an earlier start ends, since this one
    takes its place.
    """
    admins = [i for i in desk.book().invitations.values() if i.role == "admin"]
    if any(invitation.used for invitation in admins):
        return None
    for earlier in admins:
        if _is_first(earlier):
            desk.revoke(earlier.id, now_s)
    _, token = desk.invite([FIRST_ROOM], "admin", FIRST_NAME, FIRST_LIFETIME_S, True, now_s)
    address = link(base_url, token)
    return (
        f"{terminal_qr(address, columns)}\n"
        "mixminus: scan this with a phone to join as admin (works once), or open there\n"
        f"{address}\n"
    )


def _is_first(invitation: Invitation) -> bool:
    """Whether a first start made it, and nobody has come by it."""
    return (
        invitation.once
        and not invitation.revoked
        and invitation.expires_s - invitation.created_s == FIRST_LIFETIME_S
    )


def _code(text: str) -> segno.QRCode:
    import segno  # Seldom needed: it costs a megabyte.

    return segno.make(text, error="l", boost_error=False, micro=False)
