"""The link by real processes: host, children, simulator; the test plays signaling and mixer."""

from __future__ import annotations

import json
import math
import signal
import sqlite3
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from mixer_core.bus.control import Leave
from mixer_core.bus.control import encode as encode_control
from mixer_core.bus.frames import FLAG_PAUSE, Frame, Kind
from mixer_core.bus.pcm import SILENCE
from mixer_core.journal.file import journal_path
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.processes

FAST = {
    "MIXMINUS_OPENAI_LINK__RETRY_DELAY_MS": "200",
    "MIXMINUS_OPENAI_LINK__MAX_RETRIES": "8",  # A simulator may take long to start.
    "MIXMINUS_OPENAI_LINK__EMPTY_LINGER_MS": "300",
}
BenchType = Any


def tone(seconds: float, hz: float = 440.0, peak: int = 9000) -> bytes:
    """A sine, faded in and out over 20 ms."""
    count = round(seconds * 24_000)
    fade = 480
    values = [
        round(
            peak
            * math.sin(2 * math.pi * hz * i / 24_000)
            * min(1.0, i / fade, (count - 1 - i) / fade)
        )
        for i in range(count)
    ]
    return struct.pack(f"<{count}h", *values)


def rms(pcm: bytes) -> float:
    samples = memoryview(pcm).cast("h")
    return math.sqrt(sum(s * s for s in samples) / max(1, len(samples)))


def call(bench: BenchType, *people: str) -> str:
    """Open the room with ``people`` in it, until it is ready."""
    link: str = bench.open()
    bench.roster(*(people or ("p-1",)))
    bench.until_status(link, "ready")
    return link


def after_flush(bench: BenchType, number: int) -> list[Frame]:
    """AUDIO after the ``number``th FLUSH, which must be the last one."""
    everything = [frame for _, frame in bench.frames]
    flushes = [i for i, frame in enumerate(everything) if frame.kind is Kind.FLUSH]
    assert len(flushes) == number
    return [frame for frame in everything[flushes[-1] :] if frame.kind is Kind.AUDIO]


def session_ends(state_dir: Path) -> list[str]:
    """Why the sessions in the journal ended, in order; a dash for one that did not."""
    connection = sqlite3.connect(journal_path(state_dir))
    rows = connection.execute("SELECT ended_ms, reason FROM session ORDER BY started_ms").fetchall()
    connection.close()
    return [reason if ended_ms else "-" for ended_ms, reason in rows]


def final_captions(bench: BenchType) -> list[dict[str, Any]]:
    return [event for event in bench.events_of("caption") if event["final"]]


def lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_room_is_greeted_and_repeats_what_it_heard(bench: BenchType) -> None:
    bench.settings.update(FAST)
    bench.simulator()
    bench.host()
    bench.idle_link()
    link = bench.open()
    state = bench.until_status(link, "ready")
    assert state.metrics["connect_ms"] > 0
    assert bench.heard() == []
    bench.roster("p-1")
    bench.until(lambda: any(frame.flags & FLAG_PAUSE for frame in bench.heard()))
    greeting = bench.heard()
    assert [frame.seq for frame in greeting] == list(range(len(greeting)))
    assert all(frame.stamp_ns > 0 and frame.epoch == 0 for frame in greeting)
    assert max(rms(frame.payload) for frame in greeting) > 100
    captions = bench.events_of("caption")
    assert captions[-1]["final"] and captions[-1]["speaker"] == "assistant"
    last = bench.events_of("state")[-1]
    assert (last["upstream"], last["simulated"], last["detail"]) == ("ready", True, "")

    bench.frames.clear()
    sound = tone(0.8)
    bench.speak(sound + SILENCE * 2)
    bench.until(lambda: any(frame.flags & FLAG_PAUSE for frame in bench.heard()))
    bench.pump(time.monotonic() + 0.2)
    echo = b"".join(frame.payload for frame in bench.heard())
    loud = [i for i in range(0, len(echo), 960) if rms(echo[i : i + 960]) > 1000]
    assert len(loud) >= 0.75 * 50
    told = [event["assistant"] for event in bench.events_of("state")]
    changes = [s for i, s in enumerate(told) if i == 0 or told[i - 1] != s]
    assert changes == ["listening", "thinking", "speaking", "idle"]
    metrics = bench.state(link).metrics
    assert metrics["uplink_frames_total"] == len(sound) // 960 + 2
    assert metrics["uplink_dropped_frames_total"] == 0
    assert metrics["downlink_lost_packets_total"] == 0
    assert metrics["journal_lost_records_total"] == 0
    assert {"journal_lag_ms", "journal_waiting_records"} <= metrics.keys()
    assert sum(metrics["downlink_latency_ms"][:-1]) == metrics["downlink_frames_total"]

    bench.frames.clear()
    bench.roster()
    bench.until(lambda: bool(bench.exits))
    assert bench.exits[0].exit_code == 0
    assert [frame.kind for _, frame in bench.frames][-1] is Kind.STOP
    assert "hang up rtc_" in bench.log and ": 200" in bench.log
    assert "hang-up" in bench.log
    assert session_ends(bench.dir / "state") == ["the room is empty"]
    bench.idle_link()


