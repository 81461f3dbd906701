"""A support bundle: what somebody who helps has to see, without secrets."""

from __future__ import annotations

import importlib.metadata
import io
import json
import platform
import tarfile
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mixer_core.runtime import logs
from mixer_core.runtime.secrets import secret_values

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
        content["settings.json"] = json.dumps(shown(asdict(settings)), indent=1, default=str)
        content |= _running(settings)
        if settings.runtime.log_file:
            content["log.txt"] = read(Path(settings.runtime.log_file), LAST_LINES)
    with tarfile.open(path, "w:gz") as archive:
        for name, text in content.items():
            data = logs.redact(text).encode(errors="replace")
            entry = tarfile.TarInfo(f"mixminus-support/{name}")
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))
    path.chmod(0o600)
    return list(content)


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
            result[key] = shown(value) if isinstance(value, Mapping) else value
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
