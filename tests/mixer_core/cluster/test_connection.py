"""The connection to NATS against a real server: asking, serving, and coming back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mixer_core.cluster.buckets import Bucket
from mixer_core.cluster.connection import Connection
from mixer_core.cluster.jetstream import JetStream
from mixer_core.cluster.messages import Message
from mixer_core.cluster.names import Names
from mixer_core.cluster.nats_client import NatsClient
from mixer_core.runtime.errors import (
    ClusterAwayError,
    ClusterError,
    NobodyThereError,
    RecordError,
)
from tests.support.coturn import make_certificate
from tests.support.nats_server import NatsServer, needs_nats
from tests.support.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.processes, needs_nats]
AT_ONCE_S = 0.9
"""Well below the time-out of what is asked here."""


@asynccontextmanager
async def connected(server: NatsServer, **more: Any) -> AsyncIterator[Connection]:
    connection = Connection(server.settings(**more), "test")
    connection.start()
    try:
        assert await connection.wait_connected(30.0), server.log
        yield connection
    finally:
        await connection.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(120):
            await test()

    asyncio.run(limited())


async def echo(message: Message) -> bytes:
    return message.data


def test_a_request_is_served_and_a_refusal_comes_back_in_words(
    nats_server: NatsServer, names: Names
) -> None:
    async def serve(message: Message) -> bytes:
        if message.data == b"wrong":
            raise RecordError("this cannot be read\nat all")
        if message.data == b"bug":
            raise KeyError("inner")
        return message.data * 2

    async def test() -> None:
        async with connected(nats_server) as one, connected(nats_server) as two:
            served = await one.serve(names.of_node("one", "http"), serve)
            subject = names.of_node("one", "http")
            assert (await two.request(subject, b"ab", 5)).data == b"abab"
            with pytest.raises(ClusterError, match=r"^this cannot be read at all$"):
                await two.request(subject, b"wrong", 5)
            with pytest.raises(ClusterError, match=r"^KeyError in the node asked$"):
                await two.request(subject, b"bug", 5)
            with pytest.raises(ClusterError, match="longer than NATS takes"):
                await two.request(subject, bytes(two.max_payload_bytes + 1), 5)
            with pytest.raises(ClusterError, match="longer than NATS takes"):
                await two.request(subject, bytes(two.max_payload_bytes // 2 + 1), 5)
            await served.close()
            await until(lambda: nobody_is_at(two, subject))

    run(test)


async def nobody_is_at(connection: Connection, subject: str) -> bool:
    """A server that has just been told of an end may still pass a request on."""
    try:
        await connection.request(subject, b"", 0.2)
    except NobodyThereError:
        return True
    except ClusterAwayError:
        return False
    return False


def test_who_waits_for_a_connection_lets_others_work_until_there_is_one(
    nats_server: NatsServer, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client knows of an end before the connection does: both are asked in between."""

    async def test() -> None:
        async with connected(nats_server) as one:
            with monkeypatch.context() as patched:
                patched.setattr(NatsClient, "is_connected", False)
                watch = Bucket(JetStream(one), names.keys).watch(lambda key, entry: None)
                waits = asyncio.create_task(one.wait_connected(60.0))
                for _ in range(9):
                    await asyncio.sleep(0)
                assert not waits.done()
            assert await waits
            await watch.close()

    run(test)


def test_requests_are_served_side_by_side_but_not_without_end(
    nats_server: NatsServer, names: Names
) -> None:
    running, most, go_on = 0, 0, asyncio.Event()

    async def serve(message: Message) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go_on.wait()
        running -= 1
        return b""

    async def test() -> None:
        async with connected(nats_server) as one:
            await one.serve(names.of_all("x"), serve, at_once=3)
            asked = [one.request(names.of_all("x"), b"", 30) for _ in range(8)]
            tasks = [asyncio.create_task(request) for request in asked]
            await until(lambda: running == 3)
            go_on.set()
            await asyncio.gather(*tasks)
            assert most == 3

    run(test)


