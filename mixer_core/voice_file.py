"""The file in the runtime directory that holds what the working mixer leaves to the next one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from .runtime.files import PRIVATE, read_file
from .voice_memory import NOTHING, Memory, pack, unpack

NAME = "mixer_voices"
MAX_BYTES = 64 << 10
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class VoiceFile:
    """Written once a second while it changes. It is only a help: nothing depends on it."""

    def __init__(self, runtime_dir: Path, memory: Callable[[], Memory]) -> None:
        """``memory``: what the mixer knows by now."""
        self._path = runtime_dir / NAME
        self._memory = memory
        self._written = b""
        self._trouble = ""

    def read(self) -> Memory:
        """What the mixer before this one knew; nothing where it cannot be read."""
        with contextlib.suppress(OSError):
            return unpack(read_file(self._path, MAX_BYTES))
        return NOTHING

    def renew(self) -> str:
        """Write what has changed. Returns what is wrong, once; empty: nothing new."""
        content = pack(self._memory())
        if content == self._written:
            return ""
        trouble = ""
        try:
            descriptor = os.open(self._path, _FLAGS, PRIVATE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            self._written = content
        except OSError as error:
            trouble = f"{self._path} cannot be written ({error.strerror}): if this mixer ends, the "
            trouble += "next one has to learn again how loud everybody is and who plays in a place"
        said, self._trouble = self._trouble, trouble
        return trouble if trouble != said else ""
