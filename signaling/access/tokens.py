"""Signed tokens (JWT, HS256): the content of an invitation, and of a cookie. Sans-I/O."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from mixer_core.bus.roles import Role
from mixer_core.runtime.errors import ProblemError

ALGORITHM = "HS256"
MAX_BYTES = 4096
"""Longest token that is read."""
Use = Literal["invite", "session"]
ASK = "ask whoever invited you for a new link"

_OPTIONS: Any = {
    f"verify_{name}": False for name in ("exp", "iat", "nbf", "aud", "iss", "sub", "jti")
}
"""Times are compared here, with a clock that is passed in."""


class Claims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The content of a token."""

    use: Use
    jti: str
    """Its id."""
    role: Role
    exp: int
    """Unix time at which it ends."""
    rooms: tuple[str, ...] | None = None
    """None: all."""
    name: str = ""
    """The person's verified name; empty: they choose one."""
    inv: str = ""
    """Session: id of the invitation that it came by."""
    iat: int = 0
    """Session: Unix time at which it began."""


def sign(claims: Claims, key: bytes) -> str:
    """The token."""
    import jwt  # With its cryptography 4 MiB, for those who invite.

    content = msgspec.to_builtins(claims)
    return jwt.encode(content, key, ALGORITHM, headers={"typ": None})


def read(token: str, use: Use, key: bytes, now_s: int) -> Claims:
    """The claims of a token.

    Raises:
        ProblemError: 401; the detail says whether it is no token, not signed, changed, of another
            kind, or has ended.
    """
    claims = _convert(_payload(token, key))
    if claims.use != use:
        raise _invalid(f"this token is not an {use} token: {ASK}")
    if claims.exp <= now_s:
        raise ProblemError(401, "Invitation expired", f"this invitation has ended: {ASK}")
    return claims


def _payload(token: str, key: bytes) -> dict[str, Any]:
    import jwt

    if len(token) > MAX_BYTES:
        raise _invalid(f"the token is too long: {ASK}")
    try:
        return jwt.decode(token, key, [ALGORITHM], options=_OPTIONS)
    except jwt.InvalidAlgorithmError as error:
        raise _invalid(f"the token is not signed as this gateway signs: {ASK}") from error
    except jwt.InvalidSignatureError as error:
        words = "the token was changed, or another gateway made it"
        raise _invalid(f"{words}: {ASK}") from error
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise _invalid(f"the link is incomplete: open it again, or {ASK}") from error


def _convert(payload: dict[str, Any]) -> Claims:
    try:
        return msgspec.convert(payload, Claims)
    except msgspec.ValidationError as error:
        raise _invalid(f"the token is of another version: {ASK}") from error


def _invalid(detail: str) -> ProblemError:
    return ProblemError(401, "Invitation not valid", detail)