def test_all_hear_a_message_and_of_a_queue_one_does(nats_server: NatsServer, names: Names) -> None:
    heard: list[str] = []

    def listener(name: str) -> Callable[[Message], Awaitable[None]]:
        async def hear(message: Message) -> None:
            heard.append(f"{name}{message.data.decode()}{message.headers.get('A', '')}")
            if message.data == b"1":
                raise ValueError("a handler that fails hears the next message all the same")

        return hear

    async def test() -> None:
        async with connected(nats_server) as one, connected(nats_server) as two:
            for connection in (one, two):
                await connection.subscribe(names.of_all("a"), listener("a"))
                await connection.subscribe(names.of_all("q"), listener("q"), queue="q")
            for data in (b"1", b"2"):
                await one.publish(names.of_all("a"), data, {"A": "x"})
                await one.publish(names.of_all("q"), data)
            await until(lambda: len(heard) >= 6)
            assert sorted(heard) == ["a1x", "a1x", "a2x", "a2x", "q1", "q2"]

    run(test)


def test_what_waits_fails_at_once_when_the_server_ends_and_all_is_well_when_it_is_back(
    names: Names,
) -> None:
    told: list[str] = []

    async def silent(message: Message) -> bytes:
        await asyncio.sleep(60)
        return b""

    async def test() -> None:
        with NatsServer() as server:
            connection = Connection(
                server.settings(),
                "test",
                on_connect=lambda: told.append("up"),
                on_disconnect=lambda: told.append("down"),
            )
            with pytest.raises(ClusterAwayError) as caught:
                await connection.request("a", b"", 5)
            assert not caught.value.is_perhaps_done
            connection.start()
            assert await connection.wait_connected(PATIENCE_S)
            await connection.serve(names.of_node("one", "silent"), silent)
            await connection.serve(names.of_node("one", "echo"), echo)
            waiting = asyncio.create_task(
                connection.request(names.of_node("one", "silent"), b"", 50)
            )
            await asyncio.sleep(0.1)
            server.stop()
            async with asyncio.timeout(PATIENCE_S):
                with pytest.raises(ClusterAwayError) as caught:
                    await waiting
            assert caught.value.is_perhaps_done and not connection.is_connected
            assert connection.server == "" and told == ["up", "down"]
            with pytest.raises(ClusterAwayError, match="NATS cannot be reached"):
                await connection.publish("a", b"")
            server.start()
            assert await connection.wait_connected(PATIENCE_S)
            answer = await connection.request(names.of_node("one", "echo"), b"again", 5)
            assert answer.data == b"again" and told == ["up", "down", "up"]
            await connection.close()
            assert told[-1] == "down" and len(told) == 4
            await connection.close()

    run(test)


def test_who_gives_up_to_subscribe_leaves_the_connection_as_it_is(names: Names) -> None:
    """The server answers what nobody waits for any more."""

    async def test() -> None:
        with NatsServer() as server:
            async with connected(server) as connection:
                told: list[str] = []
                connection.tell_on_disconnect(lambda: told.append("down"))
                await connection.serve("echo", echo)
                for _ in range(3):
                    server.pause()
                    subscribing = asyncio.create_task(connection.subscribe("a", ignored))
                    await asyncio.sleep(0.01)
                    subscribing.cancel()
                    await asyncio.wait([subscribing])
                    server.resume()
                    assert (await connection.request("echo", b"x", 10)).data == b"x"
                assert not told

    run(test)


async def ignored(message: Message) -> None:
    """Nothing follows."""


def test_somebody_who_cannot_be_told_of_the_connection_does_not_end_it(names: Names) -> None:
    async def test() -> None:
        told: list[str] = []

        def fails() -> None:
            told.append("fails")
            raise KeyError("inner")

        with NatsServer() as server:
            connection = Connection(server.settings(), "test", on_connect=fails)
            connection.tell_on_connect(lambda: told.append("up"))
            connection.tell_on_disconnect(fails)
            connection.tell_on_disconnect(lambda: told.append("down"))
            connection.start()
            await until(lambda: told == ["fails", "up"])
            await connection.serve("echo", echo)
            server.stop()
            await until(lambda: told[2:] == ["fails", "down"])
            server.start()
            await until(lambda: told[4:] == ["fails", "up"])
            assert (await connection.request("echo", b"x", 10)).data == b"x"
            await connection.close()

    run(test)


