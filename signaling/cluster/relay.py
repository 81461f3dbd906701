"""Any node takes any request: what belongs to another one is relayed to it through NATS.

A request is relayed once. The node that gets it serves it or says 421, and then the one that has
the browser asks again who has the room; so there are no loops, and an end (``MAX_TRIES``).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware

from mixer_core.runtime.errors import MixminusError, ProblemError
from mixer_core.runtime.metrics import Metrics

from ..http import problems
from ..http.elsewhere import ElsewhereError, Gathered, Voucher, misdirected
from ..http.problems import Handler
from ..http.requests import json_response, known_facts, raw_query, read_body
from ..limits.clients import client_of
from .asking import Asking
from .owner_actions import Here, Nobody, Place, There
from .relay_wire import REQUEST_HEADERS, Relayed, Replied, chosen
from .routing import HERE, LIMITS_S, Kind, Route, own_path, route
from .slots import AT_THE_ENTRY, Slots
from .trust import LET_GO_HEADER, RelayTrust

MAX_TRIES = 4
"""Nodes that are asked for one request, this one among them, while its room moves."""
PICTURE_BODY_TIMEOUT_S = 30.0
BODY_TIMEOUT_S = 8.0
T = TypeVar("T")
_VOUCHER = web.RequestKey("voucher", object)
_AVOID = web.RequestKey("avoid", frozenset)
"""Nodes that did not take the first person of a new room."""


class _LetGoError(MixminusError):
    """The first person of a room was not let in here, and another node may take the room."""

    def __init__(self, problem: ProblemError) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class RoomFinder(Protocol):
    """Who has which room."""

    async def where(self, room: str) -> Place:
        """Looks, and changes nothing."""

    async def claim(
        self,
        room: str,
        needs: Collection[str] = (),
        avoid: Collection[str] = (),
        here: bool = False,
    ) -> Place:
        """Gives a room of nobody a node; ``here``: this one."""

    async def refused(self, room: str) -> None:
        """The first person was not let in: the room is nobody's again."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the relay asks of others in this process. Nothing of it waits."""

    peers: Callable[[], Sequence[str]]
    """The other nodes that live."""
    is_gone: Callable[[str], bool]
    """Whether it is certain that a node does not live."""
    is_open: Callable[[str], bool]
    """Whether somebody is in a room here."""
    needs: Callable[[str], frozenset[str]] = lambda room: frozenset()
    """Labels that the node of a room must have."""
    state: Callable[[], dict[str, Any]] = dict
    """More for ``/readyz``."""
    warnings: Callable[[], list[str]] = list
    """More of them."""


