"""The simulator as a process, started by its command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.gateway import ROOT, free_port
from tests.support.waiting import PATIENCE_S, wait_until


class SimulatorProcess:
    """``python -m openai_link.simulator`` with the given flags, on a free port."""

    def __init__(self, runtime_dir: Path, *flags: str) -> None:
        self.base_url = f"http://127.0.0.1:{(port := free_port())}/v1"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MIXMINUS_")}
        command = [sys.executable, "-m", "openai_link.simulator", "--port", str(port)]
        self._process = subprocess.Popen(
            [*command, "--runtime-dir", str(runtime_dir), *flags],
            cwd=ROOT,
            env=inherited,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        self.greeting = self._process.stdout.readline() if self._process.stdout else ""
        wait_until(self._answers, "the simulator does not answer")
        return self

    def _answers(self) -> bool:
        assert self._process.poll() is None
        try:
            self.get("/simulator/calls")
        except OSError:
            return False
        return True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=PATIENCE_S)
        assert self._process.returncode == 0

    def get(self, path: str) -> Any:
        """GET beside the API; returns the JSON."""
        with urllib.request.urlopen(
            self.base_url.removesuffix("/v1") + path, timeout=PATIENCE_S
        ) as reply:
            return json.load(reply)

    def post(self, url: str, body: str) -> Any:
        """POST a text; returns the JSON."""
        request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
            return json.load(reply)