def test_a_server_that_does_not_answer_is_left_for_another_one(names: Names) -> None:
    async def test() -> None:
        with NatsServer() as frozen, NatsServer() as other:
            frozen.pause()
            frozen.routes = [frozen, other]
            async with connected(frozen) as connection:
                assert connection.server == f"localhost:{other.port}"
                frozen.resume()
                began_s = asyncio.get_running_loop().time()
                other.pause()
                await until(lambda: connection.server == f"localhost:{frozen.port}")
                took_s = asyncio.get_running_loop().time() - began_s
                assert took_s > 0.5
                await connection.serve("echo", echo)
                assert (await connection.request("echo", b"x", 5)).data == b"x"

    run(test)


def test_a_server_that_is_doubted_is_left_for_others_and_tried_again_after_them(
    names: Names, caplog: pytest.LogCaptureFixture
) -> None:
    """It answers pings, and nothing else of use."""

    async def test() -> None:
        with NatsServer() as one, NatsServer() as two:
            one.routes = [one, two]
            async with connected(one) as connection:
                told: list[str] = []
                connection.tell_on_connect(lambda: told.append(connection.server))
                await connection.serve(names.of_node("one", "echo"), echo)
                former = connection.server
                for number in range(1, 7):
                    connection.leave_server("it acknowledges nothing")
                    await until(lambda number=number: len(told) == number, "none is made")
                    assert connection.server != former, "the other one is tried first"
                    former = connection.server
                answer = await connection.request(names.of_node("one", "echo"), b"again", 5)
                assert answer.data == b"again"
                last = next(s for s in (one, two) if former.endswith(f":{s.port}"))
                other = one if last is two else two
                other.stop()
                connection.leave_server("it acknowledges nothing")
                await until(lambda: len(told) == 7)
                assert connection.server == former, "where the others are gone it is of use"
        assert "it acknowledges nothing" in caplog.text

    run(test)


def test_the_only_server_is_not_left(nats_server: NatsServer) -> None:
    async def test() -> None:
        async with connected(nats_server) as connection:
            client = connection._client
            connection.leave_server("it acknowledges nothing")
            assert not connection._lost.is_set() and connection._client is client

    run(test)


def test_tls_cannot_be_talked_away_and_a_wrong_authority_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    make_certificate(certificate, key)
    password = tmp_path / "nats"
    password.write_text("gateway:very-hidden")
    auth = 'authorization { user: "gateway", password: "very-hidden" }\n'
    tls = f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}\n'

    async def test() -> None:
        with NatsServer(auth + tls, scheme="tls") as server:
            files = {"ca_file": str(certificate), "credentials_file": str(password)}
            async with connected(server, **files) as connection:
                await connection.serve("echo", echo)
                assert (await connection.request("echo", b"x", 5)).data == b"x"
            await refused(server, "certificate verify failed", credentials_file=str(password))
            password.write_text("gateway:also-hidden")
            await refused(server, "Authorization Violation", **files)
        with NatsServer(auth.replace("very", "other"), scheme="tls") as plain:
            await refused(plain, "the server offers no TLS", **files)
            assert "authentication error" not in plain.log  # It was sent nothing.
            plain.url = plain.url.replace("tls:", "nats:")
            await refused(plain, "Authorization Violation", **files)
            assert "authentication error" in plain.log
        with NatsServer(scheme="tls") as plain:
            await refused(plain, "the server offers no TLS")
            await refused(plain, "cannot be read", credentials_file="/nowhere/at/all")

    async def refused(server: NatsServer, words: str, **files: str) -> None:
        caplog.clear()
        connection = Connection(server.settings(**files), "test")
        connection.start()
        await until(lambda: words in caplog.text, words, lambda: caplog.text)
        assert not connection.is_connected
        await connection.close()

    with caplog.at_level(logging.DEBUG):
        run(test)
    assert "hidden" not in caplog.text


def test_the_log_has_a_line_for_each_reason_not_for_each_attempt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test() -> None:
        server = NatsServer()
        connection = Connection(server.settings(), "test")
        connection.start()
        await until(lines)
        assert not await connection.wait_connected(1.5)  # Some more attempts.
        await connection.close()
        server.close()

    def lines() -> list[str]:
        return [record.message for record in caplog.records if record.name == "mixminus.cluster"]

    run(test)
    assert len(lines()) == 1 and "NATS cannot be reached: nats://localhost:" in lines()[0]
