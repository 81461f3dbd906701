"""How a room of a cluster is written. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mixer_core.cluster.settings import ClusterSettings


@dataclass(frozen=True, slots=True)
class ClusterRoom:
    """How a room of a cluster is written."""

    settings: ClusterSettings
    epoch: int
    """Of its ownership, from 1 on."""
    standby: bool = False
    """Another process has the room for now."""
    keep_days: int = 30
    """Age up to which a stream that is made for it keeps what was said."""
    on_stale: Callable[[str], None] = lambda words: None
    """Called on the loop once another process has the room for good."""
