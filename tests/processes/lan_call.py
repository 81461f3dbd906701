"""A call over HTTPS in a network of its own while certificates change; prints what happened.

Run inside a fresh network namespace: ``unshare -n python -m tests.processes.lan_call auto``.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from signaling.tls import authority
from tests.support import audio
from tests.support.gateway import LOOK_S, Gateway, free_port
from tests.support.plain_client import PlainClient
from tests.support.waiting import until

FIRST, SECOND = "10.7.0.1", "10.7.0.2"
TOKEN = "correct-horse-battery"
NAME = "talk.local"


def ip(*words: str) -> None:
    """One command of ``ip``."""
    subprocess.run(["ip", *words], check=True)


class Call:
    """A gateway on the veth pair, and a client that hears a long tone."""

    def __init__(self, **settings: str | int) -> None:
        self.https_port = free_port()
        self.gateway = Gateway(
            SIGNALING__LAN="true",
            SIGNALING__HTTPS_PORT=self.https_port,
            SIGNALING__MDNS="false",
            SIMULATOR__BRAIN="tone",
            SIMULATOR__TONE_MS=60_000,
            OPENAI_LINK__GREET="0",
            **settings,
        )
        self.gateway.env["MIXMINUS_TOKEN"] = TOKEN

    def handshake(self, root: Path, address: str, name: str) -> str:
        """Serial number of the certificate that a new connection is shown; empty: refused."""
        context = ssl.create_default_context(cafile=str(root))
        try:
            with (
                socket.create_connection((address, self.https_port), 5) as plain,
                context.wrap_socket(plain, server_hostname=name) as secure,
            ):
                found = secure.getpeercert()
                return str(found["serialNumber"]) if found else ""
        except OSError:
            return ""

    def http(self, root: Path, name: str) -> Callable[[], aiohttp.ClientSession]:
        """Sessions of a client that trusts ``root``."""

        def session() -> aiohttp.ClientSession:
            context = ssl.create_default_context(cafile=str(root))
            connector = aiohttp.TCPConnector(ssl=context)
            headers = {"Authorization": f"Bearer {TOKEN}", "Host": f"{name}:{self.https_port}"}
            return aiohttp.ClientSession(connector=connector, headers=headers)

        return session

    async def talk(self, root: Path, events: Callable[[PlainClient], Awaitable[Any]]) -> Any:
        """Join, let the tone begin, let ``events`` happen; the findings."""
        url = f"https://{FIRST}:{self.https_port}"
        client = PlainClient(url, http=self.http(root, FIRST))
        joined_s = await client.join()
        ready = lambda: any(m["upstream"] == "ready" for m in client.of_type("state"))  # noqa: E731
        await client.until(ready, "the assistant does not become ready")
        await client.speak(audio.to_pcm(audio.read_wav(audio.SENTENCE)) + bytes(48_000))
        loud = lambda: [at for at, pcm in client.heard if pcm.strip(b"\0")]  # noqa: E731
        await client.until(lambda: len(loud()) > 50, "the tone does not begin")
        began_s = time.monotonic()
        found = await events(client)
        ended_s = time.monotonic()
        await client.until(lambda: loud()[-1] > ended_s + 1, "the tone has stopped")
        times = [at for at in loud() if at >= began_s]
        gap_ms = 1000 * max(b - a for a, b in itertools.pairwise(times))
        left = self.gateway.log.count(" left home")
        await client.close()
        return found | {
            "joined_ms": round(1000 * joined_s),
            "events_s": round(ended_s - began_s, 1),
            "longest_gap_ms": round(gap_ms),
            "left": left,
            "frames": len(times),
        }


async def new_address() -> Any:
    """``tls = auto``: the host gets another address."""
    call = Call()
    with call.gateway:
        root = call.gateway.dir / "state" / "tls" / "authority.crt"

        async def events(_: PlainClient) -> Any:
            before = await asyncio.to_thread(call.handshake, root, FIRST, FIRST)
            assert before and not await asyncio.to_thread(call.handshake, root, SECOND, SECOND)
            began_s = time.monotonic()
            ip("address", "add", f"{SECOND}/24", "dev", "v0")
            shown = await until(
                lambda: asyncio.to_thread(call.handshake, root, SECOND, SECOND), step_s=LOOK_S
            )
            return {"renewed_s": round(time.monotonic() - began_s, 1), "new": shown != before}

        return await call.talk(root, events)


async def new_files() -> Any:
    """``tls = files``: the files change, then the key no longer fits, then it does."""
    folder = Path(sys.argv[2])
    made = authority.create([NAME], datetime.now(UTC))
    root, chain, key = folder / "root.crt", folder / "chain.pem", folder / "key.pem"
    root.write_bytes(made.root_pem())

    def write() -> None:
        pem = authority.issue(made, [NAME], [ipaddress.ip_address(FIRST)], datetime.now(UTC))
        cut = pem.index(b"-----BEGIN PRIVATE KEY")
        chain.write_bytes(pem[:cut])
        key.write_bytes(pem[cut:])

    write()
    call = Call(
        SIGNALING__TLS="files", SIGNALING__TLS_CERTIFICATE=str(chain), SIGNALING__TLS_KEY=str(key)
    )
    with call.gateway:

        async def events(_: PlainClient) -> Any:
            def shown() -> str:
                return call.handshake(root, FIRST, FIRST)

            def warnings() -> list[str]:
                return list(call.gateway.json("/readyz").get("warnings", []))

            async def changed(before: str) -> bool:
                return await asyncio.to_thread(shown) not in ("", before)

            first = await asyncio.to_thread(shown)
            write()
            await until(lambda: changed(first), step_s=LOOK_S)
            good, second = key.read_bytes(), await asyncio.to_thread(shown)
            key.write_bytes(b"nonsense")
            told = await until(lambda: asyncio.to_thread(warnings), step_s=LOOK_S)
            kept = await asyncio.to_thread(shown) == second
            key.write_bytes(good)

            async def calm() -> bool:
                return not await asyncio.to_thread(warnings)

            await until(calm, step_s=LOOK_S)
            return {"warning": told[0], "old_kept": kept}

        return await call.talk(root, events)


def main() -> None:
    """Make the network, run one of the two calls, print its findings as the last line."""
    ip("link", "set", "lo", "up")
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
    ip("address", "add", f"{FIRST}/24", "dev", "v0")
    for name in ("v0", "v1"):
        ip("link", "set", name, "up")
    assert "v0" in psutil.net_if_addrs()
    found = asyncio.run(new_address() if sys.argv[1] == "auto" else new_files())
    print(json.dumps(found))


if __name__ == "__main__":
    main()
