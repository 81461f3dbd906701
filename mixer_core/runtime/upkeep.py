"""What a program has in the runtime directory is looked after, and each change is said once."""

from __future__ import annotations

import logging
from collections.abc import Callable

from .errors import RuntimeDirError


class Upkeep:
    """Calls ``renew`` of everything that may be taken away; once a second is meant."""

    def __init__(
        self, log: logging.LoggerAdapter[logging.Logger], *renewals: Callable[[], str]
    ) -> None:
        """``renewals``: each returns what it has mended, empty for nothing, or raises
        RuntimeDirError where it cannot mend it now."""
        self._log = log
        self._renewals = renewals
        self.fault = ""
        """What cannot be mended now, in words; empty: all is well."""

    def check(self) -> str:
        """Look at everything; returns ``fault``."""
        faults: list[str] = []
        for renew in self._renewals:
            try:
                mended = renew()
            except RuntimeDirError as error:
                faults.append(str(error))
                continue
            if mended:
                self._log.warning("! %s", mended)
        fault = "; ".join(dict.fromkeys(faults))
        if fault and fault != self.fault:
            self._log.error("! %s", fault)
        elif self.fault and not fault:
            self._log.info("= the runtime directory can be used again")
        self.fault = fault
        return fault
