"""Everything that relays, built and started in order; whoever starts it closes it."""

from __future__ import annotations

import logging

from aiohttp import web

from mixer_core.cluster.connection import Connection
from mixer_core.cluster.names import Names

from ..access.gate import Gate
from ..gateway import Gateway
from ..http import limiting, problems
from ..http.api import HttpApi
from ..http.listen_routes import ListenRoutes
from ..http.picture_routes import most_body_bytes
from .asking import Asking
from .parcels import Parcels
from .relay import Relay, RoomFinder, Surroundings
from .replay import Replayer
from .trust import RelayTrust


class Relaying:
    """Of one process. ``relay`` and ``trust`` go into the parts of its applications."""

    def __init__(
        self,
        connection: Connection,
        names: Names,
        node: str,
        owners: RoomFinder,
        around: Surroundings,
        gateway: Gateway,
        usual_body_bytes: int,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """``usual_body_bytes``: most of all bodies but those of pictures."""
        self._gateway = gateway
        self._log = log
        self.trust = RelayTrust()
        self._parcels = Parcels(connection, names, node)
        asking = Asking(connection, names, self._parcels, log)
        most = usual_body_bytes, most_body_bytes(gateway.allowances.pictures)
        self.relay = Relay(node, owners, asking, self.trust, around, most, gateway.metrics)
        self._replayer = Replayer(
            connection, names, node, self.trust, self._parcels, log, gateway.metrics.count
        )

    async def start(self, inner: HttpApi, gate: Gate) -> None:
        """Take what other nodes relay.

        ``inner`` has ``relay`` and ``trust`` among its parts, and ``gate`` is its own.

        Raises:
            ClusterError: NATS does not take a subscription; SettingsError: no port of loopback.
        """
        await self._parcels.start()
        await self._replayer.start(inner.application(), self._plain(inner, gate))

    @property
    def private_urls(self) -> list[str]:
        """Where this process answers itself, and nobody else."""
        return self._replayer.urls

    async def close(self) -> None:
        """Take no more."""
        await self._replayer.close()
        self._parcels.close()

    def _plain(self, inner: HttpApi, gate: Gate) -> web.Application:
        """What the plain port of the local network serves to listeners, for other nodes."""
        limit = limiting.middleware(self._gateway.allowances.limiter, self.trust, self._log)
        app = web.Application(
            middlewares=[problems.middleware(self._log), self.relay.relayed(), limit]
        )
        ListenRoutes(inner.rooms, gate.desk, self.trust).add_to(app.router)
        return app
