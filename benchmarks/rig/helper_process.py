"""A process that helps a benchmark: it takes commands as JSON lines and answers each with one."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..report.errors import BenchmarkError

ROOT = Path(__file__).parents[2]
ANSWER_TIMEOUT_S = 120.0
END_TIMEOUT_S = 3.0


class HelperError(BenchmarkError):
    """A helper process failed or did not answer."""


class HelperProcess:
    """``python -m MODULE`` as a child; it ends with this process or by ``close``."""

    def __init__(
        self, module: str, *arguments: str, prefix: Sequence[str] = (), **variables: str
    ) -> None:
        """Start it, with ``variables`` in its environment. Its standard error is ours.

        ``prefix``: words in front of the command, as ``hosts`` has them.
        """
        self.module = module
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", module, *arguments],
            env=child_environment(**variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._rest = b""

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def ask(self, command: str, timeout_s: float = ANSWER_TIMEOUT_S, **arguments: Any) -> Any:
        """Give a command and wait for its answer. Raises HelperError."""
        self.order(command, **arguments)
        return self.answer(timeout_s)

    def order(self, command: str, **arguments: Any) -> None:
        """Give a command without waiting; ``answer`` returns its result. Raises HelperError."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps([command, arguments]).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:  # ValueError: closed here.
            raise HelperError(f"{self.module} has ended") from error

    def answer(self, timeout_s: float = ANSWER_TIMEOUT_S) -> Any:
        """The answer to the oldest command that has none. Raises HelperError."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._rest:
            if not select.select([descriptor], [], [], timeout_s)[0]:
                raise HelperError(f"{self.module} did not answer within {timeout_s:g} s")
            piece = os.read(descriptor, 1 << 20)
            if not piece:
                raise HelperError(f"{self.module} has ended")
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        reply = json.loads(line)
        if "failed" in reply:
            raise HelperError(f"{self.module}: {reply['failed']}")
        return reply["result"]

    def close(self) -> None:
        """End it, by force if need be. Harmless when it has ended."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(END_TIMEOUT_S)


def child_environment(tree: Path = ROOT, /, **more: str) -> dict[str, str]:
    """Our environment without the gateway's settings, key and proxies, plus ``more``.

    ``tree``: the checkout that is imported from.
    """
    dropped = ("MIXMINUS_", "OPENAI_API_KEY")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(dropped) and not name.lower().endswith("_proxy")
    }
    path = os.pathsep.join(filter(None, (str(tree), os.environ.get("PYTHONPATH", ""))))
    return kept | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"} | more
