"""Datagrams of anybody on the sockets of a peer connection, before there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from aioice import Candidate, Connection, ice, stun

from media_worker.webrtc.probing import MAX_CHECKS, MAX_TRIGGERED, ProbeBudget
from mixer_core.patches.aioice.checks import limit_checks
from mixer_core.patches.aioice.datagrams import datagrams
from tests.fuzz.border import Border, joined, pieces
from tests.fuzz.borders.sctp import _loop

USER, PASSWORD = "abcd", "0123456789012345678901"
PEER, STRANGER = ("192.0.2.7", 50_000), ("198.51.100.9", 4_000)
SIGNED, RAW, STRANGE = range(3)
"""Kinds of pieces: signed by somebody who knows the password, as they are, from a stranger."""
GROWTH = 3
"""Bytes sent for a byte that came, at most, beside the checks of our own."""


class _Outlet:
    """Where a socket sends to."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Any]] = []

    def sendto(self, data: bytes, address: Any = None) -> None:
        self.sent.append((data, address))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def close(self) -> None:
        pass


def attempt(data: bytes) -> None:
    """Nothing is raised; answers are few and small; only the peer counts as heard."""

    async def main() -> None:
        connection, protocol, outlet = _connection()
        heard = datagrams(connection)
        budget = ProbeBudget([PEER])
        limit_checks(connection, budget.allow, budget.answered)
        came = 0
        for kind, body in pieces(data, 60):
            datagram = _signed(body) if kind == SIGNED else body
            came += len(datagram)
            before_ns = heard.last_ns
            knew = {pair.remote_addr for pair in connection._check_list}
            address = STRANGER if kind == STRANGE else PEER
            protocol.datagram_received(datagram, address)
            if address not in knew:
                assert heard.last_ns == before_ns
            await asyncio.sleep(0)
        answers = [d for d, _ in outlet.sent if not _is_request(d)]
        checks = len(outlet.sent) - len(answers)
        assert sum(map(len, answers)) <= GROWTH * came + 100
        assert checks <= MAX_CHECKS + MAX_TRIGGERED
        await _end(connection)

    _loop().run_until_complete(main())


def _connection() -> tuple[Any, Any, _Outlet]:
    connection: Any = Connection(
        ice_controlling=False, components=1, local_username=USER, local_password=PASSWORD
    )
    connection.remote_username, connection.remote_password = "wxyz", PASSWORD
    protocol: Any = ice.StunProtocol(connection)
    outlet = _Outlet()
    protocol.connection_made(outlet)
    protocol.local_candidate = Candidate("1", 1, "udp", 1, "192.0.2.1", 40_000, "host")
    connection._protocols = [protocol]
    connection._check_list_done = False
    return connection, protocol, outlet


def _signed(body: bytes) -> bytes:
    """With the length, cookie, integrity and fingerprint that make a reader go on."""
    if len(body) < 20:
        return body
    attributes = body[20:]
    integrity = _sized(body, attributes, 24)
    mac = stun.message_integrity(integrity, PASSWORD.encode())
    attributes += b"\x00\x08\x00\x14" + mac
    whole = _sized(body, attributes, 8)
    fingerprint = stun.message_fingerprint(whole[: 20 + len(attributes)])
    return whole[: 20 + len(attributes)] + b"\x80\x28\x00\x04" + fingerprint.to_bytes(4, "big")


def _sized(body: bytes, attributes: bytes, more: int) -> bytes:
    length = (len(attributes) + more) & 0xFFFF
    return (
        body[:2]
        + length.to_bytes(2, "big")
        + stun.COOKIE.to_bytes(4, "big")
        + body[8:20]
        + attributes
    )


def _is_request(datagram: bytes) -> bool:
    return len(datagram) > 1 and not (datagram[0] & 1) and not (datagram[1] & 0x10)


async def _end(connection: Any) -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _seeds() -> Iterator[bytes]:
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, b"t" * 12)
    request.attributes["USERNAME"] = f"{USER}:wxyz"
    request.attributes["PRIORITY"] = 1_853_824_767
    request.attributes["ICE-CONTROLLING"] = 2**40
    plain = bytes(request)
    request.attributes["USE-CANDIDATE"] = None
    nominating = bytes(request)
    answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, b"t" * 12)
    answer.attributes["XOR-MAPPED-ADDRESS"] = ("192.0.2.1", 40_000)
    failure = stun.Message(stun.Method.BINDING, stun.Class.ERROR, b"t" * 12)
    failure.attributes["ERROR-CODE"] = (487, "Role Conflict")
    yield joined((SIGNED, plain), (SIGNED, nominating), (STRANGE, plain))
    yield joined((RAW, bytes(answer)), (SIGNED, bytes(answer)), (SIGNED, bytes(failure)))
    yield joined((STRANGE, b"\x16\xfe\xff" + bytes(20)), (RAW, b"\x80\x6f" + bytes(30)), (RAW, b""))
    controlled = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, b"u" * 12)
    controlled.attributes["USERNAME"] = f"{USER}:wxyz"
    controlled.attributes["ICE-CONTROLLED"] = 2**63
    yield joined((SIGNED, bytes(controlled)), (STRANGE, bytes(failure)))


BORDERS = (
    Border(
        "stun",
        "datagrams on a connection's sockets",
        "nothing is raised into the loop; what is sent back is bounded by what came; a stranger "
        "is not taken for the peer",
        attempt,
        _seeds,
        ("mixer_core.patches.aioice.datagrams", "mixer_core.patches.aioice.checks", "aioice.stun"),
        tokens=(
            *(b"\x21\x12\xa4\x42", b"\x00\x08\x00\x14", b"\x80\x28\x00\x04", b"\x00\x06\x00\x09"),
            *(b"\x00\x24\x00\x04", b"\x00\x25\x00\x00", b"\x80\x2a\x00\x08", b"\x00\x20\x00\x08"),
            *(b"\x00\x01", b"\x01\x01", b"\x01\x11", b"\x00\x09\x00\x04\x00\x00\x04\x57"),
        ),
        short=120,
    ),
)
