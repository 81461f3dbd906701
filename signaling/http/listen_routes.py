"""Listening over plain HTTP on the local network: with an invitation that allows no more.

A token that would let somebody speak is not taken here, because others can read along.
"""

from __future__ import annotations

from aiohttp import web

from mixer_core.runtime.errors import ProblemError

from .. import clock
from ..access.desk import Desk
from ..access.gate import bearer
from ..access.identity import Facts, Identity, Vouch
from ..access.tokens import read
from . import problems
from .forwarded import Proxies
from .requests import facts_of, header, json_response, set_facts
from .room_routes import RoomRoutes

PREFIX = "/listen"
ROLE = "listen"


class ListenRoutes:
    """The handlers; joining and leaving are the API's own."""

    def __init__(self, rooms: RoomRoutes, desk: Desk, proxies: Proxies | None = None) -> None:
        """``proxies``: who is believed; None: nobody."""
        self._rooms = rooms
        self._desk = desk
        self._proxies = proxies or Proxies("")

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        participants = f"{PREFIX}/rooms/{{room}}/participants"
        router.add_post(f"{PREFIX}/session", self.exchange)
        router.add_post(participants, self._with_session(self._rooms.join))
        router.add_delete(f"{participants}/{{participant}}", self._with_session(self._rooms.leave))

    async def exchange(self, request: web.Request) -> web.Response:
        """POST of an invitation's token: 200 with what to send in its place from now on."""
        token, now_s = bearer(header(request, "Authorization")), clock.now_s()
        if self._desk.is_machine(token):
            raise _too_much()
        if read(token, "invite", self._desk.key, now_s).role != ROLE:
            raise _too_much()
        await self._desk.claim(token, "", now_s)
        _, session = self._desk.exchange(token, "", now_s)
        return json_response({"session": session})

    def _with_session(self, handler: problems.Handler) -> problems.Handler:
        async def checked(request: web.Request) -> web.StreamResponse:
            facts = self._facts(request)
            set_facts(request, facts, self._listener(facts.authorization))
            return await handler(request)

        return checked

    def vouch(self, request: web.Request) -> Vouch:
        """For another node of the cluster, where the room is. Nobody is at an own screen here."""
        facts = self._facts(request)
        return Vouch(facts.address, facts.host, forwarded=facts.forwarded, needs_invitation=True)

    def _facts(self, request: web.Request) -> Facts:
        asker = self._proxies.asker(request.remote or "", request.headers, False)
        return facts_of(request, request.path.removeprefix(PREFIX), asker)

    def _listener(self, authorization: str) -> Identity:
        """Whose session it is. Raises ProblemError (401, 403)."""
        identity = self._desk.session(bearer(authorization), clock.now_s())
        if identity.role != ROLE:
            raise _too_much()
        return identity


def _too_much() -> ProblemError:
    return ProblemError(
        403,
        "Not on this page",
        "this page is not encrypted and takes invitations for listening only: open yours on the "
        "secure page, and ask for a new one, since others may have read this one",
    )
