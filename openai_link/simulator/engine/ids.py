"""Identifiers in the format of the real service. Sans-I/O: the caller passes the randomness."""

from __future__ import annotations

import string
from typing import Protocol

_BASE62 = (string.digits + string.ascii_uppercase + string.ascii_lowercase).encode()
_LETTER_OF = bytes(_BASE62[min(61, byte >> 2)] for byte in range(256))
"""The character that the upper six bits of a random byte choose."""
_NO_LETTER = bytes(range(4 * len(_BASE62), 256))
"""Bytes that choose none, so that all characters are equally likely."""


class RandomSource(Protocol):
    """The part of ``random.Random`` that is needed; a seeded one makes a session repeatable."""

    def randrange(self, stop: int, /) -> int:
        """Return an integer from 0 to ``stop - 1``."""

    def getrandbits(self, count: int, /) -> int:
        """Return an integer of ``count`` random bits."""


class IdMint:
    """Makes ids such as ``item_`` + 21 letters and digits."""

    def __init__(self, random: RandomSource) -> None:
        self._random = random

    def make(self, prefix: str, length: int = 21) -> str:
        """Return ``prefix``, an underscore, and ``length`` base-62 characters."""
        return f"{prefix}_{self.letters(length)}"

    def buffer_event_id(self) -> str:
        """Return an event id as ``output_audio_buffer`` events have it: 16 hexadecimal digits."""
        return "event_" + "".join(f"{self._random.randrange(16):x}" for _ in range(16))

    def obfuscation(self) -> str:
        """Return the random padding of delta events, 8 to 15 characters."""
        return self.letters(8 + self._random.randrange(8))

    def letters(self, length: int) -> str:
        """Return ``length`` base-62 characters."""
        made = b""
        while len(made) < length:
            missing = length - len(made)
            words = self._random.getrandbits(32 * missing).to_bytes(4 * missing, "little")
            made += words[3::4].translate(_LETTER_OF, _NO_LETTER)
        return made.decode()
