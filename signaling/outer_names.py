"""Which addresses the names in ``announce_address`` have. Sans-I/O.

Names are looked up again and again, because the address of a home changes. What a name led to last
stays while it cannot be looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mixer_core.runtime.outer_addresses import MAX_ANNOUNCED, is_outer

AGAIN_S = 60.0
"""Between two look-ups."""
RETRY_S = 10.0
"""After one that failed."""


class OuterNames:
    """The latest answer for each name."""

    def __init__(self, names: Sequence[str]) -> None:
        self._found: dict[str, tuple[str, ...]] = dict.fromkeys(names, ())
        self._problems: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """The names, in the order of the setting."""
        return list(self._found)

    @property
    def addresses(self) -> tuple[str, ...]:
        """What they lead to, none twice."""
        found = dict.fromkeys(one for addresses in self._found.values() for one in addresses)
        return tuple(found)[:MAX_ANNOUNCED]

    @property
    def warnings(self) -> list[str]:
        """What is wrong now, for ``/readyz``."""
        return list(self._problems.values())

    @property
    def wait_s(self) -> float:
        """Until the next look-up."""
        return RETRY_S if self._problems else AGAIN_S

    def answered(self, name: str, addresses: Iterable[str]) -> tuple[str, bool] | None:
        """A name leads to ``addresses``; returns what to log, and whether as a warning."""
        usable = tuple(sorted({one for one in addresses if is_outer(one)}))[:MAX_ANNOUNCED]
        if not usable:
            return self.failed(name, "it leads to no address that others can reach")
        was_wrong = self._problems.pop(name, "")
        if usable == self._found[name] and not was_wrong:
            return None
        self._found[name] = usable
        return f"browsers are told {', '.join(usable)} ({name})", False

    def failed(self, name: str, why: str) -> tuple[str, bool] | None:
        """A name cannot be looked up; returns what to log: once, until it can be again."""
        known = self._found[name]
        stays = f"{', '.join(known)} stays" if known else "browsers are not told of it"
        is_new = name not in self._problems
        self._problems[name] = (
            f"announce_address: {name} cannot be used ({why}): {stays}; it is tried again"
        )
        return (self._problems[name], True) if is_new else None
