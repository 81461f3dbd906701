"""Looks up the names in ``announce_address``, at the start and again and again."""

from __future__ import annotations

import asyncio
import logging
import socket

from .outer_names import OuterNames

LOOK_UP_S = 8.0
"""Longest wait for one answer."""


class NameWatch:
    """One task for all names; none where there are no names."""

    def __init__(self, names: OuterNames, log: logging.LoggerAdapter[logging.Logger]) -> None:
        self._names = names
        self._log = log
        self._task: asyncio.Task[None] | None = None
        if names.names:
            self._task = asyncio.get_running_loop().create_task(self._watch())

    def close(self) -> None:
        """Look up no more."""
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        while True:
            for name in self._names.names:
                await self._look_up(name)
            await asyncio.sleep(self._names.wait_s)

    async def _look_up(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOK_UP_S):
                found = await loop.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
            told = self._names.answered(name, {str(entry[4][0]) for entry in found})
        except TimeoutError:
            told = self._names.failed(name, f"no answer within {LOOK_UP_S:g} s")
        except (OSError, UnicodeError) as error:
            told = self._names.failed(name, getattr(error, "strerror", None) or str(error))
        if told is not None:
            words, is_warning = told
            if is_warning:
                self._log.warning("! %s", words)
            else:
                self._log.info("= %s", words)
