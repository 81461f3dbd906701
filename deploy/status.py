"""``mixminus status``: a live view of the running gateway, in the terminal."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from mixer_core.runtime.errors import EXIT_FAILURE, StartupError
from mixer_core.runtime.settings import load_all

from . import status_view
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
    given = parser.parse_args(arguments)
    try:
        gateway = LocalGateway(load_all(AllSettings))
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


def _show(gateway: LocalGateway, once: bool) -> int:
    from rich.console import Console
    from rich.live import Live

    console = Console()
    now = read(gateway)
    if once:
        console.print(_drawn(None, now))
        return 0 if now.ready.get("ready") else EXIT_FAILURE
    with Live(_drawn(None, now), console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(EVERY_S)
            try:
                before, now = now, read(gateway)
                live.update(_drawn(before, now), refresh=True)
            except NotReadableError as error:
                live.update(str(error), refresh=True)


def _drawn(before: Reading | None, now: Reading) -> Group:
    """The view, for rich."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[Text | Table] = [Text(status_view.headline(now), style="bold")]
    for given in status_view.tables(before, now):
        table = Table(title=given.title, title_justify="left", box=None, pad_edge=False)
        for column in given.columns:
            table.add_column(column, overflow="fold")
        for row in given.rows:
            table.add_row(*map(Text, row))
        parts += [Text(), table]
    return Group(*parts)
