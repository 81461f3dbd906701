"""Imported once by the fork server: everything a link child needs, warmed, then frozen.

Nothing live may exist here afterwards: no event loop, no ZeroMQ context, no codec, no thread.
"""

from __future__ import annotations

import gc
import os

import av
import zmq

from . import child
from .media import opus
from .rehearsal import rehearse

__all__ = ["PRELOADED_PID", "av", "child", "opus", "zmq"]

PRELOADED_PID = os.getpid()
"""The fork server's process id: a child that sees its own was not preloaded."""

rehearse()
gc.collect()
gc.freeze()
