"""Azure's paths and keys, doubled slashes, TLS: what clients of others insist on."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from mixer_core.runtime.errors import SettingsError
from openai_link.simulator.calls.switchboard import Switchboard
from openai_link.simulator.http.certificate import from_files, made
from openai_link.simulator.http.routes import make_app
from openai_link.simulator.settings import SimulatorSettings
from tests.openai_link.simulator.caller import SESSION, Caller, run, simulator

pytestmark = pytest.mark.sockets

GUARDED = SimulatorSettings(api_key="sk-right")
AZURE = {"api-key": "sk-right"}
BEARER = {"Authorization": "Bearer sk-right"}

PATHS = [
    ("/v1", BEARER),
    ("/openai/v1", AZURE),
    ("/openai/v1", BEARER),
    ("/openai", AZURE),
    ("/openai/deployments/my-model", AZURE),
    ("/v1/", BEARER),
    ("//v1", BEARER),
    ("/openai//v1//", AZURE),
]


@pytest.mark.parametrize(("base", "key"), PATHS)
def test_a_call_is_placed_by_any_of_the_paths(base: str, key: dict[str, str]) -> None:
    async def scenario() -> None:
        async with simulator(GUARDED) as (url, switchboard), aiohttp.ClientSession() as http:
            realtime = f"{url.removesuffix('/v1')}{base}/realtime"
            body = {"session": SESSION}
            async with http.post(f"{realtime}/client_secrets", json=body, headers=key) as reply:
                assert reply.status == 200, await reply.text()
                secret = (await reply.json())["value"]
            caller = Caller(http, url)
            headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/sdp"}
            offer = await caller.offer()
            async with http.post(f"{realtime}/calls", data=offer, headers=headers) as reply:
                assert reply.status == 201, await reply.text()
                location = reply.headers["Location"]
                await caller.accept(location, await reply.text())
            assert "//" not in location and location.rpartition("/")[2] in switchboard.calls
            end = f"{realtime}/calls/{location.rpartition('/')[2]}/hangup"
            async with http.post(end, headers=key) as reply:
                assert reply.status == 200
            async with http.post(end, headers=key) as reply:
                assert reply.status == 404
            await caller.close()

    run(scenario)


@pytest.mark.parametrize(("base", "key"), PATHS)
@pytest.mark.parametrize("query", ["model=m", "api-version=2025-04-01-preview&deployment=m"])
def test_a_websocket_is_opened_by_any_of_the_paths(
    base: str, key: dict[str, str], query: str
) -> None:
    async def scenario() -> None:
        async with simulator(GUARDED) as (url, _), aiohttp.ClientSession() as http:
            address = f"{url.removesuffix('/v1')}{base}/realtime?{query}"
            async with http.ws_connect(address, headers=key) as socket:
                created = await socket.receive_json()
            assert created["type"] == "session.created" and created["session"]["model"] == "m"

    run(scenario)


def test_a_page_may_ask_any_of_the_paths_and_a_key_is_needed_everywhere() -> None:
    async def scenario() -> None:
        async with simulator(GUARDED) as (url, _), aiohttp.ClientSession() as http:
            root = url.removesuffix("/v1")
            for base, _ in PATHS:
                async with http.options(f"{root}{base}/realtime/calls") as reply:
                    assert reply.status == 204
                wrong = {"api-key": "sk-wrong"}
                async with http.post(f"{root}{base}/realtime/calls", headers=wrong) as reply:
                    assert reply.status == 401
                async with http.post(f"{root}{base}/realtime/nothing", headers=wrong) as reply:
                    assert reply.status in (404, 405)
            async with http.post(f"{root}/realtime/calls", headers=BEARER) as reply:
                assert reply.status == 404
            async with http.ws_connect(f"{url}/realtime?model=m&api-key=sk-right") as socket:
                assert (await socket.receive_json())["type"] == "session.created"

    run(scenario)


def test_a_certificate_that_is_made_is_good_for_this_machine(tmp_path: Path) -> None:
    async def scenario() -> None:
        context, file = made(tmp_path, "192.0.2.7")
        assert [path.name for path in tmp_path.iterdir()] == ["simulator.pem"], "the key is gone"
        runner = web.AppRunner(make_app(Switchboard(SimulatorSettings())), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        port = runner.addresses[0][1]
        trust = ssl.create_default_context(cafile=str(file))
        async with aiohttp.ClientSession() as http:
            for host in ("127.0.0.1", "localhost"):
                address = f"wss://{host}:{port}/v1/realtime?model=m"
                async with http.ws_connect(address, ssl=trust) as socket:
                    assert json.loads((await socket.receive()).data)["type"] == "session.created"
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await http.get(f"https://127.0.0.1:{port}/healthz")
        await runner.cleanup()

    run(scenario)


@pytest.mark.parametrize(
    ("certificate", "key"), [("", "k.pem"), ("c.pem", ""), ("none.pem", "none.pem")]
)
def test_certificate_files_that_do_not_serve_are_named(
    tmp_path: Path, certificate: str, key: str
) -> None:
    names = [str(tmp_path / name) if name else "" for name in (certificate, key)]
    with pytest.raises(SettingsError, match="tls_certificate"):
        from_files(*names)


def test_own_certificate_files_serve(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.pem"
    damaged.write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    with pytest.raises(SettingsError, match=r"damaged\.pem"):
        from_files(str(damaged), str(damaged))
