"""The ``mixminus`` command."""

from __future__ import annotations

import argparse
import fcntl
import getpass
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from media_worker.settings import Settings as WorkerSettings
from mixer_core.runtime.errors import AlreadyRunningError, PortBusyError, StartupError
from mixer_core.runtime.process import SUPERVISED_VARIABLE, prepare_runtime_dir
from mixer_core.runtime.settings import load, load_all
from mixer_core.runtime.sweep import sweep
from openai_link.settings import KEY_VARIABLE, OpenaiLinkSettings, check_secrets, uses_simulator
from openai_link.settings import Settings as LinkSettings
from signaling.access.gate import machine_token
from signaling.ice import IceServers
from signaling.lan_check import check_lan
from signaling.settings import Settings as SignalingSettings

from . import invite, secret_variables
from .settings import AllSettings

PROGRAMS = ("mixer_core", "openai_link", "media_worker", "signaling")
CONFIGURATION = Path(__file__).with_name("supervisord.conf")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the command; returns the exit code."""
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
    given, rest = parser.parse_known_args(arguments)
    if given.command == "invite":
        return invite.main(rest)
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
        return error.exit_code
    return 0


def run() -> None:
    """Check everything that could go wrong, then become supervisord.

    Raises:
        StartupError: settings, secrets, runtime directory, a port, or another instance.
    """
    settings = load_all(AllSettings)
    simulated = uses_simulator(settings.openai_link, os.environ)
    prepare_runtime_dir(settings.runtime_dir)
    for program in (*PROGRAMS, "simulator"):
        check_not_running(settings.runtime_dir, program)
    sweep(settings.runtime_dir)
    check_secrets(load(LinkSettings), os.environ)
    machine_token(os.environ)
    check_networks(os.environ)
    check_port(settings.signaling.http_host, settings.signaling.http_port, "SIGNALING")
    check_lan(settings.signaling)
    if settings.signaling.lan:
        check_port("0.0.0.0", settings.signaling.https_port, "SIGNALING", "HTTPS_PORT")
    if simulated:
        check_port(settings.simulator.http_host, settings.simulator.http_port, "SIMULATOR")
    print(f"mixminus: the assistant is {assistant(settings.openai_link, simulated)}")
    if settings.signaling.lan:
        from signaling import lan

        print("\n".join(lan.introduction(settings.signaling, settings.state_dir)))
        print(invite.first_words(settings), end="")
    print("mixminus: starting; Ctrl-C stops it", flush=True)
    command = [sys.executable, "-m", "deploy.supervise", "-n", "-c", str(CONFIGURATION)]
    named = dict.fromkeys(settings.openai_link.secret_variables, ("openai_link",))
    named[settings.media_worker.turn_secret_variable] = ("signaling",)
    public, secrets = secret_variables.separate(environment(settings, simulated), named)
    public[secret_variables.FD_VARIABLE] = str(secret_variables.pass_on(secrets))
    os.execve(sys.executable, command, public)


def assistant(settings: OpenaiLinkSettings, simulated: bool) -> str:
    """Who answers, in words."""
    if not simulated:
        return f"{settings.model} at {settings.base_url}"
    why = f" ({KEY_VARIABLE} is not set)" if settings.upstream == "auto" else ""
    return f"the local simulator{why}"


def environment(settings: AllSettings, simulated: bool) -> dict[str, str]:
    """The environment of supervisord and the programs, secrets included."""
    runtime_dir = str(settings.runtime_dir)
    return os.environ | {
        "MIXMINUS_RUNTIME__DIR": runtime_dir,
        SUPERVISED_VARIABLE: "1",
        "SUPERVISED_DIR": runtime_dir,
        "SUPERVISED_PYTHON": sys.executable,
        "SUPERVISED_SIMULATOR": "true" if simulated else "false",
        "SUPERVISED_USER": getpass.getuser(),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
        "OPENBLAS_NUM_THREADS": "1",
    }


def check_networks(env: Mapping[str, str]) -> None:
    """Raise SettingsError where addresses, ports or servers of ``[media_worker]`` are wrong."""
    load(WorkerSettings, env).media_worker.network()
    IceServers(load(SignalingSettings, env).media_worker, env)


def check_port(host: str, port: int, section: str, key: str = "HTTP_PORT") -> None:
    """Raise PortBusyError where ``port`` of ``host`` cannot be listened on now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortBusyError(
                f"port {port} on {host} cannot be used ({error.strerror}): stop what listens "
                f"there, or set MIXMINUS_{section}__{key} to another port"
            ) from error


def check_not_running(runtime_dir: Path, program: str) -> None:
    """Raise AlreadyRunningError where another process holds the lock of ``program``."""
    path = runtime_dir / f"{program}.lock"
    if not path.exists():
        return
    with path.open("r", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyRunningError(
                f"another mixminus is running in {runtime_dir} (process {file.read().strip()}): "
                "stop it, or set MIXMINUS_RUNTIME__DIR to another directory"
            ) from error


if __name__ == "__main__":
    sys.exit(main())
