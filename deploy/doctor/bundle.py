"""A support bundle: what somebody who helps has to see, without secrets."""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import platform
import tarfile
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from mixer_core.runtime import logs, setting_origins
from mixer_core.runtime.secrets import secret_values

from ..cli import named_secrets
from ..local_gateway import LocalGateway
from ..settings import AllSettings
from .findings import Finding

LAST_LINES = 5_000
HIDDEN = frozenset(
    {"headers", "session_json", "mcp_servers", "service_mcp_servers", "tracing_metadata"}
)
"""Settings in which people put secrets; only their names are told."""
SYSTEM_FILES = ("/proc/cpuinfo", "/proc/meminfo", "/proc/net/route", "/etc/os-release")


def write(
    path: Path, settings: AllSettings | None, env: Mapping[str, str], findings: Sequence[Finding]
) -> list[str]:
    """Write the archive; returns the names in it. Raises OSError."""
    logs.conceal(secret_values(env))
    content = {
        "findings.json": json.dumps([asdict(finding) for finding in findings], indent=1),
        "versions.txt": versions(),
        **{f"system{name.replace('/', '_')}": read(Path(name)) for name in SYSTEM_FILES},
    }
    if settings is not None:
        logs.conceal(env.get(name, "").strip() for name in named_secrets(settings))
        content["settings.json"] = json.dumps(shown(asdict(settings)), indent=1, default=str)
        content |= _running(settings)
        if settings.runtime.log_file:
            content["log.txt"] = read(Path(settings.runtime.log_file), LAST_LINES)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with open(os.open(path, flags, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)  # Before anything is in it.
        _pack(file, content)
    return list(content)


def _pack(file: IO[bytes], content: Mapping[str, str]) -> None:
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, text in content.items():
            lines = map(logs.redact, text.splitlines(keepends=True))
            data = "".join(lines).encode(errors="replace")
            entry = tarfile.TarInfo(f"mixminus-support/{name}")
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))


def versions() -> str:
    """System, interpreter and packages."""
    packages = {
        f"{found.metadata['Name']}=={found.version}" for found in importlib.metadata.distributions()
    }
    return "\n".join([platform.platform(), platform.python_version(), *sorted(packages)])


def shown(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, of tables that may hold secrets only the keys."""
    result: dict[str, Any] = {}
    for key, value in settings.items():
        if key in HIDDEN:
            result[key] = (
                sorted(value) if isinstance(value, Mapping) else "[not shown]" * bool(value)
            )
        else:
            is_section = isinstance(value, Mapping)
            result[key] = shown(value) if is_section else setting_origins.shown(key, value)
    return result


def read(path: Path, last_lines: int = 1_000) -> str:
    """The end of a file; why it cannot be read, where it cannot."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return "".join(deque(file, maxlen=last_lines))
    except OSError as error:
        return f"{path}: {error.strerror}"


def _running(settings: AllSettings) -> dict[str, str]:
    gateway = LocalGateway(settings)
    try:
        return {
            name: gateway.text(address)[1]
            for name, address in (("readyz.json", "/readyz"), ("metrics.txt", "/metrics"))
        }
    except OSError as error:
        return {"readyz.json": f"nobody answers at {gateway.url}: {error}"}
