"""Who binds what, with which socket, how deep, and what happens when it is full.

=========  ==========  ============  =====================  ===================================
endpoint   bound by    bind/connect  high-water mark        when full
=========  ==========  ============  =====================  ===================================
audio_in   mixer_core  PULL / PUSH   10 messages each side  the sender drops the frame, counts
audio_out  mixer_core  PUB / SUB     32 messages each side  the mixer drops for that listener
control    signaling   ROUTER/DEALER 64 messages each side  dropped; states are repeated at 1 Hz
=========  ==========  ============  =====================  ===================================

All are ``ipc://`` sockets in the runtime directory (mode 0700). Nothing is queued for a peer that
is not there, so a restarted mixer is not handed stale audio. ``audio_out`` is deeper than
``audio_in`` because captions travel there too; subscribers discard stale audio.

On the audio sockets the programs speak ZeroMQ's wire protocol themselves (``audio_client``, and the
mixer's ``audio_server``); the depth is that of the kernel's send buffer. ``open_socket`` opens any
endpoint through libzmq: the control socket, and the audio sockets in tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import zmq

from ..runtime.bound_path import check_length
from ..runtime.errors import RuntimeDirError

_KERNEL_BYTES_PER_MESSAGE = 2_304
"""What Linux charges a local socket for a message of 984 bytes."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of the table."""

    name: str
    bind_type: int
    """ZeroMQ socket type of the one that binds."""
    connect_type: int
    """ZeroMQ socket type of those that connect."""
    high_water_mark: int
    """Messages queued per peer, on each side."""

    @property
    def file_name(self) -> str:
        """Name of the socket in the runtime directory."""
        return f"{self.name}.sock"

    @property
    def buffer_bytes(self) -> int:
        """Size of a kernel buffer that holds about as many audio messages."""
        return self.high_water_mark * _KERNEL_BYTES_PER_MESSAGE

    def path(self, runtime_dir: Path) -> Path:
        """File of the socket. Raises RuntimeDirError where the path is too long for a socket."""
        path = runtime_dir / self.file_name
        check_length(path)
        return path

    def url(self, runtime_dir: Path) -> str:
        """``ipc://`` address. Raises RuntimeDirError where the path is too long for a socket."""
        return f"ipc://{self.path(runtime_dir)}"


AUDIO_IN = Endpoint("audio_in", zmq.PULL, zmq.PUSH, 10)
AUDIO_OUT = Endpoint("audio_out", zmq.PUB, zmq.SUB, 32)
CONTROL = Endpoint("control", zmq.ROUTER, zmq.DEALER, 64)
ENDPOINTS = (AUDIO_IN, AUDIO_OUT, CONTROL)


def open_socket(
    context: zmq.Context[zmq.Socket[bytes]],
    endpoint: Endpoint,
    runtime_dir: Path,
    side: Literal["bind", "connect"],
    identity: str = "",
) -> zmq.Socket[bytes]:
    """A socket of ``endpoint``, connected or bound.

    ``identity`` names a DEALER (≤ 255 bytes). A SUB socket subscribes to nothing yet.
    Raises RuntimeDirError when the address cannot be bound.
    """
    url = endpoint.url(runtime_dir)
    socket = prepared_socket(context, endpoint, side, identity)
    try:
        if side == "connect":
            socket.connect(url)
        else:
            socket.bind(url)
    except zmq.ZMQError as error:
        socket.close()
        raise RuntimeDirError(f"cannot bind {url}: {error.strerror}") from error
    return socket


def prepared_socket(
    context: zmq.Context[zmq.Socket[bytes]],
    endpoint: Endpoint,
    side: Literal["bind", "connect"],
    identity: str = "",
) -> zmq.Socket[bytes]:
    """The same, neither connected nor bound yet."""
    socket = context.socket(endpoint.bind_type if side == "bind" else endpoint.connect_type)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, endpoint.high_water_mark)
    socket.setsockopt(zmq.RCVHWM, endpoint.high_water_mark)
    if identity:
        socket.setsockopt(zmq.IDENTITY, identity.encode())
    if side == "connect":
        socket.setsockopt(zmq.IMMEDIATE, 1)
        socket.setsockopt(zmq.RECONNECT_IVL, 20)
    elif endpoint.bind_type == zmq.ROUTER:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
    return socket


def readable(socket: zmq.Socket[bytes]) -> bool:
    """Whether a message waits; reading this re-arms the edge-triggered file descriptor."""
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)


def try_send(socket: zmq.Socket[bytes], message: bytes) -> bool:
    """Send without waiting; False where the queue is full or nobody is connected."""
    try:
        socket.send(message, zmq.NOBLOCK)
    except zmq.Again:
        return False
    return True
