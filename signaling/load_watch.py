"""Measures the load once a second: 0.3 ms each time with forty people."""

from __future__ import annotations

import logging

from .host import Host
from .registry.load import LoadPolicy, line
from .registry.load_meter import LoadLimits, LoadMeter, Sum
from .settings import SignalingSettings


class LoadWatch:
    """The measures of one gateway, and the policy that they feed."""

    def __init__(
        self, settings: SignalingSettings, log: logging.LoggerAdapter[logging.Logger]
    ) -> None:
        limits = LoadLimits(
            processor=settings.busy_processor_percent / 100,
            wait_ms=settings.busy_wait_ms,
            late_ms=settings.busy_late_ms,
            memory_mib=settings.busy_memory_mib,
        )
        self._log = log
        self._host = Host()
        self._meter = LoadMeter(limits)
        self.policy = LoadPolicy(settings.refuse_when_busy)
        """What follows from what is measured."""

    def measure(self, total: Sum, people: int, now_ns: int) -> int:
        """Read all counters; returns the level. ``people``: in rooms now."""
        before = self.policy.level
        self.policy.measured(self._meter.read(self._host.read(), total, now_ns), people, now_ns)
        words = line(before, self.policy.level, self.policy.view())
        if words:
            self._log.warning("%s", words)
        return self.policy.level
