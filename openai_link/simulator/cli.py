"""The command line: flags that overrule the settings of the section ``[simulator]``. Sans-I/O."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .faults.plan import NAMES

_PREFIX = "MIXMINUS_SIMULATOR__"
_DESCRIPTION = """\
A local stand-in for OpenAI's Realtime API over WebRTC and WebSocket. Point a client at it by its
base URL; nothing is sent to OpenAI, and no key is needed. What is not given here comes from the
settings (MIXMINUS_SIMULATOR__... and mixminus.toml).
"""
_EPILOG = f"Faults: {', '.join(NAMES)}. They are described in the simulator's README.md."


def environment(arguments: Sequence[str]) -> dict[str, str]:
    """Return the settings that the flags stand for, as environment variables.

    Raises SystemExit for ``--help`` and for flags that do not exist.
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
    add("--api-key", metavar="KEY", help="key that clients must send (default: any)")
    add("--brain", choices=("echo", "tone", "script"), help="who answers")
    add("--script", metavar="FILE", help="rules of the script brain (TOML)")
    add("--seed", metavar="N", help="makes ids and random choices repeatable")
    add("--expire-after", dest="session_max_s", metavar="SECONDS", help="length of a session")
    add("--faults", metavar="LIST", help="what goes wrong: name, name=value, separated by commas")
    add("--record-dir", metavar="DIR", help="one WAV per session of what was heard")
    add("--dtls-role", choices=("active", "passive"), help="side of the DTLS handshake")
    add("--runtime-dir", metavar="DIR", help="where the lock is; one simulator runs per directory")
    return parser
