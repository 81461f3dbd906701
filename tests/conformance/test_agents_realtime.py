"""OpenAI's SDK for browsers, unmodified, in a real Chromium: one call, by WebRTC."""

from __future__ import annotations

import base64
import functools
import http.server
import io
import json
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.oracle import check_all
from tests.conformance.process import SimulatorProcess
from tests.support import audio
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.browser

SDK_MODEL = "gpt-realtime-2.1"
"""The SDK's default, which it repeats in ``session.update``: a session cannot change its model."""
HEARD_MS = 2_000
"""So much of a story is played before somebody interrupts: where not a single word was heard, the
SDK keeps the whole text."""
SCRIPT = """
[[recognition]]
text = "Somebody speaks."
[[rule]]
on = "output"
say = "The tool says: {output}"
length_ms = 600
[[rule]]
on = "typed"
match = "time"
[[rule.call]]
name = "get_time"
arguments = { place = "Bern" }
[[rule]]
on = "typed"
match = "story"
say = "This story is long. It goes on and on, and nobody knows where it will end."
length_ms = 12000
[[rule]]
on = "any"
say = "I heard you."
length_ms = 600
"""


def spoken_words() -> str:
    """The first words of the sentence, as WAV in base64."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(audio.RATE_HZ)
        writer.writeframes(audio.to_pcm(audio.read_wav(audio.SENTENCE)[: audio.RATE_HZ]))
    return base64.b64encode(file.getvalue()).decode("ascii")


@pytest.fixture
def site(sdk_page: Path) -> Iterator[str]:
    """The page's address: another origin than the simulator's."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(sdk_page))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


class SdkPage:
    """What the page has seen."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def wait(self, condition: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until an expression over ``log`` holds."""
        try:
            self.page.wait_for_function(
                f"(() => {{ const {{ log }} = window; return {condition}; }})()",
                timeout=timeout_s * 1_000,
            )
        except Exception as error:
            kinds = [event["type"] for event in self.log()["events"]]
            raise AssertionError(f"{condition}: {kinds} {self.log()['errors']}") from error

    def wait_for(self, kind: str, count: int = 1, timeout_s: float = PATIENCE_S) -> None:
        self.wait(f"log.events.filter((e) => e.type === '{kind}').length >= {count}", timeout_s)

    def speak(self) -> None:
        """Say some words into the microphone."""
        self.page.evaluate(f"speak('{spoken_words()}')")

    def log(self) -> Any:
        return self.page.evaluate("window.log")

    def energy(self) -> float:
        return float(self.page.evaluate("window.heard()")["energy"])

    def said(self) -> list[str]:
        """What the SDK's own history holds of the assistant."""
        messages = [m for m in self.log()["history"] if m.get("role") == "assistant"]
        return [part.get("transcript") or "" for m in messages for part in m["content"]]


def test_a_spoken_turn_a_function_call_and_a_barge_in(
    open_browser: Callable[[Path | None], Any],
    site: str,
    short_dir: Path,
) -> None:
    script = short_dir / "script.toml"
    script.write_text(SCRIPT, encoding="utf-8")
    flags = ("--brain", "script", "--script", str(script))
    with SimulatorProcess(short_dir, *flags) as simulator:
        secrets = f"{simulator.base_url}/realtime/client_secrets"
        wanted = {"session": {"type": "realtime", "model": SDK_MODEL}}
        key = simulator.post(secrets, json.dumps(wanted))["value"]
        page = open_browser(None).new_page()
        page.goto(site)
        page.evaluate(f"start('{simulator.base_url}/realtime/calls', '{key}')")
        sdk = SdkPage(page)
        check_spoken_turn(sdk)
        check_function_call(sdk)
        check_barge_in(sdk)
        check_stop_button(sdk)
        log = sdk.log()
        assert log["errors"] == []
        check_all([e for e in log["events"] if e.get("event_id") and e["type"] in SERVER_TYPES])
        [call] = simulator.get("/simulator/calls")["calls"]
        assert call["rtp"]["received"] > 200
        page.evaluate("session.close()")


SERVER_TYPES = {
    "session.created",
    "session.updated",
    "response.created",
    "response.done",
    "output_audio_buffer.started",
    "output_audio_buffer.stopped",
    "output_audio_buffer.cleared",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.truncated",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
}


def check_spoken_turn(sdk: SdkPage) -> None:
    sdk.speak()
    sdk.wait_for("input_audio_buffer.speech_started")
    sdk.wait_for("output_audio_buffer.stopped")
    assert sdk.energy() > 0.001
    assert "[simulator] I heard you." in sdk.said()


def check_function_call(sdk: SdkPage) -> None:
    sdk.page.evaluate("session.sendMessage('What time is it?')")
    sdk.wait_for("output_audio_buffer.stopped", 2)
    assert sdk.log()["toolCalls"] == ["Bern"]
    assert any("The tool says: It is 12:34." in said for said in sdk.said())


def check_barge_in(sdk: SdkPage) -> None:
    sdk.page.evaluate("session.sendMessage('Tell me a story.')")
    sdk.wait_for("output_audio_buffer.started", 3)
    assert "output_audio_buffer.cleared" not in {e["type"] for e in sdk.log()["events"]}
    sdk.wait_for("response.done", 4)  # It is generated much faster than it is played.
    sdk.page.wait_for_timeout(HEARD_MS)
    sdk.speak()
    sdk.wait_for("output_audio_buffer.cleared")
    sdk.wait_for("conversation.item.truncated")
    sdk.wait_for("input_audio_buffer.committed", 2)
    events = sdk.log()["events"]
    cut = next(e for e in events if e["type"] == "conversation.item.truncated")
    assert 0 < cut["audio_end_ms"] < 12_000
    whole = next(
        e["transcript"]
        for e in events
        if e["type"] == "response.output_audio_transcript.done" and e["item_id"] == cut["item_id"]
    )
    sdk.wait(f"!log.history.some((m) => m.content?.some((p) => p.transcript === '{whole}'))")


def check_stop_button(sdk: SdkPage) -> None:
    """The SDK's own way to interrupt."""
    sdk.wait_for("output_audio_buffer.stopped", 3)
    sdk.page.evaluate("session.sendMessage('Tell me a story.')")
    sdk.wait_for("output_audio_buffer.started", 5)
    sdk.page.evaluate("session.interrupt()")
    sdk.wait_for("output_audio_buffer.cleared", 2)
