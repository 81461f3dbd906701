"""An answer that is wanted once nobody speaks: with the turn that is being spoken. Sans-I/O.

It is asked for when that turn is committed. Where it ends and nothing is committed, such as after a
cough, or where only the quiet says that it is over, it is asked for ``COMMIT_NS`` later.
"""

from __future__ import annotations

from mixer_core.runtime.units import S_NS

COMMIT_NS = 1 * S_NS
"""A turn is committed within this after its end, or not at all."""


class LaterAnswer:
    """Of one call."""

    def __init__(self) -> None:
        self.is_wanted = False
        """Somebody waits for it."""
        self._due_ns: int | None = None
        """When to ask for it, since nobody speaks; None: somebody does."""

    def want(self, now_ns: int | None = None) -> None:
        """It is wanted with the turn that is being spoken.

        ``now_ns``: nobody is heard, but somebody may go on: then as if they had stopped by then.
        """
        self.is_wanted = True
        if now_ns is not None:
            self._due_ns = now_ns + COMMIT_NS

    def speech_started(self) -> None:
        """Somebody goes on, or another one begins."""
        self._due_ns = None

    def speech_stopped(self, now_ns: int) -> None:
        """Nobody speaks: a commit may follow."""
        self._due_ns = now_ns + COMMIT_NS if self.is_wanted else None

    def take(self) -> bool:
        """Whether it is wanted: it is asked for now, or not wanted any more."""
        was_wanted, self.is_wanted = self.is_wanted, False
        self._due_ns = None
        return was_wanted

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits for a time."""
        return self._due_ns

    def tick(self, now_ns: int) -> bool:
        """The time-out was reached, perhaps: whether to ask for it."""
        return self._due_ns is not None and now_ns >= self._due_ns and self.take()
