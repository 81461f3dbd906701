"""A flood from one address, and what somebody at another one notices of it."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient, use_loopback

pytestmark = pytest.mark.processes

ATTACKER = "127.0.0.66"
TOKEN = "a-token-of-a-test-0123456789"
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """One with the limits as they are; who calls it by its name needs the token."""
    use_loopback()
    gateway = Gateway(SIGNALING__ALLOWED_HOSTS="mix.example")
    gateway.env["MIXMINUS_TOKEN"] = TOKEN
    with gateway:
        yield gateway


def from_address(address: str) -> aiohttp.ClientSession:
    """Requests that come from another address of the loopback."""
    connector = aiohttp.TCPConnector(local_addr=(address, 0), limit=50, force_close=True)
    return aiohttp.ClientSession(connector=connector)


async def offer_sdp() -> str:
    """An offer that is in order, of somebody who will never connect."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.createDataChannel("audio")
    await peer.setLocalDescription(await peer.createOffer())
    sdp = peer.localDescription.sdp
    await peer.close()
    return sdp


async def flood(gateway: Gateway, count: int, address: str = ATTACKER) -> Counter[int | str]:
    """Offers that never connect, 50 at a time; statuses of the answers, and titles of refusals."""
    statuses: Counter[int | str] = Counter()
    body = {"sdp": await offer_sdp(), "type": "offer"}
    async with from_address(address) as http:

        async def one() -> None:
            url = f"{gateway.url}/rooms/flood/participants"
            async with http.post(url, json=body) as answer:
                statuses[answer.status] += 1
                if answer.status == 429:
                    assert int(answer.headers["Retry-After"]) > 0
                    statuses[json.loads(await answer.read())["title"]] += 1

        await asyncio.gather(*(one() for _ in range(count)))
    return statuses


def test_offers_that_never_connect_keep_nobody_else_out(
    gateway: Gateway, record_property: Record
) -> None:
    async def attack() -> tuple[Counter[int | str], list[float], float]:
        began = time.monotonic()
        flooding = asyncio.create_task(flood(gateway, 500))
        await asyncio.sleep(0.1)
        people = [PlainClient(gateway.url, "home", f"Person {n}") for n in range(3)]
        took_s = [round(await person.join(), 2) for person in people]  # At the first try.
        statuses = await flooding
        flood_s = time.monotonic() - began
        late = PlainClient(gateway.url, "home", "Late")
        took_s.append(round(await late.join(), 2))
        for person in (*people, late):
            await person.close()
        return statuses, took_s, flood_s

    seen = len(gateway.log)
    statuses, took_s, flood_s = asyncio.run(attack())
    log = gateway.log[seen:]
    assert statuses[201] <= 6 and statuses[429] == 500 - statuses[201], statuses
    assert log.count("too many offers") == 1 and statuses["Too many attempts"]
    figures = {"flood": dict(statuses), "flood_s": round(flood_s, 2), "joined_after_s": took_s}
    record_property("figures", figures)
    print(figures)


MOST_TRIES = 20
"""Of somebody who tries again 0.3 s after each refusal."""


def test_a_flood_from_many_addresses_keeps_nobody_out_for_long(record_property: Record) -> None:
    """40 addresses share 480 offers, and all the places; the limit of offers is off."""
    use_loopback()

    async def persist(gateway: Gateway, name: str) -> tuple[float, PlainClient]:
        """Try again, as the page does, from an address that nobody knows yet."""
        began = time.monotonic()
        for tries_left in reversed(range(MOST_TRIES)):
            person = PlainClient(gateway.url, "home", name)
            try:
                await person.join()
            except AssertionError:
                await person.close()
                if not tries_left:
                    raise
                await asyncio.sleep(0.3)
            else:
                return round(time.monotonic() - began, 2), person
        raise AssertionError("not reached")

    async def attack(gateway: Gateway) -> tuple[Counter[int | str], list[float]]:
        floods = [asyncio.create_task(flood(gateway, 12, f"127.0.1.{n + 1}")) for n in range(40)]
        await asyncio.sleep(0.5)
        joined = [await persist(gateway, f"Person {number}") for number in range(3)]
        statuses = sum(await asyncio.gather(*floods), Counter())
        for _, person in joined:
            await person.close()
        return statuses, [took_s for took_s, _ in joined]

    with Gateway(SIGNALING__MAX_OFFERS_PER_MINUTE=0) as gateway:
        statuses, took_s = asyncio.run(attack(gateway))
    assert statuses[201] <= 60, statuses
    figures = {"flood": dict(statuses), "joined_after_s": took_s}
    record_property("figures", figures)
    print(figures)


