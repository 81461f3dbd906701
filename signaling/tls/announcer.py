"""The name mixminus.local on the local network, by multicast DNS."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from zeroconf import Error, IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from .addresses import SHARED_NAME
from .authority import Address

SERVICE_TYPE = "_https._tcp.local."


class Announcer:
    """Announces the name for the addresses of the moment; a failure is a warning, never an end."""

    def __init__(self, port: int, hostname: str, log: logging.LoggerAdapter[logging.Logger]):
        """``hostname`` makes the service's entry unique where two gateways run."""
        self.warning = ""
        self._port = port
        self._service = f"mixminus on {hostname or 'this computer'}.{SERVICE_TYPE}"
        self._log = log
        self._addresses: tuple[Address, ...] = ()
        self._zeroconf: AsyncZeroconf | None = None

    async def follow(self, addresses: Sequence[Address]) -> None:
        """Announce ``addresses``, where they are not announced already."""
        wanted = tuple(addresses)
        if wanted == self._addresses and not self.warning:
            return
        await self.close()
        self._addresses = wanted
        if not wanted:
            return
        try:
            await self._announce()
            self.warning = ""
        except (OSError, Error, RuntimeError, TimeoutError) as error:
            words = str(error) or type(error).__name__
            warning = f"the name {SHARED_NAME} cannot be announced ({words}): use the address"
            if warning != self.warning:
                self._log.warning("! %s", warning)
            self.warning = warning

    async def close(self) -> None:
        """Take the name back."""
        zeroconf, self._zeroconf, self._addresses = self._zeroconf, None, ()
        if zeroconf is not None:
            await zeroconf.async_unregister_all_services()
            await zeroconf.async_close()

    async def _announce(self) -> None:
        info = AsyncServiceInfo(
            SERVICE_TYPE,
            self._service,
            port=self._port,
            server=f"{SHARED_NAME}.",
            properties={"path": "/"},
            addresses=[address.packed for address in self._addresses],
        )
        interfaces = [str(address) for address in self._addresses if address.version == 4]
        self._zeroconf = AsyncZeroconf(interfaces=interfaces, ip_version=IPVersion.V4Only)
        await self._zeroconf.async_register_service(info, allow_name_change=True)
