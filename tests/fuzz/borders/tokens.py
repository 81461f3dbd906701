"""Invitations, cookies, addresses of participants, and the headers beside them."""

from __future__ import annotations

import functools
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

import jwt

from mixer_core.runtime.errors import ProblemError
from signaling.access.gate import Gate
from signaling.access.identity import LOCAL, NOBODY, Facts, Identity
from signaling.access.ledger import Ledger
from signaling.access.owners import Owners
from signaling.access.tokens import ALGORITHM, Claims, sign
from signaling.http.forwarded import Proxies
from signaling.settings import SignalingSettings
from tests.fuzz.border import Border

TOKEN = "correct-horse-battery-staple"
KEY = bytes(range(32))
NOW_S = 1_800_000_000
HOST = "gate.example"
FIELDS = ("authorization", "cookie", "host", "origin", "path", "query", "forwarded", "peer")


class _House:
    """A gate, and those who may come in."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="mm-tokens-"))
        weakref.finalize(self, shutil.rmtree, folder, True)
        (folder / "access.key").touch(0o600)
        (folder / "access.key").write_bytes(KEY)
        settings = SignalingSettings(allowed_hosts=HOST, trusted_proxies="10.0.0.0/8")
        self.gate = Gate(settings, {"MIXMINUS_TOKEN": TOKEN}, Ledger(folder))
        self.proxies = Proxies(settings.trusted_proxies)
        self.owners = Owners(lambda: KEY)
        desk = self.gate.desk
        _, self.invitation = desk.invite(["den"], "speak", "Ada", 600, False, NOW_S)
        self.guest, self.cookie = desk.exchange(self.invitation, "", NOW_S)
        self.machine, self.machine_cookie = desk.exchange(TOKEN, "", NOW_S)
        forged = Claims(use="session", jti="x", role="admin", exp=NOW_S * 2)
        self.forged = [
            sign(forged, b"k" * 32),
            jwt.encode({"use": "session", "role": "admin", "exp": NOW_S * 2}, "", "none"),
            jwt.encode({"use": "session", "jti": [], "role": {}, "exp": "x"}, KEY, ALGORITHM),
            sign(Claims(use="session", jti="x", role="admin", exp=NOW_S * 2, inv="zz"), KEY),
        ]


@functools.cache
def house() -> _House:
    return _House()


def attempt(data: bytes) -> None:
    """Only a ProblemError; and nobody is let in by anything but a true token."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    given = dict(zip(FIELDS, lines, strict=False))
    gate, known = house().gate, house()
    peer = given.get("peer", "127.0.0.1")
    headers = {"Host": given.get("host", HOST)}
    if given.get("forwarded"):
        headers["X-Forwarded-For"] = headers["X-Forwarded-Host"] = given["forwarded"]
    asker = known.proxies.asker(peer, headers, False)
    facts = Facts(
        "GET",
        given.get("path", "/rooms"),
        asker.host,
        given.get("origin") or None,
        asker.address,
        authorization=given.get("authorization", ""),
        query_token=given.get("query", ""),
        cookie=given.get("cookie", ""),
        forwarded=asker.forwarded,
    )
    try:
        _check(gate.identify(facts, NOW_S), facts, known)
    except ProblemError as error:
        assert error.status in (401, 403) and error.detail and "\n" not in error.detail
    for token in (facts.authorization, facts.query_token, facts.cookie):
        _exchanged(token, known)
        participant = known.owners.participant(token)
        assert participant is None or known.owners.address(participant) == token
        gate.desk.verdict(token, "den", NOW_S)


def _check(identity: Identity, facts: Facts, known: _House) -> None:
    if identity in (NOBODY, LOCAL):
        assert identity is NOBODY or not facts.forwarded
        return
    if identity.subject == "machine":
        told = (facts.authorization, facts.query_token, facts.cookie)
        assert any(TOKEN in text or _same(text, known.machine_cookie) for text in told)
    else:
        assert identity == known.guest
        assert _same(facts.cookie, known.cookie)


def _exchanged(token: str, known: _House) -> None:
    try:
        identity, cookie = known.gate.desk.exchange(token, "", NOW_S)
    except ProblemError as error:
        assert error.status in (401, 403)
        return
    assert cookie
    assert token == TOKEN if identity.subject == "machine" else _same(token, known.invitation)


def _same(token: str, true: str) -> bool:
    """Base64 leaves bits unused at the end, and padding; what is signed and what by is the same."""
    token = token.replace("=", "").strip()
    head, _, signature = token.rpartition(".")
    true_head, _, true_signature = true.rpartition(".")
    return head == true_head and signature[:-1] == true_signature[:-1]


def _seeds() -> Iterator[bytes]:
    known = house()
    owner = known.owners.address("p-00000001")
    for authorization, cookie, query in (
        (f"Bearer {TOKEN}", "", ""),
        ("", known.cookie, ""),
        ("", known.machine_cookie, ""),
        (f"bearer {known.invitation}", "", ""),
        ("", "", TOKEN),
        ("", owner, known.invitation),
        *(("", forged, "") for forged in known.forged),
    ):
        yield "\n".join((authorization, cookie, HOST, "", "/rooms", query)).encode()
    yield b"\n\nlocalhost:8080\nhttp://localhost:8080\n/web/x\n\n\n127.0.0.1"
    yield b"\n\n[::1]:80\nhttps://x\n/session\n\n10.0.0.1, 192.0.2.1\n10.1.2.3"


BORDERS = (
    Border(
        "tokens",
        "invitations, cookies, tokens and the headers beside them",
        "only ProblemError 401 or 403 with words; nobody is anybody but by a token that the "
        "gateway signed, or by its own secret",
        attempt,
        _seeds,
        (
            *("signaling.access.gate", "signaling.access.desk", "signaling.access.tokens"),
            *("signaling.access.book", "signaling.access.owners", "signaling.http.forwarded"),
        ),
        tokens=(
            *(b"Bearer ", b".", b"eyJhbGciOiJub25lIn0", b"\n", b"\xff", b"localhost", b"[::1]"),
            *(b"127.0.0.1", b"10.0.0.1", b"/session", b"/web/", b"http://", b"gate.example", b"@"),
        ),
        short=120,
    ),
)
