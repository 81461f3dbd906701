"""``mixminus status``: a live view of the running gateway, in the terminal."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mixer_core.runtime.errors import EXIT_FAILURE, StartupError
from mixer_core.runtime.settings import load_all

from . import cluster_view, status_view
from .local_gateway import LocalGateway
from .settings import AllSettings
from .status_view import Reading

if TYPE_CHECKING:
    from rich.console import Group

EVERY_S = 1.0
FORBIDDEN = (401, 403)


class NotReadableError(Exception):
    """The gateway does not answer as one does; the text is for the person."""


def main(arguments: Sequence[str]) -> int:
    """Entry point of the command; returns the exit code: 0 ready, 1 not."""
    parser = argparse.ArgumentParser(prog="mixminus status", description="The running gateway.")
    parser.add_argument("--once", action="store_true", help="print it once; so without a terminal")
    parser.add_argument("--json", action="store_true", help="print it once, as JSON")
    parser.add_argument("--cluster", action="store_true", help="all nodes of its cluster")
    given = parser.parse_args(arguments)
    try:
        gateway = LocalGateway(load_all(AllSettings))
        if given.cluster:
            return _show_cluster(gateway, given.json, given.once or not sys.stdout.isatty())
        if given.json:
            now = read(gateway)
            print(json.dumps(as_json(now)))
            return 0 if now.ready.get("ready") else EXIT_FAILURE
        return _show(gateway, given.once or not sys.stdout.isatty())
    except StartupError as error:
        print(f"mixminus: {error}", file=sys.stderr)
        return error.exit_code
    except NotReadableError as error:
        print(f"mixminus: {error}", file=sys.stderr)
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return 0


def read(gateway: LocalGateway) -> Reading:
    """One reading. Raises NotReadableError."""
    try:
        at_s = time.monotonic()
        status, ready = gateway.content("/readyz")
        if status in FORBIDDEN:
            raise NotReadableError(
                f"{gateway.url} wants a token: set MIXMINUS_TOKEN as the gateway has it"
            )
        if status not in (200, 503):
            raise NotReadableError(f"{gateway.url}/readyz answered {status}: is it mixminus?")
        rooms = gateway.content("/rooms")[1].get("rooms") or []
        samples = status_view.samples_of(gateway.text("/metrics")[1])
    except ValueError as error:
        raise NotReadableError(f"{gateway.url}/metrics cannot be read: is it mixminus?") from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise NotReadableError(
            f"nobody answers at {gateway.url} ({reason}): start it with `mixminus run`"
        ) from error
    return Reading(at_s, ready, rooms, samples)


def as_json(now: Reading) -> dict[str, object]:
    """Everything for programs."""
    tables = [asdict(table) for table in status_view.tables(None, now)]
    return {"headline": status_view.headline(now), "readyz": now.ready, "tables": tables}


def read_cluster(gateway: LocalGateway) -> dict[str, Any]:
    """What a node knows of its cluster. Raises NotReadableError."""
    now = read(gateway)
    state = now.ready.get("cluster")
    if not isinstance(state, dict):
        raise NotReadableError(
            "this gateway is in no cluster: [cluster] servers is empty (docs/cluster.md)"
        )
    return {**state, "rooms": list(now.rooms)}


def _show_cluster(gateway: LocalGateway, as_text: bool, once: bool) -> int:
    """Returns the exit code: 0 where the node has its lease, 1 where not."""
    state = read_cluster(gateway)
    if as_text:
        print(json.dumps(state))
    else:
        _follow(lambda: _whole_cluster(read_cluster(gateway)), _whole_cluster(state), once)
    return 0 if (state.get("lease") or {}).get("held") else EXIT_FAILURE


def _whole_cluster(state: dict[str, Any]) -> Group:
    return _group(cluster_view.headline(state), cluster_view.tables(state))


def _show(gateway: LocalGateway, once: bool) -> int:
    now = read(gateway)

    def again() -> Group:
        nonlocal now
        before, now = now, read(gateway)
        return _drawn(before, now)

    _follow(again, _drawn(None, now), once)
    return 0 if now.ready.get("ready") else EXIT_FAILURE


def _follow(again: Callable[[], Group], first: Group, once: bool) -> None:
    """Show ``first``, and unless ``once`` what comes after it, every second."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    if once:
        console.print(first)
        return
    with Live(first, console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(EVERY_S)
            try:
                live.update(again(), refresh=True)
            except NotReadableError as error:
                live.update(str(error), refresh=True)


def _drawn(before: Reading | None, now: Reading) -> Group:
    """The view, for rich."""
    return _group(status_view.headline(now), status_view.tables(before, now))


def _group(headline: str, tables: Sequence[status_view.Table]) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[Text | Table] = [Text(headline, style="bold")]
    for given in tables:
        table = Table(title=given.title, title_justify="left", box=None, pad_edge=False)
        for column in given.columns:
            table.add_column(column, overflow="fold")
        for row in given.rows:
            table.add_row(*map(Text, row))
        parts += [Text(), table]
    return Group(*parts)