class Relay:
    """The other nodes, for the HTTP API (``http.elsewhere.Cluster``)."""

    def __init__(
        self,
        node: str,
        owners: RoomFinder,
        asking: Asking,
        trust: RelayTrust,
        around: Surroundings,
        body_bytes: tuple[int, int],
        metrics: Metrics,
    ) -> None:
        """``body_bytes``: most of a usual body, and of a picture's."""
        self._node = node
        self._owners = owners
        self._asking = asking
        self._trust = trust
        self._around = around
        self._body_bytes = body_bytes
        self._metrics = metrics
        self._slots = Slots(AT_THE_ENTRY)

    @property
    def node(self) -> str:
        """This one's name."""
        return self._node

    # -- at the node that has the browser ---------------------------------------------------------

    def middleware(self, vouch: Voucher) -> Middleware:
        """Relays what belongs to another node."""

        @web.middleware
        async def relay(request: web.Request, handler: Handler) -> web.StreamResponse:
            request[_VOUCHER] = vouch
            going = self._route(request)
            if going == HERE:
                return await handler(request)
            if going.node and self._around.is_gone(going.node):
                return _gone(request, going)
            place = There(going.node) if going.node else await self._where(going)
            return await self._serve(request, handler, going, place)

        return relay

    def _route(self, request: web.Request) -> Route:
        return route(request.method, _canonical(request), request.match_info, self._node)

    async def _where(self, going: Route) -> Place:
        """Raises ProblemError (503): nobody can say, and it is no offer, which is checked first."""
        place = await self._owners.where(going.room)
        if isinstance(place, Nobody) and going.kind != "offer":
            if place.why and not self._around.is_open(going.room):
                raise _unknown(place)
            return Here(0)
        return place

    async def _serve(
        self, request: web.Request, handler: Handler, going: Route, place: Place
    ) -> web.StreamResponse:
        """At one node after the other, until one does not send us on."""
        until_s = time.monotonic() + LIMITS_S[going.kind]
        for _ in range(MAX_TRIES):
            if not isinstance(place, There):
                try:
                    return await handler(request)
                except ElsewhereError as error:
                    place = There(error.node)
                    continue
            found = await self._relay(request, going, place.node, until_s)
            if isinstance(found, web.StreamResponse):
                return found
            if found.let_go:
                request[_AVOID] = self._avoided(request) | {place.node}
                other = await self._placed(request, going.room)
                if isinstance(other, Nobody):
                    return await self._asking.answer(request, place.node, found)
                place = other
            else:
                place = await self._again(request, going)
        words = "this room is moving to another machine: try again"
        raise ProblemError(503, "Moving", words, 1)

    async def _again(self, request: web.Request, going: Route) -> Place:
        """Where to go after a 421. Raises ProblemError (503)."""
        if going.kind != "offer":
            return await self._where(going)
        place = await self._placed(request, going.room)
        if isinstance(place, Nobody):
            raise _unknown(place)
        return place

    async def _placed(self, request: web.Request, room: str, here: bool = False) -> Place:
        """The node of a room that somebody comes to, but none that has refused them already."""
        needs, avoid = self._around.needs(room), self._avoided(request)
        return await self._owners.claim(room, needs=needs, avoid=avoid, here=here)

    def _avoided(self, request: web.Request) -> frozenset[str]:
        avoid: frozenset[str] = request.get(_AVOID, frozenset())
        return avoid

    async def _relay(
        self, request: web.Request, going: Route, node: str, until_s: float
    ) -> web.StreamResponse | Replied:
        """The response, or the reply by which another node has to be found."""
        started_ns = time.monotonic_ns()
        async with self._slot(request, going.kind) as relayed:
            body = await self._body(request, going.kind)
            limit_s = max(0.5, until_s - time.monotonic())
            try:
                replied = await self._asking.ask(node, relayed, body, limit_s)
            except ProblemError:
                self._metrics.count("relay_failed_total")
                if going.node and self._around.is_gone(node):
                    return _gone(request, going)
                raise
            if going.room and (replied.status == 421 or replied.let_go):
                return replied
            self._metrics.count("relayed_total")
            if going.kind != "wait":
                self._metrics.histogram("relay_ms").observe_ns(time.monotonic_ns() - started_ns)
            return await self._asking.answer(request, node, replied)

    @contextlib.asynccontextmanager
    async def _slot(self, request: web.Request, kind: Kind) -> AsyncIterator[Relayed]:
        """The request as it is relayed. Raises ProblemError: 403 for a foreign page, 503."""
        voucher: Any = request[_VOUCHER]
        vouch = voucher(request)
        client = client_of(vouch.address)
        if not self._slots.take(kind, client):
            self._metrics.count("relay_failed_total")
            words = "too many requests for rooms on other machines are on their way: try again"
            raise ProblemError(503, "Busy", words, 1)
        path = own_path(_canonical(request), request.match_info) + raw_query(request)
        headers = chosen(request.headers, REQUEST_HEADERS)
        try:
            yield Relayed(self._node, request.method, path, vouch, kind, headers)
        finally:
            self._slots.give(kind, client)

    async def _body(self, request: web.Request, kind: Kind) -> bytes:
        """Raises ProblemError (400, 408, 413, 415)."""
        if not request.body_exists:
            return b""
        usual, picture = self._body_bytes
        if kind == "picture":
            return await read_body(request, picture, PICTURE_BODY_TIMEOUT_S)
        return await read_body(request, usual, BODY_TIMEOUT_S)

    # -- at the node that is asked ----------------------------------------------------------------

    def relayed(self) -> Middleware:
        """Serves what other nodes relay, and never relays it again."""

        @web.middleware
        async def serve(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._trust.check(request.headers)
            going = self._route(request)
            try:
                if going.node:
                    raise ElsewhereError(going.node)
                if going.room:
                    place = await self._owners.where(going.room)
                    if isinstance(place, There):
                        raise ElsewhereError(place.node)
                return await handler(request)
            except ElsewhereError as error:
                raise misdirected(error) from error
            except _LetGoError as error:
                response = problems.from_error(error.problem)
                response.headers[LET_GO_HEADER] = "1"
                return response

        return serve

    async def enter(self, request: web.Request, room: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Have this node own ``room``, then do what ``ask`` does.

        Raises:
            ElsewhereError: another node owns it.
            ProblemError: 503, no node takes it; or what ``ask`` raises.
        """
        is_relayed = known_facts(request).vouch is not None
        place = await self._placed(request, room, is_relayed)
        if isinstance(place, There):
            raise ElsewhereError(place.node)
        if isinstance(place, Nobody):
            raise _unknown(place)
        try:
            return await ask()
        except ProblemError as error:
            if error.status != 503 or self._around.is_open(room):
                raise
            await self._owners.refused(room)
            if is_relayed:
                raise _LetGoError(error) from error
            request[_AVOID] = self._avoided(request) | {self._node}
            other = await self._placed(request, room)
            if isinstance(other, There):
                raise ElsewhereError(other.node) from error
            raise

    # -- all nodes --------------------------------------------------------------------------------

    async def gather(self, request: web.Request) -> Gathered:
        """Ask every other node the same, for the same person."""
        async with self._slot(request, "usual") as relayed:
            whole = msgspec.structs.replace(relayed, method="GET")
            return await self._asking.gather(whole, self._around.peers())

    def node_lost(self, node: str) -> None:
        """It does not live: nobody waits for it any longer."""
        self._asking.node_lost(node)

    def state(self) -> dict[str, Any]:
        """For ``/readyz``."""
        others = sorted(self._around.peers())
        return {"node": self._node, "others": others} | self._around.state()

    def warnings(self) -> list[str]:
        """What a person should look at, for ``/readyz``."""
        return self._around.warnings()


def _canonical(request: web.Request) -> str:
    """The path of a request's route with names in braces; empty: it has none."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""


def _unknown(nobody: Nobody) -> ProblemError:
    words = nobody.why or "no machine takes this room now"
    return ProblemError(503, "No machine", f"{words}: try again", nobody.retry_after_s or 2)


def _gone(request: web.Request, going: Route) -> web.StreamResponse:
    """The answer for what was on a node that does not live any more."""
    if going.kind == "wait":
        participant = request.match_info["participant"].partition(".")[0]
        return json_response({"participant": participant, "status": "lost"})
    words = f"that was on the machine {going.node}, which is gone"
    return problems.from_error(ProblemError(404, "Gone", words))
