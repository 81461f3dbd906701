"""Imported once by the fork server: everything that a child needs, warmed, then frozen.

Nothing live may exist here afterwards: no event loop, no ZeroMQ context, no codec, no thread.
"""

from __future__ import annotations

import gc
import os

from mixer_core.patches.aioice import names

with names.when_needed():
    from . import child
    from .rehearsal import rehearse

__all__ = ["PRELOADED_PID", "child"]

PRELOADED_PID = os.getpid()
"""The fork server's process id: a child that sees its own was not preloaded."""

gc.freeze()  # So that only what the rehearsal has left is looked at.
rehearse()
gc.collect()
gc.freeze()
