"""What ``mixminus run`` tells supervisord, read and written without loading supervisord."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mixer_core.runtime.settings import CONFIG_VARIABLE, CommonSettings

from .output import Output

DIR_VARIABLE = "SUPERVISED_DIR"
CONTROL_SOCKET = "supervisor.sock"
GROUP = "mixminus"
"""All as the configuration names them."""
COPY_VARIABLE, FILE_VARIABLE = "SUPERVISED_COPY_FD", "SUPERVISED_CONFIG"
"""Descriptor of the copy of the settings, and path of the user's file."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What ``mixminus run`` has decided, in variables of the environment."""

    runtime_dir: Path
    watchdog_s: int
    drain_s: float
    log_file: str
    log_max_bytes: int
    log_keep: int

    def output(self) -> Output:
        """Where lines go. Raises OSError."""
        return Output(self.log_file, self.log_max_bytes, self.log_keep)


def variables_of(settings: CommonSettings) -> dict[str, str]:
    """The plan of the settings, as ``plan_of`` reads it."""
    runtime = settings.runtime
    return {
        DIR_VARIABLE: str(settings.runtime_dir),
        "SUPERVISED_WATCHDOG_S": str(runtime.watchdog_s),
        "SUPERVISED_DRAIN_S": str(runtime.drain_s),
        "SUPERVISED_LOG_FILE": runtime.log_file,
        "SUPERVISED_LOG_MAX_BYTES": str(runtime.log_max_mb * 1_000_000),
        "SUPERVISED_LOG_KEEP": str(runtime.log_keep),
    }


def plan_of(env: Mapping[str, str]) -> Plan:
    """Read what ``variables_of`` made."""
    return Plan(
        Path(env[DIR_VARIABLE]),
        int(env["SUPERVISED_WATCHDOG_S"]),
        float(env["SUPERVISED_DRAIN_S"]),
        env["SUPERVISED_LOG_FILE"],
        int(env["SUPERVISED_LOG_MAX_BYTES"]),
        int(env["SUPERVISED_LOG_KEEP"]),
    )


def make_copy(env: Mapping[str, str]) -> dict[str, str]:
    """Variables by which this process, and what it becomes and starts, read a copy of the file.

    Raises OSError.
    """
    path = env.get(CONFIG_VARIABLE)
    if not path:
        return {}
    fd = os.memfd_create("mixminus-settings", 0)
    os.write(fd, Path(path).read_bytes())
    return {
        CONFIG_VARIABLE: f"/proc/{os.getpid()}/fd/{fd}",
        COPY_VARIABLE: str(fd),
        FILE_VARIABLE: str(Path(path).absolute()),
    }
