"""The bucket of rooms as a whole: there when a node starts, made anew where NATS has lost it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from mixer_core.cluster.buckets import Bucket
from mixer_core.cluster.jetstream import NOT_FOUND
from mixer_core.cluster.lease_actions import Terms
from mixer_core.runtime import boot_clock
from mixer_core.runtime.errors import ClusterError
from mixer_core.runtime.units import S_NS

from .owners import KEEP_S
from .remaking import Joined, Remaking

WAIT_NS = Terms().wait_ns(Terms().lease_ns)
LOOK_S = 0.25
"""Between two looks of a node that starts."""
RESTART = (
    "NATS has lost where the rooms are, and nodes still run those that they have: stop all nodes "
    "of this cluster, and start them again"
)


class RoomsBucket:
    """As one node sees it. Methods raise ClusterError."""

    def __init__(
        self,
        bucket: Bucket,
        nodes: Bucket,
        joined: Callable[[], Joined | None],
        log: logging.LoggerAdapter[logging.Logger],
        wait_ns: int = WAIT_NS,
    ) -> None:
        """``nodes``: the bucket of nodes; ``joined``: how this node stands in it, None: not."""
        self.bucket = bucket
        self._nodes = nodes
        self._joined = joined
        self._log = log
        self._wait_ns = wait_ns
        self._remaking = Remaking(wait_ns)
        self._replicas = 1
        self._has_told = False

    @property
    def is_open(self) -> bool:
        """Whether ``look`` has something to find out."""
        return self._remaking.is_open(self._joined())

    async def prepare(self, replicas: int = 1) -> None:
        """This node starts, and owns nothing: have the bucket. It may be called again."""
        self._replicas = replicas
        end_ns = boot_clock.now_ns() + 2 * self._wait_ns
        while not await self.bucket.is_there():
            if self._remaking.may_start(*await self._state(), boot_clock.now_ns()):
                break
            if boot_clock.now_ns() >= end_ns:
                raise ClusterError(RESTART)
            await asyncio.sleep(LOOK_S)
        await self._make((await self._state())[0])

    async def look(self) -> None:
        """Make the bucket where it is missing and nobody can own a room by it."""
        joined = self._joined()
        if await self.bucket.is_there():
            if joined is not None:
                self._found(joined.made)
            return
        while wait_ns := self._remaking.wait_ns(
            self._joined(), made := (await self._state())[0], boot_clock.now_ns()
        ):
            await asyncio.sleep(wait_ns / S_NS)
        if wait_ns == 0:
            await self._make(made)
            self._log.warning("! NATS had lost where the rooms are: they are claimed anew")
        elif self._remaking.has_leases(made) and not self._has_told:
            self._has_told = True
            self._log.error("! %s", RESTART)

    async def _make(self, made: str) -> None:
        await self.bucket.ensure(self._replicas, max_age_s=KEEP_S)
        self._found(made)

    def _found(self, made: str) -> None:
        self._remaking.found(made)
        self._has_told = False

    async def _state(self) -> tuple[str, int]:
        """Of the bucket of nodes; empty and 0: there is none."""
        try:
            return await self._nodes.state()
        except ClusterError as error:
            if error.code not in NOT_FOUND:
                raise
            return "", 0
