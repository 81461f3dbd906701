"""Logs: one line per event on stderr, with program, room and participant; secrets redacted.

A message begins with ``<`` (in), ``>`` (out), ``=`` (state) or ``!`` (trouble): easy to skim. Lines
are for people (``console``) or for programs (``json``, one object each). The level may change while
the process runs (``log_level``).
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterable, MutableMapping
from typing import Any, Literal

Format = Literal["console", "json"]
ROOT = "mixminus"
SHORTEST_SECRET = 6
"""Characters; anything shorter would be found in words."""

_SDP = re.compile(r"v=0(?:\\r|\\n|\s)+o=.*", re.DOTALL)
"""A session description, to the end of the text; line ends may be written as in ``repr``."""
_ICE = re.compile(r"(?<=a=)(ice-pwd|ice-ufrag|fingerprint|candidate|crypto):[^\"'\\\r\n⏎]+")
_FIELDS = re.compile(
    r"(?i)((?:credential|password|authorization|client_secret|api_key|ice-pwd)(?:\\?[\"'])?\s*[:=]\s*)"
    r"(?:\\?\"[^\"]{4,}\"|'[^']{4,}'|[\"']?(?:(?:basic|bearer|digest)\s+)?[^\"',}\s]{4,})"
)
_SECRET = re.compile(
    r"\b(?:sk|ek)[-_][A-Za-z0-9_\-]{6,}|(?<=Bearer )\S+|(?<=token=)[^&\s]+|(?<=invite=)[^&\s\"']+"
    r"|(?<=://)[^/@\s\"']+(?=@)"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)?"
)
_concealed: list[str] = []
"""The longest first: one may be the beginning of another."""


def conceal(secrets: Iterable[str]) -> None:
    """Replace these values wherever they stand in a line; short ones are left alone."""
    known = {*_concealed, *(secret for secret in secrets if len(secret) >= SHORTEST_SECRET)}
    _concealed[:] = sorted(known, key=len, reverse=True)


def redact(text: str) -> str:
    """``text`` without keys, tokens, passwords, session descriptions and what ``conceal`` named."""
    for secret in _concealed:
        if secret in text:
            text = text.replace(secret, "[redacted]")
    if "v=0" in text:
        text = _SDP.sub("[session description]", text)
    if "a=" in text:
        text = _ICE.sub(r"\1:[redacted]", text)
    return _FIELDS.sub(r"\1[redacted]", _SECRET.sub("[redacted]", text))


class ConsoleFormatter(logging.Formatter):
    """A line for people: ``12:00:00.123 INFO    mixminus.media_worker: [home p-12] = …``."""

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        text = redact(record.getMessage()).replace("\n", " ⏎ ")
        words = [word for name in FIELDS if (word := getattr(record, name, ""))]
        about = f"[{' '.join(words)}] " if words else ""
        line = f"{clock}.{int(record.msecs):03d} {record.levelname:<7} {record.name}: {about}{text}"
        if record.exc_info:
            line += "\n" + redact(self.formatException(record.exc_info))
        return line


class JsonFormatter(logging.Formatter):
    """A line for programs: one JSON object with time (UTC), level, program, message."""

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        content = {
            "time": f"{clock}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "program": record.name.removeprefix(f"{ROOT}."),
        }
        content |= {name: word for name in FIELDS if (word := getattr(record, name, ""))}
        content["message"] = redact(record.getMessage())
        if record.exc_info:
            content["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(content, ensure_ascii=False)


FIELDS = ("room", "participant", "ident")
"""What a line is about; ``ident``: a child, or a call of the simulator."""


class AboutAdapter(logging.LoggerAdapter[logging.Logger]):
    """Adds what its lines are about; ``extra`` of a single line adds to it."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **kwargs.get("extra", {})}
        return msg, kwargs


def setup(level: str, form: Format = "console") -> None:
    """Send this process's log to stderr at ``level`` (debug … error), libraries at warning."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    set_level(level)


def set_level(level: str) -> None:
    """Lines of mixminus at ``level`` and above are written from now on."""
    logging.getLogger(ROOT).setLevel(level.upper())


def get(
    program: str, ident: str = "", *, room: str = "", participant: str = ""
) -> logging.LoggerAdapter[logging.Logger]:
    """The logger of ``program``, for lines about a room, a participant, or something else."""
    about = {"room": room, "participant": participant, "ident": ident}
    given = {name: word for name, word in about.items() if word}
    return AboutAdapter(logging.getLogger(f"{ROOT}.{program}"), given)
