"""What the installer asks of a release: ``python -m deploy.installed COMMAND``."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from mixer_core.runtime import given_up
from mixer_core.runtime.errors import StartupError
from mixer_core.runtime.settings import load_all

from .settings import AllSettings

POLL_S = 0.25
ANSWER_S = 5.0
"""Longest wait for one answer."""
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="deploy.installed", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="whether the settings can be used")
    commands.add_parser("kernels", help="compile the mixer's kernels into their cache")
    ready = commands.add_parser("ready", help="wait until the gateway is ready")
    ready.add_argument("seconds", type=float)
    commands.add_parser("page", help="print the page's address")
    commands.add_parser("stop", help="print how many seconds a stop may take")
    given = parser.parse_args(arguments)
    try:
        settings = load_all(AllSettings)
        if given.command == "kernels":
            return _compile(settings)
        if given.command == "ready":
            return _wait(settings, given.seconds)
        if given.command == "stop":
            from .preflight import stop_s

            print(stop_s(settings.runtime.drain_s))
        if given.command == "page":
            from .invite import base_url  # Not needed by a health check.

            print(base_url(settings))
    except StartupError as error:
        print(f"mixminus: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def ready_url(settings: AllSettings) -> str:
    """Where this machine reaches ``/readyz``."""
    section = settings.signaling
    host = _EVERYWHERE.get(section.http_host, section.http_host)
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"http://{host}:{section.http_port}/readyz"


class Seen(NamedTuple):
    """What one look at ``/readyz`` found."""

    words: str
    """What is missing, in one line; empty: the gateway is ready."""
    is_final: bool = False
    """Waiting does not help: a program is not started any more."""


def wait_ready(
    look: Callable[[], Seen], limit_s: float, clock: Callable[[], float], pause: Callable[[], None]
) -> str:
    """Look until there is nothing left to say, for ``limit_s``; what stood in the way last."""
    end = clock() + limit_s
    while (seen := look()).words:
        if seen.is_final or clock() >= end:
            return seen.words
        pause()
    return ""


def look_at(url: str, runtime_dir: Path) -> Seen:
    """Ask once."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url)
    if token := os.environ.get("MIXMINUS_TOKEN", "").strip():
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with opener.open(request, timeout=ANSWER_S):
            return Seen("")
    except urllib.error.HTTPError as error:
        return Seen(missing(error.read(65_536)), bool(given_up.read(runtime_dir)))
    except (OSError, http.client.HTTPException) as error:
        return Seen(f"{url} does not answer ({getattr(error, 'reason', error)})")


def missing(body: bytes) -> str:
    """Of a refusal by ``/readyz``: its words."""
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:300] or "an empty answer"


def _wait(settings: AllSettings, limit_s: float) -> int:
    url = ready_url(settings)
    words = wait_ready(
        lambda: look_at(url, settings.runtime_dir),
        limit_s,
        time.monotonic,
        lambda: time.sleep(POLL_S),
    )
    if words:
        print(f"mixminus: not ready: {words}", file=sys.stderr)
        return 1
    return 0


def _compile(settings: AllSettings) -> int:
    from mixer_core.numba_cache import load_kernels, prepare_cache

    prepared = prepare_cache(settings.runtime_dir)  # Before numba is imported.
    trouble = prepared.trouble or load_kernels()
    if trouble:
        print(f"mixminus: {trouble}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
