"""What becomes of one person's voice on its way to the others: heard, then passed on. Sans-I/O.

A chain belongs to one browser's stream; links have none, since the assistant's voice is passed on
as it came. For each frame of a slot ``Room`` calls ``listen``, then whoever decides about several
streams at once may set ``duck_db``, and then ``passed`` is what the others hear. Where there is
nothing to do that is the frame itself, bit for bit.
"""

from __future__ import annotations

import numpy as np

from . import kernels, voice_kernels
from .bus.pcm import FRAME_SAMPLES
from .settings import MixerCoreSettings
from .voice_kernels import (
    DUCK,
    FLOOR,
    GAIN,
    GATE_DEPTH,
    LEARNED,
    LEAST_GAIN,
    LEVEL,
    LOUDNESS,
    MOST_GAIN,
    RULES,
    SPEECH,
    TARGET,
    VOICE,
    WANTED,
    WORDS,
    Row,
)
from .voice_memory import Learned


def rules_of(settings: MixerCoreSettings) -> Row:
    """What the settings want of every voice."""
    rules = np.zeros(RULES)
    rules[TARGET] = settings.speech_target_dbfs
    if settings.auto_gain:
        rules[MOST_GAIN], rules[LEAST_GAIN] = settings.max_gain_db, -settings.max_cut_db
    rules[GATE_DEPTH] = settings.noise_gate_db
    return rules


class VoiceChain:
    """The voice of one stream."""

    __slots__ = ("_octets", "_out", "_pcm", "_rules", "_tally", "_wide", "row")

    def __init__(self, rules: Row | None = None, learned: Learned | None = None) -> None:
        """A voice that nobody has heard.

        ``rules``: see ``rules_of``, shared by all chains; without them only ``duck_db`` changes
        anything. ``learned``: what another mixer knew of
        it; the gain begins there.
        """
        self._rules = np.zeros(RULES) if rules is None else rules
        self.row: Row = voice_kernels.new_row()
        """Everything that lasts, for kernels; the fields are in ``voice_kernels``."""
        if learned is not None:
            voice_kernels.restore(
                self.row,
                learned.gain_db,
                learned.loudness_dbfs,
                learned.words,
                learned.floor_dbfs,
            )
        self._tally: kernels.Tally = np.zeros(3, np.int64)
        self._pcm = np.zeros(FRAME_SAMPLES, np.int16)
        self._octets = self._pcm.data.cast("B")
        self._wide = np.zeros(FRAME_SAMPLES, np.int32)
        self._out = np.zeros(FRAME_SAMPLES, np.int16)

    @property
    def level_dbfs(self) -> float:
        """Of the last frame as it came (-100 … 0): 0 is a full-scale square wave."""
        return float(self.row[LEVEL])

    @property
    def voice_dbfs(self) -> float:
        """The same above 120 Hz, where speech is: what is compared with the floor."""
        return float(self.row[VOICE])

    @property
    def floor_dbfs(self) -> float:
        """The noise floor above 120 Hz (-80 … 0)."""
        return float(self.row[FLOOR])

    @property
    def is_speech(self) -> bool:
        """Somebody speaks.

        On from the third frame of an utterance (its begin is 40 to 80 ms past); off 0.3 s after
        its last frame, or with the spurt.
        """
        return bool(self.row[SPEECH])

    @property
    def gain_db(self) -> float:
        """That the last frame had at its end, all attenuations included."""
        return float(self.row[GAIN])

    @property
    def learned(self) -> Learned | None:
        """For the next mixer; None: nothing yet."""
        row = self.row
        if not row[WORDS]:
            return None
        return Learned(*(float(row[field]) for field in (LEARNED, LOUDNESS, WORDS, FLOOR)))

    @property
    def duck_db(self) -> float:
        """How much somebody outside of the chain holds this voice back, in dB: -100 … 0.

        Set between ``listen`` and ``passed`` it counts for this frame; it stays until it is set
        again. The gain moves from the old to the new value within the frame.
        """
        return float(self.row[DUCK])

    @duck_db.setter
    def duck_db(self, duck_db: float) -> None:
        row = self.row
        row[WANTED] += duck_db - row[DUCK]
        row[DUCK] = duck_db

    def listen(self, pcm: bytes, tally: kernels.Tally, *, learns: bool = True) -> None:
        """Hear one frame of 960 bytes; ``learns``: it may teach how loud the talker is.

        Its energy is added to ``tally``, where ``passed`` turns it into that of what others hear.
        """
        self._tally = tally
        self._octets[:] = pcm
        voice_kernels.listen(self._pcm, tally, self.row, self._rules, learns)

    def conceal(self, pcm: bytes, tally: kernels.Tally) -> None:
        """The same with a frame that was invented for a lost one: nothing is learned of it."""
        self._octets[:] = pcm
        self._tally = tally
        kernels.meter(self._pcm, tally)

    def passed(self, pcm: bytes) -> bytes:
        """What others hear of ``pcm``, the frame that was heard last."""
        row = self.row
        if not row[WANTED] and not row[GAIN]:
            return pcm
        voice_kernels.amplify(self._pcm, row, self._wide, self._tally)
        kernels.limit(self._wide, self._out)
        return self._out.tobytes()

    def pause(self) -> None:
        """The stream says that it is silent: nobody speaks."""
        voice_kernels.pause(self.row)
