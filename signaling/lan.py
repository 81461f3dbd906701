"""The local network's door: HTTPS on all addresses, plain pages, mDNS; follows address changes.

Nothing here ends a connection: a new certificate is for new handshakes, and a listener that goes
away leaves what it has accepted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware
from cryptography import x509

from mixer_core.runtime import logs
from mixer_core.runtime.errors import StartupError, UnavailableError

from . import clock
from .http import listeners
from .http.acceptor import CONNECTIONS, Acceptor
from .http.lan_pages import LanPages, Listening
from .http.listen_routes import ListenRoutes
from .settings import SignalingSettings
from .tls import addresses
from .tls.addresses import Lan
from .tls.announcer import Announcer
from .tls.authority import Address, fingerprint
from .tls.certificates import LocalCertificate, open_certificate

GOODBYE_TIMEOUT_S = 0.4
"""How long the goodbye of the announced name may hold up the stop."""
WATCH_S = 5.0
"""How often addresses and certificate files are looked at."""


def introduction(
    settings: SignalingSettings,
    state_dir: Path,
    look: Callable[[bool], Lan] = addresses.look,
) -> list[str]:
    """What the terminal says about the local network; makes the authority at the first start.

    Raises:
        SettingsError: the certificate cannot be used.
    """
    found = look(settings.mdns)
    certificate = open_certificate(settings, state_dir, found, logs.get("signaling"))
    hosts = [addresses.url_host(address) for address in found.addresses]
    if not hosts:
        return ["mixminus: no address on a local network: only this computer can open the page"]
    names = [addresses.SHARED_NAME] if settings.mdns else []
    urls = [f"https://{host}:{settings.https_port}" for host in [*hosts, *names]]
    lines = [f"mixminus: on the local network: {'  '.join(urls)}"]
    if isinstance(certificate, LocalCertificate):
        lines += [
            "mixminus: browsers warn once; choose Advanced and continue, or install the "
            f"certificate: http://{hosts[0]}:{settings.http_port}/trust",
            f"mixminus: its fingerprint: {fingerprint(certificate.authority.root)}",
        ]
    return lines


def page_urls(
    settings: SignalingSettings, look: Callable[[bool], Lan] = addresses.look
) -> list[str]:
    """Addresses of the page on the local network, the best first; empty: there are none."""
    hosts = [addresses.url_host(address) for address in look(settings.mdns).addresses]
    return [f"https://{host}:{settings.https_port}" for host in hosts]


class LanDoor:
    """What listens on the local network, beside the page on loopback."""

    def __init__(
        self,
        settings: SignalingSettings,
        state_dir: Path,
        log: logging.LoggerAdapter[logging.Logger],
        look: Callable[[bool], Lan] = addresses.look,
    ) -> None:
        """Open certificate and HTTPS port. ``look`` finds addresses and names.

        Raises:
            StartupError: the certificate cannot be used, or the port is not free.
        """
        self._settings = settings
        self._log = log
        self._look = look
        self._lan = look(settings.mdns)
        self._sockets = _bind(settings.https_port)
        # A gateway that runs, and is followed by itself, must not end by a certificate that has.
        self._certificate = open_certificate(settings, state_dir, self._lan, log, at_any_time=True)
        self._plain: dict[Address, Acceptor] = {}
        self._plain_problems: dict[Address, str] = {}
        self._announcer: Announcer | None = None
        if settings.mdns:
            name = socket.gethostname().partition(".")[0]
            self._announcer = Announcer(settings.https_port, name, log)
        self._watching: asyncio.Task[None] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of this host."""
        return self._lan.names

    def public_url(self) -> str:
        """The page's address for other machines; empty: there is none."""
        urls = self._urls()
        return urls[0] if urls else ""

    async def start(
        self,
        app: web.Application,
        routes: ListenRoutes | None = None,
        middlewares: Sequence[Middleware] = (),
    ) -> None:
        """Serve ``app`` over HTTPS, the plain pages beside it, and follow the network.

        ``routes`` and ``middlewares``: of the page that listens without HTTPS, where there is one.
        """
        listening = Listening(routes, middlewares) if routes else None
        self._https = listeners.Listener(app, self._certificate.context)
        pages = LanPages(
            self._root, self._settings.https_port, lambda: self.names, self._log, listening
        )
        plain = pages.application()
        if CONNECTIONS in app:  # One count for both ports.
            plain[CONNECTIONS] = app[CONNECTIONS]
        self._http = listeners.Listener(plain)
        await self._https.start(self._sockets)
        await self._http.start([])
        await self._follow()
        self._tell()
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Close everything."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await asyncio.gather(self._take_name_back(), self._http.stop(), self._https.stop())

    async def _take_name_back(self) -> None:
        if self._announcer is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._announcer.close(), GOODBYE_TIMEOUT_S)

    def warnings(self) -> list[str]:
        """What a person should look at, for ``/readyz``."""
        found = [self._certificate.warning, *self._plain_problems.values()]
        if self._announcer is not None:
            found.append(self._announcer.warning)
        if not self._lan.addresses:
            found.append("no address on a local network: only this computer can open the page")
        return [words for words in found if words]

    async def refresh(self) -> None:
        """Look at the network and the certificate once."""
        before = self._lan
        self._lan = self._look(self._settings.mdns)
        self._certificate.refresh(self._lan, clock.now())
        await self._follow()
        if self._lan.addresses != before.addresses:
            self._tell()

    async def _watch(self) -> None:
        while True:
            try:
                if self._announcer is not None:  # It takes a second to find out whether it is free.
                    await self._announcer.follow(self._lan.addresses)
                await asyncio.sleep(WATCH_S)
                await self.refresh()
            except Exception:
                self._log.exception("! looking at the local network failed")

    async def _follow(self) -> None:
        """Plain listeners and the announced name for the addresses of now."""
        present = set(self._lan.addresses)
        for gone in self._plain.keys() - present:
            self._plain.pop(gone).close()
        self._plain_problems = {}
        for address in self._lan.addresses:
            if address not in self._plain:
                await self._open_plain(address)

    async def _open_plain(self, address: Address) -> None:
        try:
            (sock,) = listeners.bind(str(address), self._settings.http_port)
        except StartupError as error:
            self._plain_problems[address] = f"no /trust page on {address}: {error}"
            return
        self._plain[address] = await self._http.add(sock)

    def _tell(self) -> None:
        urls = self._urls()
        if urls:
            self._log.info("= on the local network: %s", "  ".join(urls))
        else:
            self._log.warning("! no address on a local network: only this computer can come in")

    def _urls(self) -> list[str]:
        port = self._settings.https_port
        return [f"https://{addresses.url_host(one)}:{port}" for one in self._lan.addresses]

    def _root(self) -> x509.Certificate | None:
        if isinstance(self._certificate, LocalCertificate):
            return self._certificate.authority.root
        return None


def _bind(port: int) -> list[socket.socket]:
    """Listening sockets on all addresses, IPv6 where there is any. Raises StartupError."""
    sockets = listeners.bind("0.0.0.0", port, "HTTPS_PORT")
    with contextlib.suppress(UnavailableError):  # This kernel has no IPv6.
        sockets += listeners.bind("::", port, "HTTPS_PORT")
    return sockets
