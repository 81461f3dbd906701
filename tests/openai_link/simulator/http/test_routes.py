"""The HTTP API and its errors, with real requests."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable

import aiohttp
import openai
import pytest
from openai.types.realtime import ClientSecretCreateResponse

from openai_link.simulator.http.routes import MAX_BODY_BYTES
from openai_link.simulator.settings import SimulatorSettings
from tests.openai_link.simulator.caller import SESSION, Caller, run, simulator

pytestmark = pytest.mark.sockets

KEY = {"Authorization": "Bearer sk-right"}
SDP = {"Content-Type": "application/sdp"}
OFFER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


def with_server(
    scenario: Callable[[aiohttp.ClientSession, str], Awaitable[None]], api_key: str = "sk-right"
) -> None:
    async def whole() -> None:
        async with (
            simulator(SimulatorSettings(api_key=api_key, max_calls=1)) as (url, _),
            aiohttp.ClientSession() as http,
        ):
            await scenario(http, url)

    run(whole)


async def refused(response: aiohttp.ClientResponse, status: int, code: str) -> dict[str, str]:
    """Assert the format of an error; returns its body."""
    assert response.status == status, await response.text()
    error: dict[str, str] = (await response.json())["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert error["code"] == code
    assert response.headers["x-simulated"] == "1"
    return error


def test_a_client_secret_has_the_shape_of_the_real_one() -> None:
    async def scenario(http: aiohttp.ClientSession, url: str) -> None:
        body = {"session": SESSION, "expires_after": {"anchor": "created_at", "seconds": 100}}
        async with http.post(f"{url}/realtime/client_secrets", json=body, headers=KEY) as r:
            assert r.status == 200
            secret = ClientSecretCreateResponse.model_validate(await r.json())
        assert secret.value.startswith("ek_")
        assert abs(secret.expires_at - time.time() - 100) <= 3
        assert secret.session.type == "realtime"
        assert json.loads(secret.session.model_dump_json())["expires_at"] == 0

    with_server(scenario)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"expires_after": {"seconds": 9}}, "invalid_value"),
        ({"expires_after": {"seconds": 7201}}, "invalid_value"),
        ({"session": {"type": "realtime", "x": 1}}, "unknown_parameter"),
        ({"session": {"model": "m"}}, "missing_required_parameter"),
        ({"other": 1}, "unknown_parameter"),
        ([], "invalid_type"),
    ],
)
def test_a_bad_request_for_a_secret_is_named(body: object, code: str) -> None:
    async def scenario(http: aiohttp.ClientSession, url: str) -> None:
        async with http.post(f"{url}/realtime/client_secrets", json=body, headers=KEY) as r:
            await refused(r, 400, code)

    with_server(scenario)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer sk-wrong"}, {"Authorization": "Bearer ek_unknown"}],
)
def test_a_wrong_key_is_refused_everywhere(headers: dict[str, str]) -> None:
    async def scenario(http: aiohttp.ClientSession, url: str) -> None:
        calls = f"{url}/realtime/calls"
        async with http.post(calls, data=OFFER, headers={**headers, **SDP}) as r:
            error = await refused(r, 401, "invalid_api_key")
            assert "sk-wrong" not in error["message"]
        for path in ("client_secrets", "calls/rtc_x/hangup"):
            async with http.post(f"{url}/realtime/{path}", headers=headers) as r:
                await refused(r, 401, "invalid_api_key")

    with_server(scenario)


def test_without_a_configured_key_any_is_accepted() -> None:
    async def scenario(http: aiohttp.ClientSession, url: str) -> None:
        for headers in ({}, {"Authorization": "Bearer anything"}):
            async with http.post(f"{url}/realtime/client_secrets", headers=headers) as r:
                assert r.status == 200

    with_server(scenario, api_key="")


@pytest.mark.parametrize("offer", ["", "v=0", OFFER.strip(), "hello\r\n", "v=0\r\ns=-\r\n", OFFER])
def test_an_offer_that_cannot_be_used_is_refused(offer: str) -> None:
    async def scenario(http: aiohttp.ClientSession, url: str) -> None:
        for _ in range(2):  # Twice: a refused offer takes up no place.
            async with http.post(f"{url}/realtime/calls", data=offer, headers={**KEY, **SDP}) as r:
                error = await refused(r, 400, "invalid_offer")
                assert error["message"].startswith("Failed to parse offer: ")

    with_server(scenario)


def test_an_offer_sent_as_a_file_counts_as_missing() -> None:
    async def scenario(http: aiohttp.ClientSession, url: str) -> None:
        form = aiohttp.FormData()
        form.add_field("sdp", OFFER, filename="offer.sdp", content_type="application/sdp")
        form.add_field("session", json.dumps(SESSION), content_type="application/json")
        async with http.post(f"{url}/realtime/calls", data=form, headers=KEY) as r:
            error = await refused(r, 400, "invalid_offer")
            assert error["message"].endswith(": EOF")

    with_server(scenario)


def test_a_call_is_answered_in_the_shape_of_the_real_service_until_it_is_full() -> None:
    async def scenario(http: aiohttp.ClientSession, url: str) -> None:
        caller = Caller(http, url)
        offer = await caller.offer()
        form = aiohttp.FormData()
        form.add_field("sdp", offer, content_type="application/sdp")
        form.add_field("session", json.dumps(SESSION), content_type="application/json")
        async with http.post(f"{url}/realtime/calls", data=form, headers=KEY) as r:
            assert r.status == 201
            assert r.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert r.headers["Location"].startswith("/v1/realtime/calls/rtc_")
            assert "Location" in r.headers["Access-Control-Expose-Headers"]
            assert r.headers["x-simulated"] == "1"
            answer = await r.text()
        assert answer.endswith("\r\n")
        assert "opus/48000/2" in answer and "PCMU" not in answer
        calls = f"{url}/realtime/calls"
        async with http.post(calls, data=offer, headers={**KEY, **SDP}) as r:
            await refused(r, 429, "rate_limit_exceeded")
        async with http.post(f"{url}/realtime/calls/rtc_none/hangup", headers=KEY) as r:
            error = await refused(r, 404, "call_id_not_found")
            assert error["param"] == ""
        await caller.close()

    with_server(scenario)


def test_a_bad_session_is_refused_before_the_offer_is_looked_at() -> None:
    async def scenario(http: aiohttp.ClientSession, url: str) -> None:
        form = aiohttp.FormData()
        form.add_field("sdp", OFFER, content_type="application/sdp")
        form.add_field("session", '{"type": "realtime", "speed": 1}')
        async with http.post(f"{url}/realtime/calls", data=form, headers=KEY) as r:
            error = await refused(r, 400, "unknown_parameter")
            assert error["param"] == "session.speed"

    with_server(scenario)


def test_bodies_are_bounded_and_other_types_and_paths_are_refused() -> None:
    async def scenario(http: aiohttp.ClientSession, url: str) -> None:
        large = "v=0\r\n" + "a" * MAX_BODY_BYTES + "\r\n"
        calls = f"{url}/realtime/calls"
        async with http.post(calls, data=large, headers={**KEY, **SDP}) as r:
            await refused(r, 413, "body_too_large")
        form = aiohttp.FormData()
        form.add_field("sdp", large, content_type="application/sdp")
        async with http.post(calls, data=form, headers=KEY) as r:
            await refused(r, 413, "body_too_large")
        async with http.post(calls, json={}, headers=KEY) as r:
            await refused(r, 415, "invalid_request")
        async with http.get(f"{url}/models", headers=KEY) as r:
            await refused(r, 404, "invalid_request")

    with_server(scenario)


def test_health_says_that_it_is_a_simulator_and_browsers_may_call() -> None:
    async def scenario(http: aiohttp.ClientSession, url: str) -> None:
        async with http.get(url.removesuffix("/v1") + "/healthz") as r:
            assert (await r.json()) == {"status": "ok", "simulator": True, "calls": 0}
        wanted = {"Access-Control-Request-Headers": "authorization"}
        async with http.options(f"{url}/realtime/calls", headers=wanted) as r:
            assert r.status == 204
            assert r.headers["Access-Control-Allow-Headers"] == "authorization"
            assert r.headers["Access-Control-Allow-Origin"] == "*"

    with_server(scenario)


def test_openais_own_package_places_and_ends_a_call() -> None:
    async def scenario(http: aiohttp.ClientSession, url: str) -> None:
        async with openai.AsyncOpenAI(api_key="sk-right", base_url=url) as client:
            secret = await client.realtime.client_secrets.create(session={"type": "realtime"})
            assert secret.value.startswith("ek_")
            caller = Caller(http, url)
            reply = await client.realtime.calls.with_raw_response.create(
                sdp=await caller.offer(), session={"type": "realtime", "model": "gpt-realtime"}
            )
            location = reply.headers["location"]
            await caller.accept(location, reply.text)
            assert caller.kinds() == ["session.created"]
            await client.realtime.calls.hangup(location.rsplit("/", 1)[1])
            with pytest.raises(openai.NotFoundError) as caught:
                await client.realtime.calls.hangup(location.rsplit("/", 1)[1])
            assert caught.value.code == "call_id_not_found"
            await caller.close()

    with_server(scenario)