def test_speaking_over_the_reply_begins_a_new_epoch(bench: BenchType) -> None:
    bench.settings.update(FAST)
    bench.settings["MIXMINUS_OPENAI_LINK__GREET"] = "0"
    bench.simulator(MIXMINUS_SIMULATOR__BRAIN="tone", MIXMINUS_SIMULATOR__TONE_MS="8000")
    bench.host()
    link = call(bench)
    bench.event({"type": "say", "text": "Play.", "participant": "p-1", "name": "Ada"})
    bench.until(lambda: len(bench.heard()) > 25)
    assert any(event["speaker"] == "p-1" for event in bench.events_of("caption"))
    assert bench.epoch == 0
    bench.speak(tone(0.6))
    bench.until(lambda: bench.epoch == 1)
    bench.until(lambda: bench.events_of("state")[-1]["assistant"] == "speaking")
    bench.until(lambda: any(frame.epoch == 1 for frame in bench.heard()))
    assert {frame.epoch for frame in after_flush(bench, 1)} == {1}

    bench.event({"type": "interrupt", "participant": "p-1"})
    bench.until(lambda: bench.epoch == 2)
    bench.until(lambda: bench.events_of("state")[-1]["assistant"] == "idle")
    bench.pump(time.monotonic() + 0.5)
    assert bench.epoch == 2
    assert after_flush(bench, 2) == []
    bench.event({"type": "ptt", "down": True, "participant": "p-1"})
    bench.until(lambda: bool(bench.events_of("error")))
    assert bench.events_of("error")[0]["code"] == "not_available"
    bench.until(lambda: bench.state(link).metrics.get("flushes_total") == 2)


def test_a_wrong_key_is_told_in_words_and_tried_once_by_either_transport(bench: BenchType) -> None:
    bench.settings.update(FAST)
    bench.simulator(MIXMINUS_SIMULATOR__API_KEY="sk-the-right-one")
    url = f"http://127.0.0.1:{bench.port}/v1"
    bench.host(OPENAI_API_KEY="sk-the-wrong-one", MIXMINUS_OPENAI_LINK__BASE_URL=url)
    link = bench.open()
    bench.until_status(link, "failed")
    bench.roster("p-1")
    bench.until(lambda: bool(bench.events_of("error")))
    bench.pump(time.monotonic() + 1.5)
    (error,) = bench.events_of("error")
    assert error["code"] == "invalid_api_key"
    assert "401" in error["message"] and "Set OPENAI_API_KEY" in error["message"]
    state = bench.events_of("state")[-1]
    assert (state["upstream"], state["detail"]) == ("failed", error["message"])
    bench.frames.clear()
    bench.roster("p-1", "p-2")
    bench.until(lambda: len(bench.events_of("state")) == 2)
    codes = [event.get("code") for event in bench.events_of("state")]
    assert codes == ["invalid_api_key"] * 2, "who comes later is told why, too"
    assert bench.state(link).metrics["calls_total"] == 2
    assert bench.state(link).detail == error["message"]
    assert "sk-the" not in bench.log and "sk-the" not in str(bench.all_events())


def test_a_simulator_that_comes_back_is_called_again(bench: BenchType) -> None:
    bench.settings.update(FAST)
    simulator = bench.simulator()
    bench.host()
    link = call(bench)
    assert simulator.stop() == 0
    bench.until_status(link, "reconnecting")
    bench.until(lambda: "Trying again" in bench.state(link).detail)
    bench.event({"type": "interrupt", "participant": "p-1"})
    bench.until(lambda: bool(bench.events_of("error")))
    assert bench.events_of("error")[0]["code"] == "not_connected"
    bench.event({"type": "say", "text": "Hello?", "participant": "p-1"})
    bench.simulator()
    bench.until_status(link, "ready")
    bench.until(lambda: "Hello?" in [event["text"] for event in bench.events_of("caption")])
    bench.until(lambda: any(rms(frame.payload) > 100 for frame in bench.heard()))
    bench.frames.clear()
    bench.event({"type": "say", "text": "Again.", "participant": "p-1"})
    bench.until(lambda: any(rms(frame.payload) > 100 for frame in bench.heard()))
    bench.roster()
    bench.until(lambda: bool(bench.exits))
    ends = session_ends(bench.dir / "state")
    assert ends == ["connection_lost", "the room is empty"], ends