def idle_connections(gateway: Gateway, address: str, count: int) -> list[socket.socket]:
    """Connections that never send anything."""
    found = []
    for _ in range(count):
        sock = socket.create_connection(("127.0.0.1", gateway.port), 5, (address, 0))
        found.append(sock)
    return found


def are_open(sockets: list[socket.socket]) -> int:
    """How many of the connections the gateway has left open."""
    count = 0
    for sock in sockets:
        sock.setblocking(False)
        try:
            if sock.recv(65_536) and sock.recv(1):
                count += 1
        except BlockingIOError:
            count += 1
        except ConnectionError:
            continue
    return count


@pytest.mark.parametrize("addresses", [1, 12])
def test_idle_connections_keep_nobody_else_out(
    gateway: Gateway, addresses: int, record_property: Record
) -> None:
    """995 of them, from one address or from several; the gateway has 1024 files at first."""
    seen = len(gateway.log)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4_096, hard), hard))
    count = 995 if addresses == 1 else 1_200
    idle = [
        sock
        for number in range(addresses)
        for sock in idle_connections(gateway, f"127.2.{addresses}.{number + 1}", count // addresses)
    ]

    async def join() -> float:
        person = PlainClient(gateway.url, "home", "Person")
        took_s = await person.join()
        await person.close()
        return took_s

    took_s = asyncio.run(join())
    open_ = are_open(idle)
    for sock in idle:
        sock.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert gateway.get("/healthz")[0] == 200
    log = gateway.log[seen:]
    assert open_ <= (100 if addresses == 1 else 1_000)
    assert log.count("too many connections") <= addresses
    assert "too many connections" in gateway.log  # At most once a minute, whoever it is.
    figures = {"idle": len(idle), "left_open": open_, "joined_after_s": round(took_s, 2)}
    record_property("figures", figures)
    print(figures)


def test_wrong_tokens_lock_out_their_own_address_only(
    gateway: Gateway, record_property: Record
) -> None:
    async def attack() -> tuple[Counter[int], float, list[int]]:
        statuses: Counter[int] = Counter()
        host = {"Host": "mix.example"}
        async with from_address(ATTACKER) as http, from_address("127.0.0.7") as friend:

            async def guess(number: int) -> None:
                headers = host | {"Authorization": f"Bearer wrong-{number}"}
                async with http.get(f"{gateway.url}/rooms", headers=headers) as answer:
                    statuses[answer.status] += 1
                    problem = json.loads(await answer.read())
                    assert problem["status"] == answer.status

            guessing = asyncio.gather(*(guess(number) for number in range(1_000)))
            person = PlainClient(gateway.url, "home", "Person")
            took_s = await person.join()
            await guessing
            right = host | {"Authorization": f"Bearer {TOKEN}"}
            seen = []
            for session in (friend, http):
                async with session.get(f"{gateway.url}/rooms", headers=right) as answer:
                    seen.append(answer.status)
            await person.close()
        return statuses, took_s, seen

    seen = len(gateway.log)
    statuses, took_s, (friend, attacker) = asyncio.run(attack())
    log = gateway.log[seen:]
    assert statuses[401] <= 12 and statuses[401] + statuses[429] == 1_000, statuses
    assert (friend, attacker) == (200, 429)
    assert log.count("too many wrong tokens") == 1 and "wrong-" not in log
    figures = {"guesses": dict(statuses), "joined_after_s": round(took_s, 2)}
    record_property("figures", figures)
    print(figures)
