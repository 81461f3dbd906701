"""Imported once by the fork server: everything a link child needs, warmed, then frozen.

Nothing live may exist here: no event loop, no ZeroMQ context, no codec, no thread.
"""

from __future__ import annotations

import gc
import os

import aiohttp
import aiortc
import av
import uvloop
import zmq

from . import child, opus
from .aiortc_media import check_versions

PRELOADED_PID = os.getpid()
"""The fork server's process id: a child that sees its own was not preloaded."""

LOADED = (aiohttp, aiortc, av, uvloop, zmq, child)

check_versions()
opus.library()
aiortc.RTCCertificate.generateCertificate()
gc.collect()
gc.freeze()
