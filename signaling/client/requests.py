"""The gateway's HTTP, as a client asks it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import aiohttp
from yarl import URL

from .errors import Refused, Unreachable
from .ways import CONNECT_TIMEOUT_S, Ways

TIMEOUT_S = 10.0
_ICE_TIMEOUT_S = 3.0
_MOST_WAIT_S = 86_400.0
_SDP = "application/sdp"


@dataclass(frozen=True, slots=True)
class Answer:
    """The gateway has taken an offer."""

    sdp: str
    location: str
    """Secret address of the participant."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Whom to join as, and where."""

    room: str
    name: str
    mode: str = ""
    """``assistant`` or ``conference``, for the first in a room; empty: as the room is."""
    ticket: str = ""
    """From an earlier refusal."""
    replaces: str = ""
    """Address of this client's former stay."""
    place: str = ""
    """Where the device is, with others; empty: in a place of its own."""


def base_and_token(url: str) -> tuple[str, str]:
    """The gateway's address in ``url``, and the token where it is the link of an invitation.

    Raises:
        ValueError: it is no address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"give the gateway's address, such as http://127.0.0.1:8080, not {url!r}")
    token = parse_qs(parts.fragment).get("invite", [""])[0]
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", token


class Requests:
    """Asks one gateway, or a cluster; raises ``Refused`` and ``Unreachable``."""

    def __init__(self, base: str, authority: str | Path | None, others: Sequence[str] = ()) -> None:
        """Args:
        base: the page's address, without a slash at its end.
        authority: PEM file of the authority to trust; None: the system's.
        others: addresses of further nodes of the same cluster, as ``base``.

        Raises:
            OSError, ssl.SSLError: the file cannot be read.
        """
        self.ways = Ways([base, *others])
        self._token = ""
        self._known_at: set[str] = set()
        """Addresses that were asked to let us in."""
        context = ssl.create_default_context(cafile=authority) if authority else True
        connect_s = CONNECT_TIMEOUT_S if self.ways.are_several else None
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context),
            cookie_jar=aiohttp.CookieJar(unsafe=True),  # Of a host without a name, too.
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S, sock_connect=connect_s),
        )

    async def __aenter__(self) -> Requests:
        return self

    async def __aexit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        await self._http.close()

    async def enter(self, token: str) -> None:
        """Come by an invitation, or by the value of MIXMINUS_TOKEN.

        The other nodes of a cluster know the browser's session, too.
        """
        self._token = token
        for _ in self.ways.all[1:]:
            try:
                return await self._enter()
            except Unreachable as error:
                self.ways.failed(error)
        return await self._enter()

    async def _enter(self) -> None:
        here = self.ways.base
        await self._request("POST", "/session", json={"token": self._token})
        self._known_at.add(here)
        cookies = self._http.cookie_jar.filter_cookies(URL(here))
        for base in self.ways.all:
            if base != here:
                values = {name: cookie.value for name, cookie in cookies.items()}
                self._http.cookie_jar.update_cookies(values, URL(base))

    async def offer(self, sdp: str, seat: Seat) -> Answer:
        """Post an offer."""
        fields = {"name": seat.name, "mode": seat.mode, "ticket": seat.ticket, "place": seat.place}
        headers = {"Content-Type": _SDP, "Accept": _SDP}
        if seat.replaces:
            headers["Mixminus-Replaces"] = seat.replaces.rpartition("/")[2]
        path = f"{_room(seat.room)}/participants"
        query = {name: value for name, value in fields.items() if value}
        body, location = await self._ask("POST", path, params=query, headers=headers, data=sdp)
        return Answer(body, location)

    async def invite(self, room: str, wish: dict[str, Any]) -> str:
        """The link of a new invitation."""
        body, _ = await self._ask("POST", f"{_room(room)}/invitations", json=wish)
        return str(json.loads(body)["link"])

    async def conversation(self, room: str, form: str, limit: int) -> str:
        """What was said so far."""
        query = {"format": form, "limit": str(limit)}
        body, _ = await self._ask("GET", f"{_room(room)}/conversation", params=query)
        return body

    async def delete_conversation(self, room: str) -> None:
        """Delete what was said so far."""
        await self._ask("DELETE", f"{_room(room)}/conversation")

    async def leave(self, location: str) -> None:
        """Say that this client is gone; the gateway notices it by itself, too."""
        try:
            async with self._http.delete(location):
                pass
        except (aiohttp.ClientError, TimeoutError):
            return

    async def ice_servers(self) -> list[dict[str, Any]]:
        """STUN and TURN servers as in ``RTCConfiguration``; none where it does not tell."""
        timeout = aiohttp.ClientTimeout(total=_ICE_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
        try:
            async with self._http.get(f"{self.ways.base}/ice", timeout=timeout) as answer:
                told = await answer.json() if answer.status == 200 else {}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            if self.ways.are_several and isinstance(error, (aiohttp.ClientError, TimeoutError)):
                raise self._silence(error) from error  # Another one is asked sooner.
            return []
        servers = told.get("ice_servers", []) if isinstance(told, dict) else []
        return [server for server in servers if isinstance(server, dict) and "urls" in server]

    async def _ask(self, method: str, path: str, **more: Any) -> tuple[str, str]:
        """The body and the absolute ``Location`` of an answer; comes in first where it must."""
        try:
            return await self._request(method, path, **more)
        except Refused as error:
            if error.status != 401 or not self._token or self.ways.base in self._known_at:
                raise
        await self._enter()
        return await self._request(method, path, **more)

    async def _request(self, method: str, path: str, **more: Any) -> tuple[str, str]:
        url = URL(f"{self.ways.base}{path}", encoded=True)
        try:
            async with self._http.request(method, url, **more) as answer:
                if answer.status >= 400:
                    raise await _refusal(answer)
                location = answer.headers.get("Location", "")
                return await answer.text(), str(answer.url.join(URL(location))) if location else ""
        except aiohttp.ClientConnectorCertificateError as error:
            raise Unreachable(
                f"the certificate of {self.ways.base} is not trusted ({error.certificate_error}): "
                "give authority=FILE, the certificate that http://<gateway>:8080/trust has as .crt"
            ) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._silence(error) from error

    def _silence(self, error: Exception) -> Unreachable:
        words = str(error) or f"no answer within {TIMEOUT_S:g} s"
        return Unreachable(
            f"the gateway at {self.ways.base} does not answer: {words}; is it running?"
        )


def _room(room: str) -> str:
    """Path of a room."""
    return f"/rooms/{quote(room, safe='')}"


async def _refusal(answer: aiohttp.ClientResponse) -> Refused:
    """What an error response says, as far as it does."""
    try:
        body = await answer.json(content_type=None)
    except (ValueError, aiohttp.ClientError):
        body = None
    told: dict[str, Any] = body if isinstance(body, dict) else {}
    title = str(told.get("title") or answer.reason or "Error")
    try:
        retry_after_s = min(max(0.0, float(answer.headers.get("Retry-After", "0"))), _MOST_WAIT_S)
    except ValueError:
        retry_after_s = 0.0
    detail = str(told.get("detail") or "the gateway does not say why")
    return Refused(answer.status, title, detail, retry_after_s, str(told.get("ticket") or ""))
