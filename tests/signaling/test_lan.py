"""The local network's door, with addresses of the loopback in place of the network's."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from mixer_core.runtime import logs
from mixer_core.runtime.errors import PortBusyError, SettingsError, UnavailableError
from signaling import lan
from signaling.http import listeners
from signaling.http.acceptor import CONNECTIONS, OpenConnections
from signaling.lan_check import check_lan
from signaling.settings import SignalingSettings
from signaling.tls.addresses import Lan
from signaling.tls.certificates import FOLDER, ROOT_FILE
from tests.signaling.edge import asynchronous
from tests.support.gateway import ROOT, free_port
from tests.support.waiting import until

pytestmark = pytest.mark.sockets
HOME, OFFICE = "127.0.0.2", "127.0.0.3"


class World:
    """A door, and the network that it sees."""

    def __init__(self, folder: Path, **settings: str | int | bool) -> None:
        self.network = Lan((ipaddress.ip_address(HOME),), ("mixminus.local",))
        self.root = folder / FOLDER / ROOT_FILE
        self._more = settings
        for attempt in range(5):
            try:
                self._open(folder)
                break
            except PortBusyError:  # Somebody else has taken the port since.
                assert attempt < 4

    def _open(self, folder: Path) -> None:
        section = SignalingSettings(
            lan=True, http_port=free_port(), https_port=free_port(), mdns=False
        )
        self.settings = dataclasses.replace(section, **self._more)
        self.door = lan.LanDoor(
            self.settings, folder, logs.get("signaling"), lambda _: self.network
        )

    def move(self, *addresses: str) -> None:
        """Change the host's addresses."""
        found = tuple(ipaddress.ip_address(address) for address in addresses)
        self.network = Lan(found, self.network.names)

    def trusting(self) -> ssl.SSLContext:
        """A client's context that trusts this gateway's authority."""
        return ssl.create_default_context(cadata=self.root.read_text())

    def https(self, address: str) -> str:
        return f"https://{address}:{self.settings.https_port}"

    def http(self, address: str) -> str:
        return f"http://{address}:{self.settings.http_port}"


@asynccontextmanager
async def opened(world: World) -> AsyncIterator[aiohttp.ClientSession]:
    """A running door, and a client."""

    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    await world.door.start(app)
    async with aiohttp.ClientSession() as client:
        try:
            yield client
        finally:
            await world.door.stop()


