"""What holds for the whole cluster, not for a node: the day's money, invitations, limits."""

from __future__ import annotations

import logging
from collections.abc import Callable

from mixer_core.cluster.buckets import Bucket
from mixer_core.cluster.connection import Connection
from mixer_core.cluster.jetstream import JetStream
from mixer_core.cluster.names import Names

from ..access.ledger import Ledger
from ..gateway import Gateway
from ..settings import Settings
from .money import MoneyShare
from .shared_access import SharedAccess
from .shared_limits import SharedLimits


class Shared:
    """From ``start`` to ``close``; none of it waits for NATS."""

    def __init__(
        self,
        connection: Connection,
        names: Names,
        node: str,
        settings: Settings,
        gateway: Gateway,
        ledger: Ledger,
        nodes: Callable[[], int],
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """``ledger``: of this node's invitations; ``nodes``: how many there are now."""
        jetstream, replicas = JetStream(connection), settings.cluster.replicas
        self._money = MoneyShare(
            Bucket(jetstream, names.money),
            *(node, settings.state_dir, gateway.spent_elsewhere, log, replicas),
        )
        self._access = SharedAccess(
            Bucket(jetstream, names.access),
            Bucket(jetstream, names.keys),
            *(ledger, log, replicas, node),
        )
        self._limits = SharedLimits(connection, names, node, gateway.allowances.limiter, nodes, log)

    async def start(self) -> None:
        """Begin to tell and to hear."""
        self._money.start()
        self._access.start()
        await self._limits.start()

    async def close(self) -> None:
        """Go on with what is known here."""
        await self._limits.close()
        await self._access.close()
        await self._money.close()