def test_what_is_written_while_the_call_dies_is_said_in_the_next_one(bench: BenchType) -> None:
    bench.settings.update(FAST)
    bench.settings["MIXMINUS_OPENAI_LINK__GREET"] = "0"
    simulator = bench.simulator(MIXMINUS_SIMULATOR__BRAIN="script")
    bench.host()
    link = call(bench)
    simulator.process.send_signal(signal.SIGSTOP)
    bench.event({"type": "say", "text": "Are you there?", "participant": "p-1", "name": "Ada"})
    bench.pump(time.monotonic() + 0.3)
    assert not bench.events_of("caption"), "nobody has taken it"
    simulator.stop(signal.SIGKILL)
    bench.simulator(MIXMINUS_SIMULATOR__BRAIN="script")
    bench.until_status(link, "reconnecting")
    bench.until_status(link, "ready")
    bench.until(lambda: len(final_captions(bench)) == 2)
    said, answered = final_captions(bench)
    assert (said["speaker"], said["text"]) == ("p-1", "Are you there?")
    assert answered["speaker"] == "assistant" and "Are you there?" in answered["text"]


def test_a_room_tells_the_mixer_its_epoch_is_left_and_its_host_is_ended(bench: BenchType) -> None:
    bench.settings.update(FAST)
    bench.simulator()
    host = bench.host()
    link = call(bench)
    bench.event({"type": "interrupt", "participant": "p-1"})
    bench.until(lambda: bench.epoch == 1)
    bench.starts.clear()
    bench.event({"type": "identify"})
    bench.until(lambda: bool(bench.starts))
    assert bench.starts[0].epoch == 1

    bench.router.send_multipart([link.encode(), encode_control(Leave(""))])
    bench.until(lambda: bool(bench.exits))
    assert (bench.exits[0].child, bench.exits[0].exit_code) == (link, 0)
    bench.until(lambda: bench.frames[-1][1].kind is Kind.STOP)
    assert bench.log.count("= over: hang-up") == 1

    bench.starts.clear()
    bench.frames.clear()
    call(bench)
    family = psutil.Process(host.process.pid).children(recursive=True)
    assert len(family) >= 3
    assert host.stop() == 0
    bench.until(lambda: not any(lives(process) for process in family))
    bench.until(lambda: bench.log.count("= over: hang-up") == 2)
    bench.until(lambda: bench.frames[-1][1].kind is Kind.STOP)


def test_an_idle_host_says_who_answers_and_refuses_to_guess(bench: BenchType) -> None:
    host = bench.host()
    bench.until(lambda: any(b.program == "openai_link" and b.ready for b in bench.beats))
    assert "the assistant is the local simulator" in host.log
    second = bench.host()
    assert second.process.wait(PATIENCE_S) == 1
    assert host.stop() == 0
    demanding = bench.host(MIXMINUS_OPENAI_LINK__UPSTREAM="openai")
    assert demanding.process.wait(PATIENCE_S) == 78
    assert "OPENAI_API_KEY" in demanding.log and "Traceback" not in demanding.log


class Refusing(BaseHTTPRequestHandler):
    """A server that answers every call with one prepared refusal."""

    status, body = 500, b"{}"
    requests: list[tuple[str, dict[str, str], bytes]]

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.requests.append((self.path, dict(self.headers), self.rfile.read(length)))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def refusing(status: int, error: dict[str, str]) -> Iterator[tuple[str, list[Any]]]:
    body = json.dumps({"error": error}).encode()
    handler = type("Handler", (Refusing,), {"status": status, "body": body, "requests": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", handler.requests  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()


def test_the_call_is_multipart_as_the_service_wants_it(bench: BenchType) -> None:
    bench.settings.update(FAST)
    error = {"code": "insufficient_quota", "message": "You exceeded your quota."}
    with refusing(429, error) as (url, requests):
        bench.host(OPENAI_API_KEY="sk-x", MIXMINUS_OPENAI_LINK__BASE_URL=url)
        link = bench.open()
        bench.roster("p-1")
        bench.until(lambda: bool(bench.events_of("error")))
        bench.pump(time.monotonic() + 0.8)
        assert bench.state(link).status == "failed"
    ((path, headers, body),) = requests
    assert path == "/v1/realtime/calls"
    assert headers["Authorization"] == "Bearer sk-x"
    assert headers["Content-Type"].startswith("multipart/form-data; boundary=")
    parts = body.split(b"--" + headers["Content-Type"].split("boundary=")[1].encode())[1:-1]
    by_name = {}
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        assert b"filename" not in head
        name = head.split(b'name="')[1].split(b'"')[0].decode()
        by_name[name] = (head.decode(), content.removesuffix(b"\r\n"))
    assert "Content-Type: application/sdp\r\n" in by_name["sdp"][0] + "\r\n"
    assert by_name["sdp"][1].startswith(b"v=0") and by_name["sdp"][1].endswith(b"\r\n")
    assert b"opus/48000/2" in by_name["sdp"][1] and b"PCMU" not in by_name["sdp"][1]
    assert "Content-Type: application/json" in by_name["session"][0]
    assert json.loads(by_name["session"][1])["type"] == "realtime"


def test_an_ephemeral_secret_opens_the_call(bench: BenchType) -> None:
    bench.settings.update(FAST)
    bench.simulator()
    bench.host(MIXMINUS_OPENAI_LINK__AUTH="ephemeral")
    link = call(bench)
    assert bench.state(link).upstream == "simulator"
