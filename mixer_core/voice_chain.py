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
from .voice_kernels import DUCK, FLOOR, GAIN, LEVEL, SPEECH, VOICE, WANTED, Row


class VoiceChain:
    """The voice of one stream."""

    __slots__ = ("_octets", "_out", "_pcm", "_wide", "row")

    def __init__(self) -> None:
        self.row: Row = voice_kernels.new_row()
        """Everything that lasts, for kernels; the fields are in ``voice_kernels``."""
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

    def listen(self, pcm: bytes, tally: kernels.Tally) -> None:
        """Hear one frame of 960 bytes, and add its energy to ``tally``."""
        self._octets[:] = pcm
        voice_kernels.listen(self._pcm, tally, self.row)

    def passed(self, pcm: bytes) -> bytes:
        """What others hear of ``pcm``, the frame that was listened to last."""
        row = self.row
        if not row[WANTED] and not row[GAIN]:
            return pcm
        voice_kernels.amplify(self._pcm, row, self._wide)
        kernels.limit(self._wide, self._out)
        return self._out.tobytes()

    def pause(self) -> None:
        """The stream says that it is silent: nobody speaks."""
        voice_kernels.pause(self.row)
