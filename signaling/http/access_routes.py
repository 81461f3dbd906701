"""Sessions and invitations over HTTP, and what admins do with people and rooms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Annotated, Any, cast

import msgspec
from aiohttp import web

from mixer_core.bus.events import Mode
from mixer_core.bus.roles import Role
from mixer_core.bus.rules import ChosenAddress, Speaker
from mixer_core.runtime.errors import ProblemError

from .. import clock
from ..access.book import Invitation
from ..access.desk import REMOVED, Desk
from ..access.gate import LOCAL_NAMES, SESSION_PATH, Gate, host_name
from ..access.identity import Identity
from ..access.links import link, svg_qr
from ..access.permissions import check
from ..gateway import Gateway
from ..registry.actions import ChangeRoom, CloseRoom, Mute, Remove, ReplyLeft, ReplyRoom
from ..registry.names import check_name, check_room
from .requests import COOKIE, identity_of, json_response, known_facts, read_json

MAX_BODY_BYTES = 8_192
DEFAULT_LIFETIME_S = 86_400
MAX_LIFETIME_S = 366 * 86_400


class _Token(msgspec.Struct):
    token: Annotated[str, msgspec.Meta(max_length=4096)]


class _Wish(msgspec.Struct):
    """An invitation as the page asks for it."""

    role: Role = "speak"
    name: str = ""
    lifetime_s: Annotated[int, msgspec.Meta(ge=60, le=MAX_LIFETIME_S)] = DEFAULT_LIFETIME_S
    once: bool = False


class _Muting(msgspec.Struct):
    muted: bool
    locked: bool = False


class _Rules(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Fields of ``AdminRules``; those that are missing stay as they are."""

    locked: bool | msgspec.UnsetType = msgspec.UNSET
    enter_muted: bool | msgspec.UnsetType = msgspec.UNSET
    stop: Speaker | msgspec.UnsetType = msgspec.UNSET
    confirm: Speaker | msgspec.UnsetType = msgspec.UNSET
    address: ChosenAddress | msgspec.UnsetType = msgspec.UNSET


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    mode: Mode | None = None
    rules: _Rules = msgspec.field(default_factory=_Rules)


