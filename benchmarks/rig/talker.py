"""One voice in noise, what the assistant hears of it, and how far that is from the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mixer_core.bus.pcm import FRAME_MS, SAMPLE_RATE_HZ
from mixer_core.settings import MixerCoreSettings

from . import spoken
from .mixer_table import Heard, listen
from .spoken import Sound

FRAMES_PER_S = 1_000 // FRAME_MS
BEGIN_S = 1.0
"""Noise alone before the first word."""
LEARNED_S = 3.0
"""From the first word on; then the target counts."""
PAUSE_S = 0.3
"""After a pause of this length the gate is closed."""
TOLERANCE_DB = 3.0


class Talker:
    """One voice in noise, and what the assistant heard of it."""

    def __init__(self, clean: Sound, noise: Sound, settings: MixerCoreSettings) -> None:
        self.sent = np.clip(clean + noise, -1, 1)
        self.heard: Heard = listen(self.sent, settings)
        frames = len(self.heard.gain_db)
        self.noise_dbfs = spoken.rms_dbfs(noise)
        self._active = spoken.is_active(clean)[:frames]
        self._late = np.arange(frames) >= (BEGIN_S + LEARNED_S) * FRAMES_PER_S

    @property
    def speech_dbfs(self) -> float:
        """Loudness of what was heard of the speech after it was learned."""
        return spoken.dbfs(spoken.power(self.heard.sound)[self._active & self._late].mean())

    @property
    def movement_db(self) -> float:
        """Between the largest and the smallest gain after it was learned."""
        return float(np.ptp(self.heard.gain_db[self._late]))

    @property
    def learned_s(self) -> float:
        """From the first word on; then the gain stays within 3 dB of its last value."""
        off = np.abs(self.heard.gain_db - self.heard.gain_db[-1]) > TOLERANCE_DB
        return (np.flatnonzero(off)[-1] + 1) / FRAMES_PER_S - BEGIN_S if off.any() else 0.0

    @property
    def lift_db(self) -> float:
        """How much louder the noise is in the last half second, where nobody speaks."""
        return spoken.rms_dbfs(self.heard.sound[-SAMPLE_RATE_HZ // 2 :]) - self.noise_dbfs

    @property
    def onset_loss_db(self) -> float:
        """What the gate takes of the first 20 ms of words after 0.3 s of silence, once it works."""
        quiet_frames = int(PAUSE_S * FRAMES_PER_S)
        onsets = [
            frame
            for frame in np.flatnonzero(self._active & self._late)
            if not self._active[frame - quiet_frames : frame].any()
        ]
        whole = spoken.power(self.sent)[onsets] * 10 ** (self.heard.gain_db[onsets] / 10)
        heard = spoken.power(self.heard.sound)[onsets]
        return spoken.dbfs(whole.sum()) - spoken.dbfs(heard.sum()) if onsets else 0.0

    @property
    def clipped(self) -> int:
        """Samples at full scale that were not there before."""
        heard = self.heard.sound
        return int(np.sum((np.abs(heard) > 0.9999) & (np.abs(self.sent[: len(heard)]) < 0.999)))

    def panel(self) -> Mapping[str, Sequence[float]]:
        """For the picture."""
        return {
            "sent": [spoken.dbfs(value) for value in spoken.power(self.sent)],
            "heard": [spoken.dbfs(value) for value in spoken.power(self.heard.sound)],
            "learned gain": list(self.heard.gain_db),
        }
