"""A Janus server with two AudioBridge rooms, on the loopback, with a configuration of its own.

Janus: https://janus.conf.meetecho.com (GPL; run as a separate process, as its packages are).
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from ..report.errors import BenchmarkError
from ..rig.closing import Closing
from ..rig.gateway_process import free_port
from .install import folder

ROOM_QUICK, ROOM_DEFAULT = 1, 6
"""Room numbers: prebuffer 1 packet, and Janus's default of 6."""
START_TIMEOUT_S = 15.0
EVENT_TIMEOUT_S = 10.0
PLUGIN = "janus.plugin.audiobridge"

MAIN_CONFIGURATION = """
general: {{
  configs_folder = "{config}"
  plugins_folder = "{plugins}"
  transports_folder = "{transports}"
  events_folder = "{empty}"
  loggers_folder = "{empty}"
  session_timeout = 0
  debug_level = 2
}}
certificates: {{ dtls_accept_selfsigned = true }}
media: {{ ipv6 = false }}
nat: {{ ignore_mdns = true }}
"""
HTTP_CONFIGURATION = """
general: {{ json = "compact" base_path = "/janus" http = true ip = "127.0.0.1" port = {port}
  https = false }}
admin: {{ admin_http = false admin_https = false }}
"""
ROOMS_CONFIGURATION = """
room-{quick}: {{ sampling_rate = 24000 default_prebuffering = {quick} record = false }}
room-{default}: {{ sampling_rate = 24000 default_prebuffering = {default} record = false }}
"""


class JanusError(BenchmarkError):
    """Janus did not start or refused a request."""


class Janus(Closing):
    """One running server; ``with Janus() as janus``."""

    def __init__(self) -> None:
        self._root = folder("janus")
        self._dir = Path(tempfile.mkdtemp(prefix="mm-janus-"))
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._session = 0
        self._transactions = itertools.count(1)

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process is not None
        return self._process.pid

    def close(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(5)
        shutil.rmtree(self._dir, ignore_errors=True)

    def attach(self) -> int:
        """A handle for one participant."""
        reply = self._post(f"/{self._session}", {"janus": "attach", "plugin": PLUGIN})
        return int(reply["data"]["id"])

    def join(self, handle: int, room: int, offer: str) -> str:
        """Join ``room`` with an SDP offer; the answer. Raises JanusError."""
        self._say(handle, {"request": "join", "room": room, "muted": False})
        jsep = {"type": "offer", "sdp": offer}
        event = self._say(handle, {"request": "configure", "muted": False}, jsep)
        answer: str = event["jsep"]["sdp"]
        return answer

    def log(self) -> str:
        """What it printed."""
        return (self._dir / "log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it and make a session. Raises JanusError."""
        library = next((self._root / "usr" / "lib").glob("*/janus"))
        self._configure(library)
        command = [str(self._root / "usr" / "bin" / "janus"), "--configs-folder", str(self._dir)]
        paths = [str(library.parent), os.environ.get("LD_LIBRARY_PATH", "")]
        environment = os.environ | {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, paths))}
        with (self._dir / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--config", str(self._dir / "janus.jcfg")],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self._session = int(self._post("", {"janus": "create"})["data"]["id"])
                return
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > deadline_s:
                    raise JanusError(f"janus did not start:\n{self.log()[-2000:]}") from error
                time.sleep(0.05)

    def _configure(self, library: Path) -> None:
        for name, only in (("plugins", "audiobridge"), ("transports", "http"), ("empty", "-")):
            (self._dir / name).mkdir()
            for file in (library / name).glob(f"libjanus_{only}.so"):
                (self._dir / name / file.name).symlink_to(file)
        values = {name: self._dir / name for name in ("plugins", "transports", "empty")}
        main = MAIN_CONFIGURATION.format(config=self._dir, **values)
        (self._dir / "janus.jcfg").write_text(main, encoding="ascii")
        http = HTTP_CONFIGURATION.format(port=self._port)
        (self._dir / "janus.transport.http.jcfg").write_text(http, encoding="ascii")
        rooms = ROOMS_CONFIGURATION.format(quick=ROOM_QUICK, default=ROOM_DEFAULT)
        (self._dir / f"{PLUGIN}.jcfg").write_text(rooms, encoding="ascii")

    def _say(
        self, handle: int, body: dict[str, Any], jsep: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """A plugin message; the event that answers it."""
        message: dict[str, Any] = {"janus": "message", "body": body}
        if jsep is not None:
            message["jsep"] = jsep
        transaction = self._post(f"/{self._session}/{handle}", message)["transaction"]
        deadline_s = time.monotonic() + EVENT_TIMEOUT_S
        while time.monotonic() < deadline_s:
            event = self._request(f"/{self._session}?maxev=1", None)
            if event.get("transaction") == transaction and event["janus"] == "event":
                data = event["plugindata"]["data"]
                if "error" in data:
                    raise JanusError(f"{body['request']}: {data['error']}")
                return event
        raise JanusError(f"{body['request']} was not answered")

    def _post(self, path: str, message: dict[str, Any]) -> dict[str, Any]:
        transaction = f"t{next(self._transactions)}"
        reply = self._request(path, {**message, "transaction": transaction})
        if reply["janus"] == "error":
            raise JanusError(str(reply["error"]))
        return {**reply, "transaction": transaction}

    def _request(self, path: str, message: dict[str, Any] | None) -> dict[str, Any]:
        data = None if message is None else json.dumps(message).encode()
        url = f"http://127.0.0.1:{self._port}/janus{path}"
        with urllib.request.urlopen(url, data, timeout=EVENT_TIMEOUT_S) as answer:
            reply: dict[str, Any] = json.load(answer)
        return reply
