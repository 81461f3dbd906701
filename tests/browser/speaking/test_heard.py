"""Barge-in: what the model believes was heard, against what the browser really played.

The assistant's replies are long tones; the microphone speaks over each of them after another
while. The length of each tone in a recording of the page's output is compared with the shortest
``audio_end_ms`` of ``conversation.item.truncated`` for that reply.
``MIXMINUS_BARGE_IN_TRIALS`` sets the number of trials (20 for a measurement).
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.sideband import Sideband
from tests.browser.support import Recording, joined, open_microphone
from tests.support import audio
from tests.support.gateway import Gateway
from tests.support.waiting import wait_until

TRIALS = int(os.environ.get("MIXMINUS_BARGE_IN_TRIALS", "3"))
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300 + 10 * TRIALS)]

BURST_S = 0.9
GAPS_S = (2.9, 2.31, 3.47, 2.63, 3.11, 2.05, 3.73)
"""Between two bursts of speech; the answer begins some 0.6 s after a burst."""
LEAD_IN_S = 1.5
SPARE = 3
"""More bursts than needed: the first ones may come before the microphone is open."""
LOUD = 0.02
FULL = 0.85
"""Of a tone's level. What is below fades: the page fades the last period into an underrun."""
CUT_OFF_MS = """() => window.mixminus.events
    .filter((e) => e.type === 'played' && e.why === 'flush' && e.playedMs > 0)
    .map((e) => e.playedMs)"""
"""What the page had played of each reply that was cut off."""
REFILL_S = 0.4
"""A shorter silence inside a tone is an underrun, not its end."""


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After some seconds of silence, a burst of speech for each reply and to interrupt the last."""
    speech = audio.read_wav(audio.SENTENCE)
    loudest = int(np.argmax(np.convolve(speech**2, np.ones(9600), "same")))
    start = max(0, min(loudest - 9600, len(speech) - int(BURST_S * audio.RATE_HZ)))
    burst = speech[start : start + int(BURST_S * audio.RATE_HZ)]
    pieces = [np.zeros(int(LEAD_IN_S * audio.RATE_HZ))]
    for trial in range(TRIALS + 1 + SPARE):
        pieces += [burst, np.zeros(int(GAPS_S[trial % len(GAPS_S)] * audio.RATE_HZ))]
    path = tmp_path_factory.mktemp("microphone") / "bursts.wav"
    audio.write_wav(path, np.concatenate(pieces))
    return path


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway(
        OPENAI_LINK__GREET=0,
        OPENAI_LINK__TRANSPORT="webrtc",
        SIMULATOR__BRAIN="tone",
        SIMULATOR__TONE_MS=8000,
    ) as gateway:
        yield gateway


def tones_ms(recording: audio.Samples) -> list[float]:
    """Length of each tone, underruns left out."""
    window = audio.RATE_HZ // 200
    peak = np.abs(recording)[: len(recording) // window * window].reshape(-1, window).max(axis=1)
    loud = np.flatnonzero(peak > FULL * np.median(peak[peak > LOUD]))
    breaks = np.flatnonzero(np.diff(loud) > REFILL_S * 200) + 1
    return [len(run) * 5.0 for run in np.split(loud, breaks) if len(run) > 40]


def heard_ms(sideband: Sideband) -> list[int]:
    """Where each interrupted reply ends for the model, in the order of speaking."""
    ends: dict[str, int] = {}
    for event in sideband.of_type("conversation.item.truncated"):
        ends[event["item_id"]] = min(
            event["audio_end_ms"], ends.get(event["item_id"], event["audio_end_ms"])
        )
    return list(ends.values())


def is_quiet(sideband: Sideband) -> bool:
    """Whether the burst that interrupted is over: until then, reports may shorten the reply."""
    started, stopped = (
        len(sideband.of_type(f"input_audio_buffer.speech_{what}"))
        for what in ("started", "stopped")
    )
    return started == stopped


def test_the_model_knows_what_the_browser_has_played(
    gateway: Gateway, open_browser: Callable[..., Any], microphone: Path
) -> None:
    page = joined(gateway, open_browser(microphone), "room=heard&name=Ada&raw=1&talk=hold")
    recording = Recording(page)
    with Sideband(gateway) as sideband:
        open_microphone(page)
        wait_until(
            lambda: len(heard_ms(sideband)) >= TRIALS and is_quiet(sideband),
            "too few replies were interrupted",
            lambda: sideband.events,
            turn=lambda: page.wait_for_timeout(100),
        )

        def more_ms() -> list[float]:
            """How much more the model believes than the page says, whose last word may be late.

            Where a busy machine makes it later than the gateway waits, the model believes less.
            """
            pairs = zip(heard_ms(sideband)[:TRIALS], page.evaluate(CUT_OFF_MS), strict=False)
            return [model - page_says for model, page_says in pairs]

        wait_until(
            lambda: len(more_ms()) == TRIALS and max(more_ms()) <= 20 and max(more_ms()) >= -20,
            "the model believes what was not played, or never what was",
            lambda: (heard_ms(sideband), page.evaluate(CUT_OFF_MS)),
            turn=lambda: page.wait_for_timeout(100),
        )
        ends_ms = heard_ms(sideband)[:TRIALS]
    played_ms = tones_ms(recording.output())[:TRIALS]
    errors_ms = [end - played for end, played in zip(ends_ms, played_ms, strict=False)]
    median_ms = statistics.median(abs(error) for error in errors_ms)
    worst_ms = max(errors_ms, key=abs)
    playback = page.evaluate("() => window.mixminus.stats().playback")
    print({"trials": TRIALS, "median_ms": median_ms, "worst_ms": worst_ms}, playback)
    if not playback["underruns"]:  # They spoil a recording; a busy machine has some.
        assert min(abs(error) for error in errors_ms) <= 20, errors_ms
    captions = page.evaluate("() => window.mixminus.state().captions")
    cut = [line for line in captions if line["speaker"] == "assistant" and line.get("interrupted")]
    assert len(cut) >= TRIALS, "people see where it ended"
