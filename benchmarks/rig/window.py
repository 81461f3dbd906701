"""What was seen in a stretch of time, and the latencies in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..report.results import quantiles
from . import signals, usage

MARK_MARGIN_NS = 1_000_000_000
"""Marks sent later than this before the end of a window are not expected in it."""
FULL = 0.9
"""Share of all cores above which the machine counts as full."""

Look = dict[str, Any]
"""What one client, or the server, saw."""


@dataclass
class Window:
    """What the gateway used, and what clients and server sent and heard."""

    usage: usage.Usage
    """The gateway's processes."""
    load_percent: float
    """Processor time of the clients, % of a core."""
    upstream_percent: float
    """Processor time of the Realtime server, % of a core."""
    machine_percent: float
    """Processor time of everything on this machine, % of a core."""
    ended_ns: int
    clients: list[Look]
    upstream: Look
    rooms_of_sessions: dict[str, str]
    """Session of the Realtime server → room."""

    @property
    def late_ms(self) -> list[float]:
        """Downlink, every frame: from the RTP packet at the link to the client."""
        return [us / 1000 for client in self.clients for us in client["late_us"]]

    @property
    def machine_full(self) -> bool:
        """Whether hardly any processor time was left, which makes latencies meaningless."""
        return self.machine_percent > FULL * 100 * (os.cpu_count() or 1)

    def late_thirds(self) -> list[list[float]]:
        """``late_ms`` of the first, second and last third of the window, by arrival."""
        arrivals = [ms for client in self.clients for ms in client["arrived_ms"]]
        thirds: list[list[float]] = [[], [], []]
        if arrivals:
            first, span = min(arrivals), max(arrivals) - min(arrivals) + 1
            for at_ms, late in zip(arrivals, self.late_ms, strict=True):
                thirds[3 * (at_ms - first) // span].append(late)
        return thirds

    def late_outside(self, spans_ns: Sequence[tuple[int, int]]) -> list[float]:
        """``late_ms`` of the frames that did not arrive within one of ``spans_ns``."""
        arrivals = [ms * 1_000_000 for client in self.clients for ms in client["arrived_ms"]]
        return [
            late
            for at_ns, late in zip(arrivals, self.late_ms, strict=True)
            if not any(begin <= at_ns <= end for begin, end in spans_ns)
        ]

    def uplink_ms(self) -> tuple[list[float], int]:
        """Marks: ms from a client's send to their packet at the server; and how many were lost."""
        sent = {
            (client["room"], number): at_ns
            for client in self.clients
            for number, at_ns in client["sent_marks"]
        }
        heard = (
            (self.rooms_of_sessions.get(session, ""), kind, at_ns)
            for session, kind, at_ns in self.upstream["heard_marks"]
        )
        return self._join(sent, heard)

    def downlink_ms(self) -> tuple[list[float], int]:
        """Marks: ms from the server's send to a client's receipt; and how many were lost."""
        latencies: list[float] = []
        lost = 0
        sent = {
            (self.rooms_of_sessions.get(session, ""), number): at_ns
            for session, number, at_ns in self.upstream["sent_marks"]
        }
        for client in self.clients:
            room = client["room"]
            own = {key: at_ns for key, at_ns in sent.items() if key[0] == room}
            heard = ((room, kind, at_ns) for kind, at_ns in client["heard_marks"])
            found, missing = self._join(own, heard)
            latencies += found
            lost += missing
        return latencies, lost

    def _join(
        self, sent: dict[tuple[str, int], int], heard: Iterable[tuple[str, int, int]]
    ) -> tuple[list[float], int]:
        first: dict[tuple[str, int], int] = {}
        for room, kind, at_ns in heard:
            key = room, signals.number_of(kind, at_ns)
            first.setdefault(key, at_ns)
        latencies = [(first[key] - at_ns) / 1e6 for key, at_ns in sent.items() if key in first]
        due_ns = self.ended_ns - MARK_MARGIN_NS
        return latencies, sum(at_ns < due_ns and key not in first for key, at_ns in sent.items())


def spread(values: Sequence[float]) -> dict[str, float]:
    """``p50``, ``p95``, ``p99`` and ``max``, rounded for a report."""
    return {name: round(v, 3) for name, v in quantiles(values, 0.5, 0.95, 0.99).items()}
