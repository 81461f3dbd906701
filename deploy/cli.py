"""The ``mixminus`` command."""

from __future__ import annotations

import argparse
import io
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from mixer_core.runtime.errors import EXIT_CONFIG, StartupError
from mixer_core.runtime.process import SUPERVISED_VARIABLE
from mixer_core.runtime.settings import load_all
from mixer_core.runtime.sweep import sweep
from openai_link.secrets import KEY_VARIABLE, named_variables, uses_simulator
from openai_link.settings import OpenaiLinkSettings

from . import preflight, secret_variables
from .plan import make_copy, variables_of
from .settings import AllSettings

CONFIGURATION = Path(__file__).with_name("supervisord.conf")

LOOKING = {
    "doctor": ("what is wrong, and its cure", "doctor.command:main"),
    "status": ("a live view of the running gateway", "status:main"),
    "drain": ("move this node's rooms to others of the cluster, and end it", "draining:main"),
    "logs": ("lines of the log about a room", "log_commands:logs"),
    "log-level": ("change what is logged while it runs", "log_commands:level"),
}
"""Commands about the running gateway and its machine: what each does, and where it is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the command; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # A terminal may not have all letters.
        sys.stdout.reconfigure(errors="replace")
    try:
        return carry_out(arguments)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def carry_out(arguments: Sequence[str] | None) -> int:
    """What the command is asked for; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="mixminus", description="One assistant, a whole room of browsers."
    )
    parser.add_argument("--version", action="version", version=f"mixminus {version('mixminus')}")
    commands = parser.add_subparsers(dest="command", required=True)
    run_parser = commands.add_parser("run", help="start the gateway; Ctrl-C stops it")
    run_parser.add_argument(
        "--lan", action="store_true", help="let the local network come in, over HTTPS"
    )
    commands.add_parser("bench", add_help=False, help="measure this machine: mixminus bench --help")
    commands.add_parser(
        "replay", add_help=False, help="replay a recorded conversation: mixminus replay --help"
    )
    commands.add_parser(
        "invite", add_help=False, help="let somebody in by a link: mixminus invite --help"
    )
    commands.add_parser("reload", add_help=False, help="read the settings file again; calls go on")
    commands.add_parser(
        "config", add_help=False, help="show the settings: mixminus config --show-origin"
    )
    for name, (words, _) in LOOKING.items():
        commands.add_parser(name, add_help=False, help=f"{words}: mixminus {name} --help")
    given, rest = parser.parse_known_args(arguments)
    if given.command in LOOKING:
        module, _, function = LOOKING[given.command][1].partition(":")
        return int(getattr(import_module(f"deploy.{module}"), function)(rest))
    if given.command == "invite":
        from .invite import main as invite

        return invite(rest)
    if given.command == "reload":
        from .remote import main as reload

        return reload(rest)
    if given.command == "config":
        from .config import main as config

        return config(rest)
    if given.command == "bench":
        from benchmarks.cli import main as bench

        return bench(rest)
    if given.command == "replay":
        from openai_link.transcript.replay import main as replay

        return replay(rest)
    if rest:
        parser.error(f"unknown arguments: {' '.join(rest)}")
    if given.lan:
        os.environ["MIXMINUS_SIGNALING__LAN"] = "true"
    try:
        run()
    except StartupError as error:
        print(f"mixminus: {error}", file=sys.stderr)
        return EXIT_CONFIG
    return 0


def run() -> None:
    """Check everything that could go wrong, then become supervisord.

    Raises:
        StartupError: settings, secrets, directories, ports, the system, or another instance.
    """
    settings = load_all(AllSettings)
    simulated = uses_simulator(settings.openai_link, os.environ)
    descriptors = preflight.check(settings, os.environ, simulated)
    held = preflight.hold(settings)
    sweep(settings.runtime_dir)
    print(f"mixminus: the assistant is {assistant(settings.openai_link, simulated)}")
    if settings.signaling.lan:
        from signaling import lan

        from .invite import first_words

        print("\n".join(lan.introduction(settings.signaling, settings.state_dir)))
        print(first_words(settings), end="")
    print("mixminus: starting; Ctrl-C stops it", flush=True)
    command = [sys.executable, "-m", "deploy.supervise", "-n", "-c", str(CONFIGURATION)]
    command += preflight.user_options()
    env = environment(settings, simulated, descriptors) | make_copy(os.environ)
    public, secrets = secret_variables.separate(env, named_secrets(settings))
    public[secret_variables.FD_VARIABLE] = str(secret_variables.pass_on(secrets))
    os.execve(sys.executable, command, public)
    del held  # Open until here, and inherited.


def named_secrets(settings: AllSettings) -> dict[str, tuple[str, ...]]:
    """Variables that are secret because settings name them, and the programs that get them."""
    named = dict.fromkeys(named_variables(settings.openai_link), ("openai_link",))
    return {**named, settings.media_worker.turn_secret_variable: ("signaling",)}


def assistant(settings: OpenaiLinkSettings, simulated: bool) -> str:
    """Who answers, in words."""
    if not simulated:
        return f"{settings.model} at {settings.base_url}"
    why = f" ({KEY_VARIABLE} is not set)" if settings.upstream == "auto" else ""
    return f"the local simulator{why}"


def environment(settings: AllSettings, simulated: bool, descriptors: int) -> dict[str, str]:
    """The environment of supervisord and the programs, secrets included."""
    return (
        os.environ
        | variables_of(settings)
        | {
            "MIXMINUS_RUNTIME__DIR": str(settings.runtime_dir),
            SUPERVISED_VARIABLE: str(os.getpid()),  # supervisord takes the place of this process.
            "SUPERVISED_DESCRIPTORS": str(descriptors),
            "SUPERVISED_PYTHON": shlex.quote(sys.executable),
            "SUPERVISED_SIMULATOR": "true" if simulated else "false",
            "SUPERVISED_STANDBY": "true" if settings.mixer_core.standby else "false",
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore",
            "OPENBLAS_NUM_THREADS": "1",
        }
    )


if __name__ == "__main__":
    sys.exit(main())
