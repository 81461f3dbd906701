"""Sections of one kind under names of their own: ``[rooms.kitchen]``, ``[rooms.garage]``."""

from __future__ import annotations

from typing import Any, ClassVar


class NamedSections(dict[str, dict[str, Any]]):
    """Name → the keys that its section sets, checked, and no others; never changed once made.

    A section that leaves a key out says nothing of it, which is not the same as its default. So
    keys are kept as they were set, and whoever reads them says where the others come from.
    """

    entry: ClassVar[type[Any]]
    """The dataclass that declares the keys."""

    @staticmethod
    def name_refusal(name: str) -> str:
        """Why no section can have this name; empty: one can."""
        raise NotImplementedError
