"""``mixminus config``: the settings in use, and where each has its value from."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from mixer_core.runtime.errors import StartupError
from mixer_core.runtime.setting_origins import DEFAULT, Origin, origins

from .settings import AllSettings

_COUNTS = {"now": "at once", "session": "next session", "call": "next call", "start": "next start"}


def main(arguments: Sequence[str]) -> int:
    """Print every key; returns the exit code: 78 where the settings cannot be used."""
    parser = argparse.ArgumentParser(
        prog="mixminus config",
        description="Every setting as a gateway that is started now would use it. Secrets are not "
        "shown.",
    )
    parser.add_argument(
        "--show-origin",
        action="store_true",
        help="also where each value comes from, and when a change of it counts after a reload",
    )
    parser.add_argument("--changed", action="store_true", help="only what is not at its default")
    parser.add_argument("--json", action="store_true", help="for programs")
    given = parser.parse_args(arguments)
    try:
        found = origins(AllSettings, os.environ)
    except StartupError as error:
        print(f"mixminus: {error}", file=sys.stderr)
        return error.exit_code
    if given.changed:
        found = [origin for origin in found if origin.where != DEFAULT]
    if given.json:
        print(json.dumps([asdict(origin) for origin in found], default=str, ensure_ascii=False))
        return 0
    for origin in found:
        print(line(origin, given.show_origin))
    return 0


def line(origin: Origin, shows_origin: bool) -> str:
    """One key in the form of the settings file, with its origin as a comment."""
    value = json.dumps(origin.value, default=str, ensure_ascii=False)
    text = f"{origin.section}.{origin.key} = {value}"
    if not shows_origin:
        return text
    return f"{text:<60} # {origin.where}; change counts: {_COUNTS[origin.when]}"
