"""Every role against every request: the first table of ``docs/roles.md`` is made here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from signaling.http.api import HttpApi
from tests.signaling.edge import SDP, Edge, asynchronous, running
from tests.signaling.http.test_access import GUARDED, HOST, Browser, guest

pytestmark = pytest.mark.sockets
DOCUMENT = Path(__file__).parents[3] / "docs" / "roles.md"
TOKEN = "correct-horse-battery"
NOBODY = "p-00000000"
"""A participant that is not there: whoever may ask gets 404."""

REQUESTS: dict[str, tuple[str, str]] = {
    "the page": ("GET", "/"),
    "its files": ("GET", "/web/{path}"),
    "the self-test": ("GET", "/selftest"),
    "its icon": ("GET", "/favicon.ico"),
    "is it alive": ("GET", "/healthz"),
    "come by a link": ("POST", "/session"),
    "forget the link": ("DELETE", "/session"),
    "who am I": ("GET", "/session"),
    "STUN and TURN servers": ("GET", "/ice"),
    "rooms (one's own)": ("GET", "/rooms"),
    "look into the room": ("GET", "/rooms/{room}"),
    "join": ("POST", "/rooms/{room}/participants"),
    "leave, by one's secret address": ("DELETE", "/rooms/{room}/participants/{own}"),
    "wait for one's own end": ("GET", "/rooms/{room}/participants/{own}/end"),
    "show a picture": ("POST", "/rooms/{room}/participants/{own}/pictures"),
    "the conversation so far": ("GET", "/rooms/{room}/conversation"),
    "delete it": ("DELETE", "/rooms/{room}/conversation"),
    "the transcript": ("GET", "/rooms/{room}/transcript"),
    "conversations that are over": ("GET", "/rooms/{room}/conversations"),
    "one of them": ("GET", "/rooms/{room}/conversations/{conversation}"),
    "delete one of them": ("DELETE", "/rooms/{room}/conversations/{conversation}"),
    "where something was said": ("GET", "/rooms/{room}/search"),
    "recordings": ("GET", "/rooms/{room}/recordings"),
    "a file of one": ("GET", "/rooms/{room}/recordings/{recording}/{file}"),
    "delete a recording": ("DELETE", "/rooms/{room}/recordings/{recording}"),
    "change mode and rules": ("PATCH", "/rooms/{room}"),
    "invite": ("POST", "/rooms/{room}/invitations"),
    "see invitations": ("GET", "/rooms/{room}/invitations"),
    "revoke an invitation": ("DELETE", "/rooms/{room}/invitations/{invitation}"),
    "mute somebody": ("PUT", "/rooms/{room}/participants/{participant}/mute"),
    "remove somebody": ("DELETE", "/rooms/{room}/participants/{participant}"),
    "close the room": ("DELETE", "/rooms/{room}"),
    "is everything ready": ("GET", "/readyz"),
    "metrics": ("GET", "/metrics"),
}
"""Words → method and path."""
BODIES = {
    "/session": {"token": "wrong"},
    "invitations": {},
    "mute": {"muted": True},
    "/rooms/{room}": {"mode": "assistant"},
}
ASKERS = ("nobody", "listen", "speak", "admin", "admin of another room", "token", "own screen")


class Asker(Browser):
    """A browser that gives a token, or stands beside the gateway."""

    def __init__(self, edge: Edge, host: str, **headers: str) -> None:
        super().__init__(edge)
        self.headers = {"Host": host, **headers}

    async def __call__(self, method: str, path: str, **more: object):  # type: ignore[no-untyped-def]
        given = dict(more.pop("headers", {}))  # type: ignore[call-overload]
        return await self.edge.request(method, path, headers=self.headers | given, **more)


async def askers(edge: Edge) -> dict[str, Browser]:
    """One of each kind."""

    async def invited(role: str, room: str = "home") -> Browser:
        made = await edge.request("POST", f"/rooms/{room}/invitations", json={"role": role})
        return await guest(edge, made.json()["link"].rpartition("#invite=")[2])

    found = [
        Browser(edge),
        await invited("listen"),
        await invited("speak"),
        await invited("admin"),
        await invited("admin", "attic"),
        Asker(edge, HOST, Authorization=f"Bearer {TOKEN}"),
        Asker(edge, "localhost"),
    ]
    return dict(zip(ASKERS, found, strict=True))


async def outcome(asker: Browser, method: str, path: str, secret: str) -> str:
    """``yes`` where the gateway does it, or would if it were there; else the status."""
    places = {"room": "home", "path": "main.js", "participant": NOBODY, "own": secret}
    places |= {"invitation": "none", "conversation": "0", "recording": "none", "file": "mix.flac"}
    body = next((BODIES[k] for k in BODIES if path.endswith(k) and method != "DELETE"), None)
    more: dict[str, object] = {} if body is None else {"json": body}
    if path.endswith("/participants"):
        more = {"data": SDP, "headers": {"Content-Type": "application/sdp"}}
    answer = await asker(method, path.format_map(places), **more)
    if path == "/session" and method == "POST":  # It has no other answer for a wrong token.
        return "yes" if answer.json()["title"] == "Invitation not valid" else str(answer.status)
    return str(answer.status) if answer.status in (401, 403) else "yes"


def table(rows: dict[str, list[str]]) -> str:
    """As Markdown."""
    lines = ["| request | " + " | ".join(ASKERS) + " |", "|---" * (len(ASKERS) + 1) + "|"]
    for words, cells in rows.items():
        method, path = REQUESTS[words]
        name = f"{words}: `{method} {path.replace('{own}', '{secret}')}`"
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@asynchronous
async def test_every_role_against_every_request(short_dir: Path) -> None:
    free = {"max_offers_per_minute": 0, "max_wrong_tokens_per_minute": 0, "answer_timeout_ms": 20}
    env = {"MIXMINUS_TOKEN": TOKEN}
    async with running(short_dir, env, **GUARDED, **free) as edge:
        people = await askers(edge)
        secret = edge.owners.address(NOBODY)
        rows = {
            words: [await outcome(people[asker], method, path, secret) for asker in ASKERS]
            for words, (method, path) in REQUESTS.items()
        }
        assert table(rows) in DOCUMENT.read_text(encoding="utf-8"), f"\n{table(rows)}"


@asynchronous
async def test_the_table_has_every_route(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        app = HttpApi(edge.gateway, edge.gate, edge.settings.signaling, edge.log).application()
        routes = {
            (route.method, re.sub(r":[^}]*", "", route.resource.canonical))
            for route in app.router.routes()
            if route.resource is not None and route.method != "HEAD"
        }
        listed = {(m, p.replace("{own}", "{participant}")) for m, p in REQUESTS.values()}
        assert routes == listed
