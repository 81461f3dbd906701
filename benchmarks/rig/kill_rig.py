"""A gateway with its own simulator, people in one room, and the processes that may be killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from . import usage
from .closing import Closing
from .gateway_process import POLL_S, GatewayError, GatewayProcess
from .helper_process import HelperProcess

ROOM = "kills"
READY_TIMEOUT_S = 40.0
BUSY_LOOK_S = 0.5
"""Time over which it is seen which children work."""
STOP_TIMEOUT_S = 15.0
MIXER, STANDBY = "mixer_core", "mixer_core standby"
KINDS = (
    MIXER,
    STANDBY,
    "media_worker child",
    "media_worker host",
    "media_worker fork server",
    "openai_link child",
    "openai_link host",
    "openai_link fork server",
    "signaling",
    "simulator",
)
"""What is killed in turn: the roles of ``usage``."""


class KillRig(Closing):
    """Everything that a kill needs."""

    def __init__(self, callers: HelperProcess | None, people: int, **settings: str | int) -> None:
        """``callers``: the process of the people, driven by JSON lines; None: the usual clients."""
        own: dict[str, str | int] = {
            "OPENAI_LINK__UPSTREAM": "simulator",
            "OPENAI_LINK__GREET": 0,
            "RUNTIME__LOG_LEVEL": "info",
        }
        self.gateway = GatewayProcess(0, **own | settings)
        self.temporary = self.gateway.own_directory("TMPDIR", "tmp")
        self.gateway.own_directory("MIXMINUS_RUNTIME__STATE_DIR", "state")
        self.callers = callers or HelperProcess("benchmarks.rig.caller_process")
        self._people = people
        self._lines_seen = 0
        self._started = ExitStack()
        self._started.callback(self.gateway.close)
        self._started.callback(self.callers.close)

    def start(self) -> None:
        """Start the gateway, and let the people join. Raises GatewayError or HelperError."""
        self.gateway.start()
        self.callers.ask("join", url=self.gateway.url, room=ROOM, count=self._people)

    def close(self) -> None:
        """End everything, however it is."""
        self._started.close()

    def wait_ready(self) -> None:
        """Wait until every program is up again. Raises GatewayError."""
        self._wait(lambda: self.gateway.get("/readyz")[0] == 200, READY_TIMEOUT_S, "not ready")

    def victim(self, role: str) -> int:
        """The process to kill; of children the one that works most. Raises GatewayError."""
        found: list[int] = []

        def look() -> bool:
            found[:] = self._mixers(role) if role in (MIXER, STANDBY) else self._with_role(role)
            return bool(found)

        self._wait(look, READY_TIMEOUT_S, f"there is no {role}")
        if not role.endswith("child"):
            return found[0]
        before = {pid: _cpu_ns(pid) for pid in found}
        time.sleep(BUSY_LOOK_S)
        return max(found, key=lambda pid: _cpu_ns(pid) - before[pid])

    def _with_role(self, role: str) -> list[int]:
        return [process.pid for process in self.gateway.processes() if process.role == role]

    def _mixers(self, role: str) -> list[int]:
        """The mixer that works, or those that wait; either may have been started first."""
        status, text = self.gateway.get("/readyz")
        if status != 200:
            return []
        works = json.loads(text)["programs"][MIXER]["pid"]
        return [pid for pid in self._with_role(MIXER) if (pid == works) == (role == MIXER)]

    def stop(self) -> tuple[float, list[str]]:
        """Stop the gateway as Ctrl-C does; how long that took (s), and which processes are left."""
        began_s = time.monotonic()
        for process in self.gateway.processes():
            if process.role == "supervisord":
                os.kill(process.pid, signal.SIGINT)
        while time.monotonic() - began_s < STOP_TIMEOUT_S and self.gateway.processes():
            time.sleep(POLL_S)
        return time.monotonic() - began_s, [process.role for process in self.gateway.processes()]

    def leftovers(self) -> list[str]:
        """Files that a stopped gateway has left: all temporary ones, and sockets."""
        runtime = Path(self.gateway.dir, "run")
        sockets = [path for path in runtime.rglob("*") if path.is_socket()]
        probes = list(runtime.glob(".probe-*"))
        temporary = list(self.temporary.glob("*"))
        return sorted(path.name for path in [*sockets, *probes, *temporary])

    def news(self) -> list[str]:
        """What the gateway has printed since the last time."""
        lines = self.gateway.log().splitlines()
        fresh, self._lines_seen = lines[self._lines_seen :], len(lines)
        return fresh

    def look(self) -> dict[str, Any]:
        """How many processes and open files there are."""
        processes = self.gateway.processes()
        return {"processes": len(processes), "files": usage.open_files(processes)}

    def _wait(self, condition: Callable[[], bool], timeout_s: float, words: str) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s:
                raise GatewayError(f"{words}:\n{self.gateway.log()[-4_000:]}")
            time.sleep(POLL_S)


def _cpu_ns(pid: int) -> int:
    """Processor time so far; 0 where it has ended."""
    try:
        return usage.cpu_ns(pid)
    except (OSError, ValueError, IndexError):
        return 0
