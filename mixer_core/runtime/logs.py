"""Logs: one line per event on stderr, with program, id and severity; secrets redacted.

A message begins with ``<`` (in), ``>`` (out), ``=`` (state) or ``!`` (trouble): easy to skim.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import MutableMapping
from typing import Any

_SECRET = re.compile(r"\b(sk|ek)[-_][A-Za-z0-9_\-]{6,}|(?<=Bearer )\S+|(?<=token=)[^&\s]+")


def redact(text: str) -> str:
    """``text`` with API keys, ephemeral keys, bearer and query tokens replaced."""
    return _SECRET.sub("[redacted]", text)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        text = redact(record.getMessage()).replace("\n", " ⏎ ")
        line = f"{clock}.{int(record.msecs):03d} {record.levelname:<7} {record.name}: {text}"
        if record.exc_info:
            line += "\n" + redact(self.formatException(record.exc_info))
        return line


class IdAdapter(logging.LoggerAdapter[logging.Logger]):
    """Prefixes each message with the id of a connection, room or child."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        return f"[{(self.extra or {}).get('id')}] {msg}", kwargs


def setup(level: str) -> None:
    """Send this process's log to stderr at ``level`` (debug … error), libraries at warning."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("mixminus").setLevel(level.upper())


def get(program: str, ident: str = "") -> logging.LoggerAdapter[logging.Logger]:
    """The logger of ``program``, with ``ident`` before each message where one is given."""
    logger = logging.getLogger(f"mixminus.{program}")
    if not ident:
        return logging.LoggerAdapter(logger, {})
    return IdAdapter(logger, {"id": ident})
