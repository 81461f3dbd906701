"""Who a request comes from. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.bus.roles import Role


@dataclass(frozen=True, slots=True)
class Vouch:
    """What another node of the cluster says of a request that came in there.

    It has checked ``Host`` and ``Origin``, since it knows its own names. All else is checked here.
    """

    address: str
    """As in ``Facts``, and so are the next four."""
    host: str
    secure: bool = False
    forwarded: bool = False
    base: str = ""
    is_own_screen: bool = False
    """Somebody at that machine's own screen asks."""
    needs_invitation: bool = False
    """That node would ask for one."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the gate looks at in a request."""

    method: str
    path: str
    """Path of the URL, without ``base``."""
    host: str
    """``Host`` header."""
    origin: str | None = None
    """``Origin`` header; None: there is none."""
    address: str = "127.0.0.1"
    """IP address of the client; behind a trusted proxy the one that the proxy names."""
    secure: bool = False
    """The browser used HTTPS."""
    forwarded: bool = False
    """A proxy has passed the request on."""
    authorization: str = ""
    """``Authorization`` header."""
    query_token: str = ""
    """``token`` in the query."""
    cookie: str = ""
    """Value of the session cookie."""
    base: str = ""
    """Path under which the browser sees the gateway: the public path, or empty."""
    vouch: Vouch | None = None
    """Of the node at which the request came in; None: it came in here."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, and what they may do."""

    subject: str
    """The same for all requests of a browser: invitation and session, ``local`` or ``machine``."""
    role: Role
    name: str = ""
    """The name in the invitation; empty: it has none."""
    verified: bool = False
    """``name`` comes from an invitation."""
    rooms: tuple[str, ...] | None = None
    """Rooms that it may enter; None: all."""
    banned: frozenset[str] = frozenset()
    """Rooms from which it was removed."""
    expires_s: int | None = None
    """Unix time at which this ends; None: never."""

    @property
    def is_guest(self) -> bool:
        """It came by an invitation."""
        return self.subject not in (LOCAL.subject, MACHINE.subject)


LOCAL = Identity("local", "admin")
"""Somebody at this machine's own screen."""
MACHINE = Identity("machine", "admin")
"""Whoever has the value of MIXMINUS_TOKEN."""
NOBODY = Identity("", "listen", rooms=())
"""Not known yet: whoever opens the page."""
