"""Recordings of the input."""

from __future__ import annotations

import wave
from pathlib import Path

from openai_link.simulator.media.recorder import Recorder
from tests.openai_link.simulator.support import constant


def test_the_recording_can_be_read_while_it_grows(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "deep" / "call.wav")
    recorder.write(constant(1_500))
    with wave.open(str(recorder.path), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (24_000, 1, 36_000)
    recorder.write(constant(20))
    recorder.close()
    with wave.open(str(recorder.path), "rb") as file:
        assert file.readframes(40_000) == constant(1_520)
