"""The metrics of all processes, signaling's own among them, and the page made of them. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping

from mixer_core.bus.control import Heartbeat, LifeSign, LinkState
from mixer_core.runtime.metrics import Metrics

from .http import journal_lag, metrics_page
from .http.health import LINK, SIGNALING, WORKER
from .registry.room_meters import RoomMeters
from .registry.totals import Totals, Value


class Meters:
    """Fed with every sign of life; read once a second for the load, and for each page."""

    def __init__(self, pid: int) -> None:
        """``pid``: signaling's."""
        self._pid = pid
        self._totals = Totals()
        self._rooms = RoomMeters()
        self.own = Metrics()
        """What signaling counts itself."""

    def heard(self, identity: str, sign: LifeSign, now_ns: int) -> None:
        """Take what is told by the process with this DEALER identity."""
        if isinstance(sign, Heartbeat):
            program = sign.program
        else:
            program = LINK if isinstance(sign, LinkState) else WORKER
            self._rooms.heard(sign.room, identity, sign.pid, sign.metrics, now_ns)
        self._totals.heard(program, identity, sign.pid, sign.metrics, now_ns)

    def note_own(self, values: Mapping[str, int | float], now_ns: int) -> None:
        """Take signaling's own report: what it has counted, and ``values`` measured just now."""
        self.own.values.update(values)
        self._totals.heard(SIGNALING, SIGNALING, self._pid, self.own.snapshot(), now_ns)

    def total(self, program: str, name: str) -> Value:
        """See ``Totals.total``."""
        return self._totals.total(program, name)

    def warnings(self, now_ns: int) -> list[str]:
        """What a person should look at, for ``/readyz``."""
        gauges = (self._totals.gauge(LINK, name, now_ns) for name in journal_lag.METRICS)
        return journal_lag.warnings(*map(int, gauges))

    def page(
        self,
        people: Mapping[str, int],
        counts: Mapping[str, int],
        restarts: Mapping[str, int],
        node: str,
        now_ns: int,
    ) -> bytes:
        """The metrics as Prometheus text.

        Args:
            people: by room, how many are in it.
            counts: from ``Registry.counts``.
            restarts: by program.
            node: this one's name in a cluster; empty: there is none.
        """
        figures = metrics_page.Figures(
            self._totals.sums(),
            self._totals.gauges(now_ns),
            counts,
            self._rooms.figures(people, now_ns),
            restarts,
            node,
        )
        return metrics_page.render(figures)
