"""Imported once by the fork server: everything that a child needs, warmed, then frozen.

A child forked from here answers an offer without importing anything. Nothing live may exist when
children are forked: no event loop, no ZeroMQ context, no open codec.
"""

from __future__ import annotations

import gc
import os

from . import child, host
from .rehearsal import rehearse

__all__ = ["PRELOADED_PID", "child", "host"]

PRELOADED_PID = os.getpid()
"""The fork server's process id: a child that sees its own was not preloaded."""

gc.freeze()  # So that only what the rehearsal has left is looked at.
rehearse()
gc.collect()
gc.freeze()
