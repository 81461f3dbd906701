"""Which of several addresses of a cluster a client asks. Sans-I/O."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import Refused, Unreachable

CONNECT_TIMEOUT_S = 2.0
"""For a TCP connection, where there is another address: one that is cut off does not refuse."""


class Ways:
    """Addresses of nodes, of which any takes any request; one of them is in use."""

    def __init__(self, bases: Sequence[str]) -> None:
        """``bases``: at least one, without a slash at the end; the first is used first."""
        self._bases = tuple(dict.fromkeys(bases))
        self._used = 0

    @property
    def base(self) -> str:
        """The one in use."""
        return self._bases[self._used]

    @property
    def all(self) -> tuple[str, ...]:
        """Each of them once."""
        return self._bases

    @property
    def are_several(self) -> bool:
        """Whether there is another one."""
        return len(self._bases) > 1

    def lost(self) -> None:
        """The call is gone: what led to it may be gone, too, so that the next one is used."""
        self._used = (self._used + 1) % len(self._bases)

    def failed(self, error: Refused | Unreachable) -> None:
        """An attempt has failed.

        Where the node did not answer, or cannot serve, the next one is used; a place in the line
        in front of a full gateway is kept where it was given.
        """
        if isinstance(error, Refused) and (error.ticket or error.status < 500):
            return
        self.lost()
