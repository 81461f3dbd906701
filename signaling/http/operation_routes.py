"""What those who run the gateway look at: alive, ready, metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from aiohttp import web

from ..access.permissions import check
from ..gateway import Gateway
from . import health, metrics_page, problems
from .elsewhere import Cluster
from .requests import identity_of, json_response


class OperationRoutes:
    """The handlers."""

    def __init__(
        self,
        gateway: Gateway,
        warnings: Callable[[], list[str]],
        cluster: Cluster | None = None,
    ) -> None:
        """``warnings``: what stands on ``/readyz`` beside the programs."""
        self._cluster = cluster
        self._gateway = gateway
        self._warnings = warnings

    def add_to(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add the routes below ``prefix``."""
        router.add_get(f"{prefix}/healthz", self.healthz)
        router.add_get(f"{prefix}/readyz", self.readyz)
        router.add_get(f"{prefix}/metrics", self.metrics)

    async def healthz(self, _: web.Request) -> web.Response:
        """Liveness: this process answers."""
        return json_response({"status": "ok"})

    async def readyz(self, request: web.Request) -> web.Response:
        """Readiness: 200 if every program is up, else 503 with what is missing."""
        check(identity_of(request), "operate")
        programs, missing = self._gateway.programs()
        load = asdict(self._gateway.load())
        states: dict[str, object] = {"programs": health.as_json(programs), "load": load}
        warnings = [*self._warnings(), *self._gateway.warnings()]
        if self._cluster is not None:
            states["cluster"] = self._cluster.state()
            warnings += self._cluster.warnings()
        if warnings:
            states["warnings"] = warnings
        if missing:
            words = "waiting for " + ", ".join(missing)
            return problems.response(503, "Not ready", words, 1, {"ready": False, **states})
        return json_response({"ready": True, **states})

    async def metrics(self, request: web.Request) -> web.Response:
        """The metrics as Prometheus text."""
        check(identity_of(request), "operate")
        headers = {"Content-Type": metrics_page.CONTENT_TYPE}
        node = self._cluster.node if self._cluster is not None else ""
        return web.Response(body=self._gateway.metrics_page(node), headers=headers)
