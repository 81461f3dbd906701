"""A group of RTP participants spread over processes, and the joining of the marks they time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mixer_core.runtime.units import MS_NS, S_NS

from ..rig import signals
from ..rig.closing import Closing
from ..rig.helper_process import HelperProcess

PER_PROCESS = 3
MARGIN_NS = S_NS
"""Marks sent later than this before the end need not have been heard."""


@dataclass
class Marks:
    """Latencies of marks from mouth to ear."""

    latencies_ms: list[float] = field(default_factory=list)
    lost: int = 0

    @property
    def lost_percent(self) -> float:
        """Of the marks that should have been heard."""
        return 100 * self.lost / max(1, self.lost + len(self.latencies_ms))

    def add(self, other: Marks) -> None:
        """Add another round."""
        self.latencies_ms += other.latencies_ms
        self.lost += other.lost


class People(Closing):
    """``count`` participants; ``with People(6) as people``."""

    def __init__(self, count: int, talkers: int = 0, data_channel: bool = False) -> None:
        """``talkers``: how many share the turns of marks; 0: all, 1: each has all marks."""
        self._count, self._talkers = count, talkers or count
        self._data_channel = data_channel
        self._processes: list[HelperProcess] = []

    def close(self) -> None:
        """End their processes."""
        for process in self._processes:
            process.close()

    def join(self, exchange: Callable[[str], str]) -> None:
        """All join; ``exchange`` gives a server an offer and returns its answer."""
        for index in range(self._count):
            if index % PER_PROCESS == 0:
                self._processes.append(HelperProcess("benchmarks.peers.rtp_client"))
            process = self._processes[-1]
            offer = process.ask(
                "offer",
                index=index,
                turn=index % self._talkers,
                talkers=self._talkers,
                data_channel=self._data_channel,
            )
            process.ask("answer", index=index, sdp=exchange(offer))

    def talk(self) -> None:
        """All begin to talk."""
        for process in self._processes:
            process.ask("talk")

    def network(self, jitter_ms: float) -> None:
        """Every packet of everybody is late by a random time up to this."""
        for process in self._processes:
            process.ask("network", jitter_ms=jitter_ms)

    def look(self) -> list[dict[str, Any]]:
        """What each participant sent and heard since the last look."""
        for process in self._processes:
            process.order("look")
        return [look for process in self._processes for look in process.answer()]


def join_marks(looks: Sequence[dict[str, Any]], ended_ns: int, own: bool = False) -> Marks:
    """Latency of each mark at each ear but the talker's own; with ``own``, only at that one."""
    result = Marks()
    for index, look in enumerate(looks):
        others = [look] if own else [*looks[:index], *looks[index + 1 :]]
        sent = {number: at_ns for other in others for number, at_ns in other["sent_marks"]}
        first: dict[int, int] = {}
        for kind, at_ns in look["heard_marks"]:
            first.setdefault(signals.number_of(kind, at_ns), at_ns)
        result.latencies_ms += [(first[n] - ns) / MS_NS for n, ns in sent.items() if n in first]
        result.lost += sum(n not in first and ns < ended_ns - MARGIN_NS for n, ns in sent.items())
    return result
