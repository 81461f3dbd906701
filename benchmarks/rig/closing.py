"""What a ``with`` block starts and closes."""

from __future__ import annotations

from typing import Self


class Closing:
    """``with`` starts it; it is closed at the end, and if starting fails."""

    def start(self) -> None:
        """Begin; ``close`` must be able to clean up after a part of it."""

    def close(self) -> None:
        """End it, whatever its state."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *details: object) -> None:
        self.close()
