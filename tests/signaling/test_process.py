"""`python -m signaling` as a process: clear words when it cannot start, a quick stop."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.gateway import ROOT, free_port
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.processes
COMMAND = [sys.executable, "-m", "signaling"]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """This environment without settings, with a directory and a port of its own."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MIXMINUS_")}
    inherited.pop("OPENAI_API_KEY", None)
    own = {
        "MIXMINUS_RUNTIME__DIR": str(folder),
        "MIXMINUS_SIGNALING__HTTP_PORT": str(free_port()),
    }
    return inherited | own | more


def refused(env: dict[str, str], exit_code: int) -> str:
    """The only line of a process that does not start."""
    done = subprocess.run(
        COMMAND, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == exit_code, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    (line,) = done.stderr.strip().splitlines()
    return line


@contextmanager
def started(env: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A process that listens, and its lines so far."""
    process = subprocess.Popen(COMMAND, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)
    lines: list[str] = []
    listening = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if "listening on" in line:
                listening.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert listening.wait(PATIENCE_S), lines
        yield process, lines
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        reader.join(PATIENCE_S)
        assert process.stderr is not None
        process.stderr.close()


def test_a_busy_port_is_named_with_the_cure(short_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = refused(environment(short_dir, MIXMINUS_SIGNALING__HTTP_PORT=port), 78)
    assert f"port {port} on 127.0.0.1 is in use" in line
    assert "MIXMINUS_SIGNALING__HTTP_PORT" in line


def test_an_unknown_setting_is_named(short_dir: Path) -> None:
    line = refused(environment(short_dir, MIXMINUS_SIGNALING__HTP_PORT="1"), 78)
    assert "MIXMINUS_SIGNALING__HTP_PORT is an unknown setting" in line


def test_a_directory_that_cannot_be_used_is_named(short_dir: Path) -> None:
    (short_dir / "file").write_text("")
    line = refused(environment(short_dir / "file" / "run"), 78)
    assert "cannot be created" in line and "MIXMINUS_RUNTIME__DIR" in line


def test_an_open_address_without_a_token_is_refused(short_dir: Path) -> None:
    line = refused(environment(short_dir, MIXMINUS_SIGNALING__HTTP_HOST="0.0.0.0"), 78)
    assert "MIXMINUS_TOKEN" in line


def test_an_address_of_another_machine_is_refused(short_dir: Path) -> None:
    more = {"MIXMINUS_SIGNALING__HTTP_HOST": "192.0.2.1", "MIXMINUS_TOKEN": "correct-horse-battery"}
    line = refused(environment(short_dir, **more), 78)
    assert "192.0.2.1" in line and "set MIXMINUS_SIGNALING__HTTP_HOST" in line


def lan(folder: Path, **more: str) -> dict[str, str]:
    """With the local network, and a state directory of its own."""
    return environment(
        folder,
        MIXMINUS_RUNTIME__STATE_DIR=str(folder / "state"),
        MIXMINUS_SIGNALING__LAN="true",
        MIXMINUS_SIGNALING__HTTPS_PORT=str(free_port()),
        MIXMINUS_SIGNALING__MDNS="false",
        **more,
    )


def test_a_certificate_that_cannot_be_used_is_named(short_dir: Path) -> None:
    files = {
        "MIXMINUS_SIGNALING__TLS": "files",
        "MIXMINUS_SIGNALING__TLS_CERTIFICATE": str(short_dir / "chain.pem"),
        "MIXMINUS_SIGNALING__TLS_KEY": str(short_dir / "key.pem"),
    }
    line = refused(lan(short_dir, **files), 78)
    assert "tls_certificate" in line and "No such file" in line


def test_a_busy_https_port_is_named_with_the_cure(short_dir: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = refused(lan(short_dir) | {"MIXMINUS_SIGNALING__HTTPS_PORT": port}, 78)
    assert f"port {port}" in line and "MIXMINUS_SIGNALING__HTTPS_PORT" in line


def test_with_the_local_network_it_answers_over_https_and_stops(short_dir: Path) -> None:
    env = lan(short_dir)
    port = env["MIXMINUS_SIGNALING__HTTPS_PORT"]
    with started(env) as (process, lines):
        context = ssl.create_default_context(cafile=str(short_dir / "state/tls/authority.crt"))
        url = f"https://127.0.0.1:{port}/healthz"
        with pytest.raises(urllib.error.URLError, match="IP address mismatch"):
            urllib.request.urlopen(url, timeout=PATIENCE_S, context=context)
        context.check_hostname = False  # The certificate names the addresses of the network.
        with urllib.request.urlopen(url, timeout=PATIENCE_S, context=context) as answer:
            assert answer.status == 200
        plain = urllib.request.urlopen(
            f"http://127.0.0.1:{env['MIXMINUS_SIGNALING__HTTP_PORT']}/rooms", timeout=PATIENCE_S
        )
        with plain as answer:
            assert answer.status == 200, "the page on this computer needs no invitation"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    assert "Traceback" not in "".join(lines)


def test_it_answers_stops_at_once_and_refuses_a_second_instance(short_dir: Path) -> None:
    env = environment(short_dir)
    url = f"http://127.0.0.1:{env['MIXMINUS_SIGNALING__HTTP_PORT']}"
    with started(env) as (process, lines):
        with urllib.request.urlopen(f"{url}/healthz", timeout=PATIENCE_S) as answer:
            assert answer.status == 200
        other = env | {"MIXMINUS_SIGNALING__HTTP_PORT": str(free_port())}
        assert "signaling already runs in" in refused(other, 1)
        held = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
        held.sendall(b"POST /rooms/a/participants HTTP/1.1\r\nHost: localhost\r\n")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        held.close()
    assert "Traceback" not in "".join(lines)
    with started(env):
        pass
