"""nginx and Caddy as docs/proxies.md configures them, on ports and files of a test."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from signaling.tls import authority
from tests.support.gateway import ROOT, free_port
from tests.support.waiting import PATIENCE_S, wait_until

HOST = "talk.example"
NGINX_FRAME = """daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
    uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
{server}
}}
"""
CADDY_FRAME = """{{
    admin off
    auto_https disable_redirects
    skip_install_trust
    storage file_system {dir}/caddy
}}
{site}
"""


def recipes(language: str) -> list[str]:
    """The blocks of one language in the document, in order."""
    text = (ROOT / "docs" / "proxies.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


class Proxy:
    """One running proxy; ``folder`` holds its certificate, and a root that signs only HOST."""

    def __init__(self, folder: Path, gateway_port: int) -> None:
        self.dir = folder
        self.port = free_port()
        self._gateway = f"127.0.0.1:{gateway_port}"
        now = datetime.now(UTC)
        made = authority.create([HOST], now)
        pem = authority.issue(made, [HOST], [], now)
        cut = pem.index(b"-----BEGIN PRIVATE KEY")
        (folder / "chain.pem").write_bytes(pem[:cut])
        (folder / "key.pem").write_bytes(pem[cut:])
        self.root = made.root_pem().decode()

    def nginx(self, sub_path: bool) -> list[str]:
        """The command of nginx."""
        server, location = recipes("nginx")
        if sub_path:
            server = re.sub(
                r"    location / \{.*?\n    \}\n", lambda _: location, server, flags=re.S
            )
        server = server.replace("listen 443", f"listen 127.0.0.1:{self.port}")
        server = server.replace("127.0.0.1:8080", self._gateway)
        folder = f"/etc/letsencrypt/live/{HOST}"
        server = server.replace(f"{folder}/fullchain.pem", f"{self.dir}/chain.pem")
        server = server.replace(f"{folder}/privkey.pem", f"{self.dir}/key.pem")
        file = self.dir / "nginx.conf"
        file.write_text(NGINX_FRAME.format(dir=self.dir, server=server))
        return [_program("nginx"), "-c", str(file), "-p", str(self.dir), "-e", "stderr"]

    def caddy(self, sub_path: bool) -> list[str]:
        """The command of Caddy."""
        site = recipes("caddy")[1 if sub_path else 0].replace("127.0.0.1:8080", self._gateway)
        keys = f"    tls {self.dir}/chain.pem {self.dir}/key.pem\n    bind 127.0.0.1\n"
        site = site.replace(f"{HOST} {{\n", f"https://{HOST}:{self.port} {{\n{keys}")
        file = self.dir / "Caddyfile"
        file.write_text(CADDY_FRAME.format(dir=self.dir, site=site))
        return [_program("caddy"), "run", "--config", str(file), "--adapter", "caddyfile"]

    @contextmanager
    def running(self, command: list[str]) -> Iterator[None]:
        """Until the end of the block."""
        with (self.dir / "out.log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env={"HOME": str(self.dir)})
            try:
                wait_until(lambda: process.poll() is not None or self._listens(), "it listens")
                assert process.poll() is None, (self.dir / "out.log").read_text()
                yield
            finally:
                process.terminate()
                process.wait(PATIENCE_S)

    def http(self, token: str) -> Callable[[], aiohttp.ClientSession]:
        """Sessions of a client on the internet: HOST resolves, its certificate is trusted."""
        import ssl

        def session() -> aiohttp.ClientSession:
            context = ssl.create_default_context(cadata=self.root)
            connector = aiohttp.TCPConnector(ssl=context, resolver=_Here())
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return aiohttp.ClientSession(connector=connector, headers=headers)

        return session

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class _Here(AbstractResolver):
    """Every name is this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        """Nothing to close."""


def _program(name: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed: apt-get install {name}")
    return path
