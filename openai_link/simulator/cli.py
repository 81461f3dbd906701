"""The command line: flags that override the settings in ``[simulator]``. Sans-I/O."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .faults.plan import NAMES

_PREFIX = "MIXMINUS_SIMULATOR__"
_DESCRIPTION = """\
A local stand-in for OpenAI's Realtime API, over WebRTC and WebSocket. Set a client's base URL to
it; nothing is sent to OpenAI and no key is needed. Defaults come from the settings
(MIXMINUS_SIMULATOR__... and mixminus.toml).
"""
_EPILOG = f"Faults: {', '.join(NAMES)}. See the simulator's README.md."


def environment(arguments: Sequence[str]) -> dict[str, str]:
    """Return the settings that the flags give, as environment variables.

    Raises SystemExit for ``--help`` and for unknown flags.
    """
    given = vars(_parser().parse_args(arguments))
    runtime_dir = given.pop("runtime_dir")
    variables = {
        _PREFIX + name.upper(): str(value) for name, value in given.items() if value is not None
    }
    if runtime_dir is not None:
        variables["MIXMINUS_RUNTIME__DIR"] = runtime_dir
    return variables


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m openai_link.simulator", description=_DESCRIPTION, epilog=_EPILOG
    )
    add = parser.add_argument
    add("--host", dest="http_host", metavar="ADDRESS", help="address to listen on")
    add("--port", dest="http_port", metavar="PORT", help="TCP port")
    add("--https-port", metavar="PORT", help="TCP port of the same over TLS")
    add("--api-key", metavar="KEY", help="API key that clients must send (default: any)")
    add("--brain", choices=("echo", "tone", "script"), help="what answers")
    add("--script", metavar="FILE", help="rules of the script brain, TOML")
    add("--seed", metavar="N", help="make ids and random choices repeatable")
    add(
        "--expire-after",
        dest="session_max_s",
        metavar="SECONDS",
        help="age of expiry",
    )
    add("--faults", metavar="LIST", help="faults: name or name=value, with commas between")
    add("--record-dir", metavar="DIR", help="record the input of each session as WAV")
    add("--dtls-role", choices=("active", "passive"), help="DTLS role")
    add(
        "--runtime-dir",
        metavar="DIR",
        help="one simulator runs per directory",
    )
    return parser
