"""Makes brains, with the files that they need: the packaged greeting, a script."""

from __future__ import annotations

import wave
from functools import cache
from importlib import resources
from pathlib import Path

from ..engine.brain import Brain
from ..settings import SimulatorSettings
from .echo import EchoBrain
from .rules import ScriptError
from .script import ScriptBrain, packaged_script
from .tone import ToneBrain

GREETING_TEXT = "This is the mixminus simulator. Say something, and I will repeat it."


@cache
def greeting_pcm() -> bytes:
    """Return the packaged greeting: PCM16, 24 kHz mono."""
    asset = resources.files("openai_link.simulator").joinpath("assets/greeting.wav")
    with asset.open("rb") as file, wave.open(file, "rb") as recording:
        return recording.readframes(recording.getnframes())


def make_brain(config: SimulatorSettings) -> Brain:
    """Return the configured brain. Raises ScriptError, one line, for an invalid script."""
    if config.brain == "tone":
        return ToneBrain(config.tone_ms)
    if config.brain == "script":
        return ScriptBrain.parse(_script_text(config.script))
    return EchoBrain(greeting_pcm(), GREETING_TEXT, config.greeting)


def _script_text(path: str) -> str:
    if not path:
        return packaged_script()
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScriptError(f"{path} cannot be read: {error}") from error
