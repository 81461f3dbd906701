"""What ``mixminus reload`` asks of the running supervisor, over supervisord's socket (XML-RPC)."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.http import NOT_DONE_YET
from supervisor.xmlrpc import SupervisorTransport

from mixer_core.runtime.errors import EXIT_CONFIG, EXIT_FAILURE, StartupError
from mixer_core.runtime.settings import load_all

from .settings import AllSettings
from .supervise import CONTROL_SOCKET, GROUP

_COUNTS = {
    "now": "at once",
    "session": "with the next session of each room",
    "call": "from the next call on",
    "start": "with the next start",
}


class Remote:
    """supervisord offers its public methods as ``mixminus.<name>``."""

    def __init__(self, supervisor: Any) -> None:
        self._supervisor = supervisor

    def reload(self) -> Callable[[], Any]:
        """Read the settings again; JSON with ``refused`` and ``changes``."""
        reloading = self._supervisor.reloading
        reloading.begin()

        def answer() -> Any:
            return NOT_DONE_YET if reloading.result is None else json.dumps(reloading.result)

        answer.delay = 0.1  # type: ignore[attr-defined]
        answer.rpcinterface = self  # type: ignore[attr-defined]
        return answer


def make_remote(supervisor: Any, **_: str) -> Remote:
    """As the configuration names it."""
    return Remote(supervisor)


def main(arguments: Sequence[str]) -> int:
    """``mixminus reload``; returns the exit code: 78 where the settings were refused."""
    argparse.ArgumentParser(
        prog="mixminus reload",
        description="Have the running gateway read its settings file again; calls go on.",
    ).parse_args(arguments)
    try:
        path = load_all(AllSettings).runtime_dir / CONTROL_SOCKET
    except StartupError as error:
        # The gateway's own file is what counts; this one only says where the gateway is.
        print(f"mixminus: {error}", file=sys.stderr)
        return EXIT_CONFIG
    transport = SupervisorTransport(GROUP, GROUP, f"unix://{path}")
    try:
        answer = ServerProxy("http://127.0.0.1", transport).mixminus.reload()
        result = json.loads(str(answer))
    except (OSError, Fault) as error:
        print(f"mixminus: no gateway answers at {path} ({error})", file=sys.stderr)
        return EXIT_FAILURE
    if result["refused"]:
        print(f"mixminus: refused, all settings stay: {result['refused']}", file=sys.stderr)
        return EXIT_CONFIG
    for section, key, when in result["changes"]:
        print(f"[{section}] {key}: {_COUNTS[when]}")
    if not result["changes"]:
        print("nothing has changed")
    return 0
