"""What outsiders do wrong, in the log: one line an interval of each kind, with the count."""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable

from mixer_core.runtime.repeated import Repeated


class Mistakes:
    """One for each log, or each place that complains."""

    def __init__(self, log: logging.LoggerAdapter[logging.Logger]) -> None:
        self._log = log
        self._repeated = Repeated()

    def warn(self, kind: Hashable, words: str) -> None:
        """Somebody outside made a mistake."""
        more = self._repeated.line(kind, time.monotonic_ns())
        if more is not None:
            self._log.warning("! %s%s", words, more)

    def fail(self, words: str, error: BaseException) -> None:
        """We made a mistake, which a stranger may cause at any rate: told with its traceback."""
        more = self._repeated.line(("fault", type(error).__name__, words), time.monotonic_ns())
        if more is not None:
            self._log.error("! %s%s", words, more, exc_info=error)
