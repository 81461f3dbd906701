"""``mixminus drain`` against a node that answers, and one that does not."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zmq

from deploy import draining
from deploy.draining import NotDrainedError, drain
from deploy.local_gateway import LocalGateway
from deploy.settings import AllSettings
from mixer_core.bus import control, endpoints

pytestmark = pytest.mark.sockets
IDLE = (200, {"cluster": {"node": "a", "drain": None}})


@contextmanager
def node(
    folder: Path, answers: Sequence[tuple[int, dict[str, Any]]]
) -> Iterator[tuple[AllSettings, LocalGateway, list[control.Message]]]:
    """Gives each answer to ``GET /readyz`` once, the last one for ever; hears orders."""
    left, heard = list(answers), list[control.Message]()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = left.pop(0) if len(left) > 1 else left[0]
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = AllSettings()
    signaling = replace(settings.signaling, http_port=server.server_address[1])
    runtime = replace(settings.runtime, dir=str(folder))
    settings = replace(settings, signaling=signaling, runtime=runtime)
    folder.mkdir(exist_ok=True)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = endpoints.open_socket(context, endpoints.CONTROL, folder, "bind")
    socket.setsockopt(zmq.RCVTIMEO, 5_000)
    try:
        yield settings, LocalGateway(settings), heard
        if answers[0] == IDLE:
            heard.append(control.decode(socket.recv_multipart()[-1]))
    finally:
        server.shutdown()
        server.server_close()
        context.destroy(linger=0)


def test_the_node_is_told_and_waited_for(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "EVERY_S", 0.0)
    steps = [
        IDLE,
        IDLE,
        (200, {"cluster": {"drain": {"left": {"home": "waits", "away": "waits"}, "moved": 0}}}),
        (200, {"cluster": {"drain": {"left": {"away": "waits (no node has room)"}, "moved": 1}}}),
        (200, {"cluster": {"drain": {"left": {}, "moved": 1, "finished": True, "stay": ["away"]}}}),
    ]
    said: list[str] = []
    with node(short_dir, steps) as (settings, gateway, heard):
        assert drain(settings, gateway, 2.5, said.append) == ["away"]
    assert heard == [control.DrainNode(2_500)]
    assert said == [
        "away: waits",
        "home: waits",
        "away: waits (no node has room)",
        "1 room moved",
    ]


def test_a_gateway_in_no_cluster_says_what_to_do(short_dir: Path) -> None:
    with (
        node(short_dir, [(503, {"ready": False})]) as (settings, gateway, _),
        pytest.raises(NotDrainedError, match="no cluster"),
    ):
        drain(settings, gateway, 1, print)


def test_a_node_that_does_not_begin_is_not_waited_for(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "ASKED_S", 0.2)
    with (
        node(short_dir, [IDLE]) as (settings, gateway, _),
        pytest.raises(NotDrainedError, match="does not drain"),
    ):
        drain(settings, gateway, 1, print)


def test_no_gateway_no_drain(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIXMINUS_SIGNALING__HTTP_PORT", "9")
    monkeypatch.setenv("MIXMINUS_RUNTIME__DIR", str(short_dir))
    assert draining.main([]) == 1
    assert "does the gateway run?" in capsys.readouterr().err


def test_a_gateway_that_is_not_reached_is_not_waited_for(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "ASKED_S", 0.1)
    with node(short_dir / "its", [(200, IDLE[1] | {"ready": True})]) as (settings, gateway, _):
        mine = replace(settings, runtime=replace(settings.runtime, dir=str(short_dir / "mine")))
        (short_dir / "mine").mkdir()
        with pytest.raises(NotDrainedError, match=r"does not listen at .*mine.*\(\[runtime\] dir"):
            drain(mine, gateway, 1, print)


@pytest.mark.parametrize("limit", ["nan", "inf", "-1", "1e9", "soon"])
def test_a_limit_is_a_number_of_seconds(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        draining.main([f"--limit={limit}"])
    assert ended.value.code == 2 and "write seconds from 0 to 86400" in capsys.readouterr().err
