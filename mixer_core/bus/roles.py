"""What a person may do in a room. Sans-I/O."""

from __future__ import annotations

from typing import Literal

Role = Literal["listen", "speak", "admin"]
ROLES: tuple[Role, ...] = ("listen", "speak", "admin")
"""In ascending order: each may do everything that those before it may."""


def at_least(role: Role, least: Role) -> bool:
    """Whether ``role`` includes what ``least`` may do."""
    return ROLES.index(role) >= ROLES.index(least)
