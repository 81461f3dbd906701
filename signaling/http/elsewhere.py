"""Rooms on other machines, as the HTTP API sees them. Without a cluster there are none.

A request that belongs to another node is relayed there before anything here looks at it but its
``Host`` and ``Origin``: all other checks, limits and words are that node's, and count once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from aiohttp import web
from aiohttp.typedefs import Middleware

from mixer_core.runtime.errors import MixminusError, ProblemError

from ..access.identity import Vouch

T = TypeVar("T")
Voucher = Callable[[web.Request], Vouch]
"""What a listener says of a request that came in there. Raises ProblemError (403)."""


class ElsewhereError(MixminusError):
    """The room is on another node, which was not known when the request came."""

    def __init__(self, node: str) -> None:
        super().__init__(f"the room is on {node}")
        self.node = node


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the other nodes answered to the same question."""

    contents: dict[str, dict[str, Any]]
    """By node: its JSON."""
    silent: dict[str, str]
    """Nodes without a usable answer, and why, as a sentence."""

    def nodes(self, own: str) -> list[dict[str, Any]]:
        """For the answer: who is in it, and who is missing; ``own`` is this node."""
        told: list[dict[str, Any]] = [{"node": own, "answered": True}]
        told += [{"node": node, "answered": True} for node in sorted(self.contents)]
        return told + [
            {"node": node, "answered": False, "why": why}
            for node, why in sorted(self.silent.items())
        ]


class Cluster(Protocol):
    """The other nodes."""

    @property
    def node(self) -> str:
        """This one's name."""

    def middleware(self, vouch: Voucher) -> Middleware:
        """Relays what belongs to another node; for a listener that browsers reach."""

    def relayed(self) -> Middleware:
        """Serves what other nodes relay, and never relays it again."""

    async def enter(self, request: web.Request, room: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Have this node own ``room``, then do what ``ask`` does.

        Raises:
            ElsewhereError: another node owns it.
            ProblemError: 503, no node takes it; or what ``ask`` raises.
        """

    async def gather(self, request: web.Request) -> Gathered:
        """Ask every other node the same, for the same person."""

    def state(self) -> dict[str, Any]:
        """For ``/readyz``."""

    def warnings(self) -> list[str]:
        """What a person should look at, for ``/readyz``."""


def misdirected(error: ElsewhereError) -> ProblemError:
    """421: what was relayed here belongs to another node. It is not relayed again."""
    words = f"this machine was asked for a room that is on {error.node}: ask again"
    return ProblemError(421, "Misdirected Request", words, 1)