class AccessRoutes:
    """The handlers."""

    def __init__(self, gateway: Gateway, gate: Gate, public_url: Callable[[], str] = str) -> None:
        """``public_url``: the page's address for other machines; empty: there is none."""
        self._gateway = gateway
        self._desk: Desk = gate.desk
        self._public_url = public_url

    def add_to(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add the routes below ``prefix``."""
        session, room = f"{prefix}{SESSION_PATH}", f"{prefix}/rooms/{{room}}"
        router.add_get(session, self.session)
        router.add_post(session, self.exchange)
        router.add_delete(session, self.forget)
        router.add_post(f"{room}/invitations", self.invite)
        router.add_get(f"{room}/invitations", self.invitations)
        router.add_delete(f"{room}/invitations/{{invitation}}", self.revoke)
        router.add_put(f"{room}/participants/{{participant}}/mute", self.mute)
        router.add_patch(room, self.change_room)
        router.add_delete(room, self.close_room)

    # -- sessions ---------------------------------------------------------------------------------

    async def exchange(self, request: web.Request) -> web.Response:
        """POST of an invitation's token: 200, with the session as a cookie."""
        given = await read_json(request, _Token, MAX_BODY_BYTES)
        now_s = _now_s()
        before = request.cookies.get(COOKIE, "")
        await self._desk.claim(given.token.strip(), before, now_s)
        identity, cookie = self._desk.exchange(given.token.strip(), before, now_s)
        response = json_response(self._session_json(identity))
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=(identity.expires_s or now_s) - now_s,
            path=known_facts(request).base or "/",
            secure=known_facts(request).secure,
            httponly=True,
            samesite="Strict",
        )
        return response

    async def session(self, request: web.Request) -> web.Response:
        """GET: who the browser is."""
        return json_response(self._session_json(identity_of(request)))

    async def forget(self, request: web.Request) -> web.Response:
        """DELETE: the browser forgets its session."""
        response = json_response({"status": "forgotten"})
        response.del_cookie(
            COOKIE,
            path=known_facts(request).base or "/",
            secure=known_facts(request).secure,
            httponly=True,
            samesite="Strict",
        )
        return response

    def _session_json(self, identity: Identity) -> dict[str, Any]:
        return {
            "role": identity.role,
            "name": identity.name,
            "verified": identity.verified,
            "guest": identity.is_guest,
            "rooms": None if identity.rooms is None else list(identity.rooms),
            "expires_s": identity.expires_s,
        }

    # -- invitations ------------------------------------------------------------------------------

    async def invite(self, request: web.Request) -> web.Response:
        """POST: 201 with the link and its QR code."""
        room = self._checked(request, "invite")
        wish = await read_json(request, _Wish, MAX_BODY_BYTES)
        identity, now_s = identity_of(request), _now_s()
        name = check_name(wish.name) if wish.name.strip() else ""
        lifetime_s = wish.lifetime_s
        if identity.expires_s is not None:  # Nobody gives more than they have.
            lifetime_s = min(lifetime_s, identity.expires_s - now_s)
        made, token = self._desk.invite([room], wish.role, name, lifetime_s, wish.once, now_s)
        address = link(self._base_url(request), token)
        content = _invitation_json(made, now_s) | {"link": address, "qr": svg_qr(address)}
        return json_response(content, status=201)

    async def invitations(self, request: web.Request) -> web.Response:
        """GET: the room's invitations."""
        room, now_s = self._checked(request, "invite"), _now_s()
        known = [i for i in self._desk.book().invitations.values() if room in i.rooms]
        return json_response({"invitations": [_invitation_json(i, now_s) for i in known]})

    async def revoke(self, request: web.Request) -> web.Response:
        """DELETE: an invitation of the room, and the sessions that came by it, end."""
        room, invitation = self._checked(request, "invite"), request.match_info["invitation"]
        known = self._desk.book().invitations.get(invitation)
        if known is None or room not in known.rooms:
            raise ProblemError(404, "No such invitation", "this room has no such invitation")
        self._desk.revoke(invitation, _now_s())
        return json_response({"id": invitation, "state": "revoked"})

    def _base_url(self, request: web.Request) -> str:
        facts = known_facts(request)
        if host_name(facts.host) in LOCAL_NAMES and (url := self._public_url()):
            return url
        return f"{'https' if facts.secure else 'http'}://{facts.host}{facts.base}"

    # -- people and rooms -------------------------------------------------------------------------

    async def mute(self, request: web.Request) -> web.Response:
        """PUT: mute somebody, or let them speak again."""
        room, participant = self._checked(request, "mute"), request.match_info["participant"]
        wish = await read_json(request, _Muting, MAX_BODY_BYTES)
        await self._gateway.ask(
            lambda number: Mute(number, room, participant, wish.muted, wish.locked)
        )
        return json_response({"participant": participant, "muted": wish.muted})

    async def remove(self, request: web.Request, participant: str) -> None:
        """An admin removes somebody; a guest's session no longer opens this room."""
        room = self._checked(request, "remove")
        reply = cast(
            ReplyLeft,
            await self._gateway.ask(lambda number: Remove(number, room, participant, *REMOVED)),
        )
        self._desk.ban(room, reply.subject, _now_s())

    async def change_room(self, request: web.Request) -> web.Response:
        """PATCH of a room: its mode and rules; 200 with what holds now."""
        room = self._checked(request, "change")
        wish = await read_json(request, _Change, MAX_BODY_BYTES)
        rules = msgspec.to_builtins(wish.rules)
        if wish.mode is None and not rules:
            fields = ", ".join(_Rules.__struct_fields__)
            raise ProblemError(400, "Nothing to change", f"give a mode, or rules: {fields}")
        reply = await self._gateway.ask(lambda number: ChangeRoom(number, room, wish.mode, rules))
        view = cast(ReplyRoom, reply).view
        return json_response({"room": room, "mode": view.mode, "rules": asdict(view.rules)})

    async def close_room(self, request: web.Request) -> web.Response:
        """DELETE of a room: everybody has to leave."""
        room = self._checked(request, "close")
        await self._gateway.ask(lambda number: CloseRoom(number, room))
        return json_response({"room": room, "status": "closed"})

    def _checked(self, request: web.Request, action: Any) -> str:
        """The room of the path. Raises ProblemError (400, 403)."""
        room = check_room(request.match_info["room"])
        check(identity_of(request), action, room)
        return room


def _invitation_json(invitation: Invitation, now_s: int) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.to_builtins(replace(invitation, revoked=False))
    del content["revoked"]
    content.pop("ended_s", None)
    return content | {"state": invitation.state(now_s)}


def _now_s() -> int:
    return clock.now_s()
