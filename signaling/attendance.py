"""Who has come and gone: for log, metrics and limits, and for browsers that wait for their end."""

from __future__ import annotations

import logging

from mixer_core.runtime.metrics import Metrics

from .ends import Ends
from .limits.limiter import Limiter
from .registry.actions import Joined, Left, LinkLost


class Attendance:
    """Told of everybody who comes or goes, and of links that are lost."""

    def __init__(
        self, metrics: Metrics, limiter: Limiter, log: logging.LoggerAdapter[logging.Logger]
    ) -> None:
        """``limiter``: an address from which somebody has come in may offer again."""
        self._metrics = metrics
        self._limiter = limiter
        self._log = log
        self.ends = Ends()
        """How it ended for people, and who waits for that."""

    def note(self, event: Joined | Left | LinkLost) -> None:
        """Something has happened."""
        about = {"room": event.room}
        if not isinstance(event, LinkLost):
            about["participant"] = event.participant
        if isinstance(event, Joined):
            self._metrics.count("joined_total")
            self._limiter.connected(event.client)
            self._log.info("= joined as %s", event.name, extra=about)
        elif isinstance(event, Left):
            self._metrics.count("left_total")
            self.ends.ended(event.participant, "lost" if event.lost else "left")
            self._log.info("= left: %s", event.reason, extra=about)
        else:
            self._metrics.count("links_lost_total")
            self._log.warning("! the assistant is lost: %s", event.reason, extra=about)
