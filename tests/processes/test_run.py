"""`mixminus run`: start, Ctrl-C, and clear words for what can go wrong."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.gateway import ROOT, Gateway
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.processes

READY = "is ready: open http://"


def run(gateway: Gateway, **variables: str) -> subprocess.CompletedProcess[str]:
    """`mixminus run` where it is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", "run"],
        cwd=ROOT,
        env=gateway.env | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_it_is_ready_cold_and_warm_alone_and_ctrl_c_leaves_nothing(
    record_property, short_dir: Path
) -> None:  # type: ignore[no-untyped-def]
    gateway = Gateway(MIXER_CORE__STANDBY=1)
    gateway.env["NUMBA_CACHE_DIR"] = str(short_dir / "numba")
    figures = {}
    try:
        for name in ("cold", "warm"):
            figures[f"{name}_start_s"] = round(gateway.start(), 2)
            programs = json.loads(gateway.get("/readyz")[1])
            assert gateway.get("/healthz")[0] == 200
            assert len(gateway.processes()) > 5
            gateway.wait(lambda: READY in gateway.log, "nobody says where the page is")
            if name == "warm":
                refused_beside(gateway)
            figures[f"{name}_stop_s"] = round(gateway.interrupt(), 2)
            assert gateway.processes() == [], gateway.log
        assert "simulator" in gateway.log
        assert "compiling kernels" in gateway.log
        assert "Traceback" not in gateway.log
        assert programs
    finally:
        gateway.close()
    record_property("figures", figures)
    print(figures)


def refused_beside(first: Gateway) -> None:
    """A second instance on the same directory is refused, and the first one goes on."""
    second = Gateway(RUNTIME__DIR=first.env["MIXMINUS_RUNTIME__DIR"])
    done = run(second)
    shutil.rmtree(second.dir)
    assert done.returncode == 78
    assert "another mixminus is running" in one_line(done)
    assert first.get("/readyz")[0] == 200


@pytest.fixture
def idle() -> Gateway:
    """A gateway that is not started."""
    gateway = Gateway()
    yield gateway  # type: ignore[misc]
    gateway.close()


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The only line on stderr."""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return lines[0]


@pytest.mark.parametrize("section", ["SIGNALING", "SIMULATOR"])
def test_a_busy_port_is_named_with_the_cure(idle: Gateway, section: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run(idle, **{f"MIXMINUS_{section}__HTTP_PORT": port})
    assert done.returncode == 78
    line = one_line(done)
    assert f"port {port}" in line and f"MIXMINUS_{section}__HTTP_PORT" in line


def test_an_unknown_setting_is_named(idle: Gateway) -> None:
    done = run(idle, MIXMINUS_SIGNALING__HTP_PORT="1")
    assert done.returncode == 78
    assert "MIXMINUS_SIGNALING__HTP_PORT is an unknown setting" in one_line(done)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("OPENAI_API_KEY", "sk-ab\r\ncd-0123456789", "a line end (U+000D)"),
        ("OPENAI_API_KEY", "\ufeffsk-abcd-0123456789", "byte order mark"),
        ("OPENAI_API_KEY", '"sk-abcd-0123456789"', "in quotes"),
        ("MIXMINUS_TOKEN", "sk-abcd-\x7f0123456789", "a control character (U+007F)"),
    ],
)
def test_a_secret_that_cannot_be_used_is_named_and_not_shown(
    idle: Gateway, variable: str, value: str, words: str
) -> None:
    idle.env[variable] = value
    done = run(idle)
    assert done.returncode == 78
    line = one_line(done)
    assert f"{variable} cannot be used" in line and words in line
    assert "abcd" not in line and "0123" not in line


def test_a_runtime_directory_that_cannot_be_made_is_named(idle: Gateway) -> None:
    blocker = idle.dir / "file"
    blocker.write_text("")
    done = run(idle, MIXMINUS_RUNTIME__DIR=str(blocker / "run"))
    assert done.returncode == 78
    assert "cannot be created" in one_line(done)
