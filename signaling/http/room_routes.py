"""Rooms over HTTP: joining and leaving, who is there."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, cast

import msgspec
from aiohttp import web

from mixer_core.bus.events import Mode
from mixer_core.runtime.errors import ProblemError, UnreadableError
from mixer_core.runtime.foreign_data import read_json_by

from .. import clock
from ..access.gate import Gate
from ..access.owners import Owners
from ..access.permissions import check, may_enter
from ..gateway import Gateway
from ..registry.actions import Answered, Join, Look, Remove, ReplyAnswer, ReplyRoom, RoomView
from ..registry.names import check_offer, check_room
from . import limiting
from .access_routes import AccessRoutes
from .elsewhere import Cluster, ElsewhereError
from .requests import (
    JSON_TYPE,
    header,
    identity_of,
    json_response,
    known_facts,
    read_body,
)
from .transcript_pages import TranscriptReader

SDP_TYPE = "application/sdp"
REPLACES = "Mixminus-Replaces"
"""Header of an offer: the last part of the browser's former ``Location``."""
MODES = ("assistant", "conference")


class _JsonOffer(msgspec.Struct):
    """The JSON form of an offer."""

    sdp: str
    type: str


_OFFER = msgspec.json.Decoder(_JsonOffer)


class RoomRoutes:
    """The handlers."""

    def __init__(
        self,
        gateway: Gateway,
        gate: Gate,
        max_body_bytes: int,
        transcripts: TranscriptReader | None,
        access: AccessRoutes,
        cluster: Cluster | None = None,
    ) -> None:
        """Args:
        max_body_bytes: largest offer.
        transcripts: None: no journal is read.
        access: knows how an admin removes somebody.
        cluster: the other machines; None: there are none.
        """
        self._gateway = gateway
        self._gate = gate
        self._max_body_bytes = max_body_bytes
        self._transcripts = transcripts
        self._access = access
        self._cluster = cluster
        self.owners = Owners(lambda: gate.desk.key, cluster.node if cluster else "")
        """Knows the secret addresses of participants."""

    def add_to(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add the routes below ``prefix``."""
        router.add_get(f"{prefix}/ice", self.ice)
        router.add_get(f"{prefix}/rooms", self.rooms)
        router.add_get(f"{prefix}/rooms/{{room}}", self.room)
        participants = f"{prefix}/rooms/{{room}}/participants"
        router.add_post(participants, self.join)
        router.add_delete(f"{participants}/{{participant}}", self.leave)
        router.add_get(f"{participants}/{{participant}}/end", self.end)

    async def join(self, request: web.Request) -> web.Response:
        """POST of an offer: 201 with the answer, as SDP or JSON like the offer."""
        room, query, identity = request.match_info["room"], request.query, identity_of(request)
        check(identity, "join", check_room(room))
        sdp, as_json = await self._read_offer(request)
        name, mode = identity.name or query.get("name", ""), _mode(query.get("mode"))
        if identity.role != "admin":
            mode = None
        replaces = self.owners.former(header(request, REPLACES)) or ""
        reserved = self._gate.desk.names(clock.now_s()) if identity.is_guest else frozenset[str]()
        join = Join(
            0,
            room,
            name,
            mode,
            sdp,
            identity.role,
            identity.verified,
            identity.subject if identity.is_guest else "",
            replaces,
            reserved,
            limiting.client(request),
            query.get("ticket", ""),
            query.get("place", ""),
        )
        reply = cast(ReplyAnswer, await self._enter(request, join))
        address = self.owners.address(reply.participant)
        location = f"{known_facts(request).base}/rooms/{reply.room}/participants/{address}"
        headers = {"Location": location}
        if not as_json:
            return web.Response(
                status=201, body=reply.sdp.encode(), content_type=SDP_TYPE, headers=headers
            )
        answer = {
            "sdp": reply.sdp,
            "type": "answer",
            "participant": reply.participant,
            "location": location,
        }
        return json_response(answer, status=201, headers=headers)

    async def _enter(self, request: web.Request, join: Join) -> Answered:
        """Raises ElsewhereError: another node has the room, and counts the offer."""

        async def ask() -> Answered:
            return await self._gateway.ask(lambda number: replace(join, request=number))

        if self._cluster is None:
            return await ask()
        try:
            return await self._cluster.enter(request, join.room, ask)
        except ElsewhereError:
            self._gateway.allowances.limiter.connected(join.client)
            raise

    async def leave(self, request: web.Request) -> web.Response:
        """DELETE of a participant: 200, and 404 if it is not there.

        The address of ``Location`` is a secret of the participant; admins give the plain id.
        """
        room, address = request.match_info["room"], request.match_info["participant"]
        participant = self.owners.participant(address)
        if participant is None:
            participant = address
            await self._access.remove(request, participant)
        else:
            owned = participant
            await self._gateway.ask(lambda number: Remove(number, room, owned))
        return json_response({"room": room, "participant": participant, "status": "left"})

    async def end(self, request: web.Request) -> web.Response:
        """GET of the end of a participant, by its owner: answered when it comes, or after a while.

        ``lost``: its worker died, join again; ``left``: in order; ``there``: ask again.
        """
        participant = self.owners.participant(request.match_info["participant"])
        if participant is None:
            raise ProblemError(404, "Not found", "this is nobody's address")
        status = await self._gateway.end_of(participant)
        return json_response({"participant": participant, "status": status})

    async def ice(self, request: web.Request) -> web.Response:
        """GET of the STUN and TURN servers, with credentials, for those who may join."""
        check(identity_of(request), "join")
        return json_response(self._gateway.ice_servers())

    async def rooms(self, request: web.Request) -> web.Response:
        """GET of all rooms that the asker may enter."""
        identity = identity_of(request)
        check(identity, "look")
        views = [view for view in self._gateway.rooms() if may_enter(identity, view.room)]
        rooms = [room_json(view) | self._gateway.told_of(view.room) for view in views]
        if self._cluster is None or known_facts(request).vouch is not None:
            return json_response({"rooms": rooms})
        return json_response(await self._all_rooms(request, self._cluster, rooms))

    async def _all_rooms(
        self, request: web.Request, cluster: Cluster, own: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """The rooms of all nodes that answer, each with its node."""
        others = await cluster.gather(request)
        rooms = [room | {"node": cluster.node} for room in own]
        for node, content in sorted(others.contents.items()):
            found = content.get("rooms")
            if isinstance(found, list):
                rooms += [room | {"node": node} for room in found if isinstance(room, dict)]
        return {"rooms": rooms, "nodes": others.nodes(cluster.node)}

    async def room(self, request: web.Request) -> web.Response:
        """GET of one room."""
        room = check_room(request.match_info["room"])
        check(identity_of(request), "look", room)
        reply = await self._gateway.ask(lambda number: Look(number, room))
        content = room_json(cast(ReplyRoom, reply).view) | self._gateway.told_of(room)
        if self._transcripts is not None:
            content["usage"] |= await self._transcripts.usage(content["room"])
        return json_response(content)

    async def _read_offer(self, request: web.Request) -> tuple[str, bool]:
        """The offer, and whether it is JSON. Raises ProblemError (400, 408, 413, 415)."""
        content_type = request.content_type if header(request, "Content-Type") else ""
        if content_type not in (SDP_TYPE, JSON_TYPE):
            raise ProblemError(
                415,
                "Unsupported Media Type",
                f"send the offer as {SDP_TYPE} or {JSON_TYPE}, not {content_type or 'untyped'}",
            )
        body = await read_body(request, self._max_body_bytes)
        try:
            if content_type == SDP_TYPE:
                return check_offer(body.decode()), False
            offer = read_json_by(body, _OFFER)
        except UnicodeDecodeError as error:
            raise ProblemError(400, "Bad SDP", "the offer is not UTF-8 text") from error
        except UnreadableError as error:
            detail = f'send {{"sdp": "…", "type": "offer"}}: the body is {error}'
            raise ProblemError(400, "Bad JSON", detail) from error
        if offer.type != "offer":
            raise ProblemError(400, "Bad SDP", f"type must be 'offer', not {offer.type[:20]!r}")
        return check_offer(offer.sdp), True


def _mode(text: str | None) -> Mode | None:
    """The mode in the query. Raises ProblemError (400)."""
    if text is not None and text not in MODES:
        raise ProblemError(400, "Bad mode", f"mode must be one of {', '.join(MODES)}")
    return cast(Mode | None, text)


def room_json(view: RoomView) -> dict[str, Any]:
    """A room as ``GET /rooms/{room}`` shows it."""
    content = asdict(view)
    content["usage"] = content["link"].pop("usage") or {}
    return content