@asynchronous
async def test_a_device_that_trusts_the_authority_gets_in(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with opened(world) as client, client.get(world.https(HOME), ssl=world.trusting()) as got:
        assert await got.text() == "hello"
    with pytest.raises(aiohttp.ClientConnectorError):
        async with opened(World(tmp_path / "2")) as client, client.get(world.https(HOME)):
            pass


@asynchronous
async def test_the_plain_port_redirects_under_the_same_name(tmp_path: Path) -> None:
    world = World(tmp_path)
    port = world.settings.https_port
    async with opened(world) as client:
        for host, target in (
            ("mixminus.local:8080", "mixminus.local"),
            (HOME, HOME),
            ("[fd00::1]:8080", "[fd00::1]"),
            ("evil.example", HOME),
        ):
            url, headers = f"{world.http(HOME)}/?room=kitchen", {"Host": host}
            async with client.get(url, headers=headers, allow_redirects=False) as got:
                assert got.status == 307
                assert got.headers["Location"] == f"https://{target}:{port}/?room=kitchen"


@asynchronous
async def test_the_plain_port_answers_nothing_else(tmp_path: Path) -> None:
    world = World(tmp_path)
    refused = [
        ("GET", "/rooms"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/web/main.js"),
        ("GET", "/lan/trust.html"),
        ("GET", "/lan/../settings.py"),
        ("POST", "/rooms/home/participants"),
        ("POST", "/"),
        ("DELETE", "/trust"),
    ]
    async with opened(world) as client:
        for method, path in refused:
            async with client.request(method, world.http(HOME) + path) as got:
                assert got.status in (404, 405), (method, path)
        async with client.get(f"{world.http(HOME)}/trust") as got:
            assert got.status == 200 and "Certificate Trust Settings" in await got.text()
            assert "default-src 'self'" in got.headers["Content-Security-Policy"]
        async with client.get(f"{world.http(HOME)}/trust/mixminus.crt") as got:
            assert await got.text() == world.root.read_text()
            assert got.content_type == "application/x-x509-ca-cert"
        async with client.get(f"{world.http(HOME)}/trust/mixminus.mobileconfig") as got:
            assert got.content_type == "application/x-apple-aspen-config"
        for name in ("style.css", "icon.svg"):
            async with client.get(f"{world.http(HOME)}/lan/{name}") as got:
                assert got.status == 200


@asynchronous
async def test_a_change_of_addresses_ends_no_connection(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with opened(world) as client:
        trusting = world.trusting()
        port, name = world.settings.https_port, {"server_hostname": HOME}
        reader, writer = await asyncio.open_connection(HOME, port, ssl=trusting, **name)
        world.move(OFFICE)
        await world.door.refresh()
        async with client.get(world.https(OFFICE), ssl=trusting) as got:
            assert await got.text() == "hello"
        async with client.get(f"{world.http(OFFICE)}/trust") as got:
            assert got.status == 200
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.get(world.http(HOME))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        writer.close()
    assert world.door.warnings() == []


@asynchronous
async def test_without_an_address_it_says_so_and_waits_for_one(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.move()
    async with opened(world) as client:
        await world.door.refresh()
        (words,) = world.door.warnings()
        assert "only this computer" in words
        world.move(HOME)
        await world.door.refresh()
        assert world.door.warnings() == []
        async with client.get(world.https(HOME), ssl=world.trusting()) as got:
            assert got.status == 200


@asynchronous
async def test_a_taken_plain_port_is_a_warning_until_it_is_free(tmp_path: Path) -> None:
    world = World(tmp_path)
    server = await asyncio.start_server(lambda *_: None, HOME, world.settings.http_port)
    async with opened(world):
        (words,) = world.door.warnings()
        assert f"port {world.settings.http_port}" in words
        server.close()
        await server.wait_closed()

        async def free() -> bool:
            await world.door.refresh()
            return not world.door.warnings()

        await until(free)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (SignalingSettings(lan=True, tls="off"), "trusted_proxies"),
        (SignalingSettings(lan=True, http_host="0.0.0.0"), "http_host to 127.0.0.1"),
    ],
)
def test_settings_that_contradict_each_other_are_named(
    settings: SignalingSettings, words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        check_lan(settings)
    check_lan(SignalingSettings())
    check_lan(SignalingSettings(lan=True))


def test_the_terminal_says_where_and_with_which_fingerprint(tmp_path: Path) -> None:
    lines = lan.introduction(SignalingSettings(lan=True), tmp_path, lambda _: network)
    assert lines[0].endswith("https://127.0.0.2:8443  https://mixminus.local:8443")
    assert "http://127.0.0.2:8080/trust" in lines[1]
    assert lines[2].count(":") == 1 + 1 + 31
    (line,) = lan.introduction(SignalingSettings(lan=True), tmp_path, lambda _: Lan((), ()))
    assert "only this computer" in line


network = Lan((ipaddress.ip_address(HOME),), ("mixminus.local",))


@pytest.mark.parametrize("host", ["192.0.2.7", 70 * "x"])
def test_an_address_that_this_machine_has_not_now_may_come_back(host: str) -> None:
    with pytest.raises(UnavailableError, match=host) as raised:
        listeners.bind(host, free_port())
    assert raised.value.may_pass and raised.value.exit_code == 78


@asynchronous
async def test_both_ports_count_the_connections_of_an_address_together(tmp_path: Path) -> None:
    world = World(tmp_path)
    app = web.Application()
    app[CONNECTIONS] = OpenConnections(3)
    await world.door.start(app)
    try:
        held = [
            await asyncio.open_connection(HOME, port)
            for port in (world.settings.http_port, world.settings.https_port) * 2
        ][:3]
        reader, writer = await asyncio.open_connection(HOME, world.settings.http_port)
        assert b" 429 " in await reader.readline()
        for _, other in (*held, (reader, writer)):
            other.close()
    finally:
        await world.door.stop()


@pytest.mark.processes
def test_who_stays_on_loopback_pays_for_nothing_of_the_network() -> None:
    code = (
        "import sys, signaling.service; print("
        "{'zeroconf', 'ifaddr', 'segno', 'cryptography', 'signaling.lan'} & sys.modules.keys())"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert ran.stdout == b"set()\n"
