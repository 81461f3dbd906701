"""``mixminus drain``: the node's rooms move to others of its cluster, and the gateway ends."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import zmq

from mixer_core.bus import control, endpoints
from mixer_core.runtime.counted import counted
from mixer_core.runtime.errors import EXIT_FAILURE, MixminusError, StartupError
from mixer_core.runtime.lock_file import holder_of, is_held, path_of
from mixer_core.runtime.settings import load_all

from . import cluster_view
from .local_gateway import LocalGateway
from .settings import GATEWAY, AllSettings

LIMIT_S = 180.0
MOST_LIMIT_S = 86_400.0
EVERY_S = 0.5
ASKED_S = 5.0
"""Longest time from the order to the node's word that it drains."""
SPARE_S = 15.0
"""Beyond all limits; a gateway that has not answered by then is not waited for."""


class NotDrainedError(MixminusError):
    """The text is for the person."""


def main(arguments: Sequence[str]) -> int:
    """Entry point of the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="mixminus drain",
        description="Move this node's rooms to others of its cluster in their next pauses, then "
        "end the gateway.",
    )
    parser.add_argument(
        "--limit",
        type=_limit,
        default=LIMIT_S,
        metavar="SECONDS",
        help="rooms that have not moved by then are told, and end with the gateway (180)",
    )
    given = parser.parse_args(arguments)
    try:
        settings = load_all(AllSettings)
        stay = drain(settings, LocalGateway(settings), given.limit, print)
        _end(settings, bool(stay))
    except StartupError as error:
        print(f"mixminus: {error}", file=sys.stderr)
        return error.exit_code
    except NotDrainedError as error:
        print(f"mixminus: {error}", file=sys.stderr)
        return EXIT_FAILURE
    except KeyboardInterrupt:
        print("mixminus: not waited for; the node goes on draining", file=sys.stderr)
        return EXIT_FAILURE
    return 0


def _limit(text: str) -> float:
    try:
        limit_s = float(text)
    except ValueError:
        limit_s = math.nan
    if not 0 <= limit_s <= MOST_LIMIT_S:
        raise argparse.ArgumentTypeError(f"write seconds from 0 to {MOST_LIMIT_S:.0f}, such as 180")
    return limit_s


def drain(
    settings: AllSettings, gateway: LocalGateway, limit_s: float, say: Callable[[str], None]
) -> list[str]:
    """Have all rooms moved, and wait for it; returns those that could not.

    Raises:
        NotDrainedError: no gateway answers, it is in no cluster, or it does not do it.
    """
    _state(gateway)
    _order(settings, int(limit_s * 1_000))
    began_s = time.monotonic()
    told: list[str] = []
    while True:
        found = _state(gateway).get("drain")
        passed_s = time.monotonic() - began_s
        if isinstance(found, dict):
            waiting = cluster_view.left(found)
            for line in waiting:
                if line not in told:
                    say(line)
            told = waiting
            if found.get("finished"):
                say(f"{counted(found.get('moved', 0), 'room')} moved")
                return [str(room) for room in found.get("stay") or ()]
        if passed_s > (limit_s + SPARE_S if isinstance(found, dict) else ASKED_S):
            raise NotDrainedError("the node does not drain: its log says why")
        time.sleep(EVERY_S)


def _state(gateway: LocalGateway) -> dict[str, Any]:
    try:
        status, ready = gateway.content("/readyz")
    except OSError as error:
        raise NotDrainedError(f"nobody answers at {gateway.url}: does the gateway run?") from error
    if status not in (200, 503):
        raise NotDrainedError(f"{gateway.url}/readyz answered {status}: {ready.get('detail', '')}")
    state = ready.get("cluster")
    if not isinstance(state, dict):
        raise NotDrainedError(
            "this gateway is in no cluster: there is nowhere to move its rooms to. Stop it as "
            "usual (SIGTERM, systemctl stop)"
        )
    return state


def _order(settings: AllSettings, limit_ms: int) -> None:
    """By the control socket, which only this user reaches. Raises NotDrainedError."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    asked_ms = int(ASKED_S * 1_000)
    try:
        socket = endpoints.open_socket(
            context, endpoints.CONTROL, settings.runtime_dir, "connect", f"drain-{os.getpid()}"
        )
        socket.setsockopt(zmq.SNDTIMEO, asked_ms)
        socket.send(control.encode(control.DrainNode(limit_ms)))
    except zmq.Again as error:
        path = endpoints.CONTROL.path(settings.runtime_dir)
        raise NotDrainedError(
            f"the gateway does not listen at {path}: run this with the gateway's own settings "
            "([runtime] dir) and as its user, or stop the gateway without it (SIGTERM, "
            "systemctl stop)"
        ) from error
    except zmq.ZMQError as error:
        raise NotDrainedError(f"the gateway cannot be asked to drain: {error.strerror}") from error
    finally:
        context.destroy(linger=asked_ms)  # What waits for a gateway that stands still is let go.


def _end(settings: AllSettings, some_stay: bool) -> None:
    """Stop the gateway; who is still in it is told, as at any stop."""
    lock = path_of(settings.runtime_dir, GATEWAY)
    pid = holder_of(lock)
    if not pid:
        raise NotDrainedError("the gateway's process is not known: stop it yourself")
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    until_s = time.monotonic() + SPARE_S + (settings.runtime.drain_s if some_stay else 0)
    while is_held(lock):
        if time.monotonic() > until_s:
            raise NotDrainedError("the gateway was told to end, and has not ended yet")
        time.sleep(EVERY_S)
