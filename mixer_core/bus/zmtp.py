"""ZeroMQ's wire format: greeting, READY, messages, subscriptions. Sans-I/O.

ZMTP 3.0 with the NULL mechanism (rfc.zeromq.org/spec/23), as far as PUSH, PULL, PUB and SUB over a
local socket need it; libzmq can be at the other end. It saves libzmq's I/O thread, which would be
woken once more in every process for each frame in and each frame out.
"""

from __future__ import annotations

from ..runtime.errors import FrameError

MAX_MESSAGE_BYTES = 64 * 1024
"""A longer message is refused; the largest of ours is 16 KiB and a header."""
GREETING_BYTES = 64
GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)
"""Signature, version 3.0, mechanism, as-server, filler."""

_MORE, _LONG, _COMMAND = 1, 2, 4
_LONG_HEADER_BYTES = 9
_READY = b"\x05READY"


def hello(socket_type: str) -> bytes:
    """What one end (``PUSH``, ``PULL``, ``PUB`` or ``SUB``) says first, in one piece.

    Messages must wait until the other end is ready: libzmq refuses earlier ones.
    """
    name = socket_type.encode()
    ready = _READY + b"\x0bSocket-Type" + len(name).to_bytes(4, "big") + name
    return GREETING + bytes((_COMMAND, len(ready))) + ready


def subscribe(topic: bytes) -> bytes:
    """The message by which a SUB asks for everything that begins with ``topic``."""
    return b"\x01" + topic


def encode(message: bytes) -> bytes:
    """One message of one part."""
    size = len(message)
    if size < 256:
        return bytes((0, size)) + message
    return b"\x02" + size.to_bytes(8, "big") + message


class Parser:
    """Cuts what comes from one peer into messages."""

    def __init__(self) -> None:
        self._buffer = b""
        self._greeted = False
        self.is_ready = False
        """The peer has sent everything that precedes messages."""

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that ``data`` completes, one per part; commands are left out.

        Raises FrameError where the peer speaks another protocol; the connection is then useless.
        """
        if not self._greeted:
            data = self._skip_greeting(data)
            if not self._greeted:
                return []
        elif not self._buffer and _is_one_long_message(data):
            return [data[_LONG_HEADER_BYTES:]]
        return self._cut(self._buffer + data if self._buffer else data)

    def _skip_greeting(self, data: bytes) -> bytes:
        self._buffer += data
        if len(self._buffer) < GREETING_BYTES:
            return b""
        greeting, rest = self._buffer[:GREETING_BYTES], self._buffer[GREETING_BYTES:]
        if greeting[0] != 0xFF or greeting[10] < 3 or greeting[12:32].rstrip(b"\0") != b"NULL":
            raise FrameError("a peer on an audio socket does not speak ZMTP 3 with NULL security")
        self._buffer, self._greeted = b"", True
        return rest

    def _cut(self, data: bytes) -> list[bytes]:
        messages: list[bytes] = []
        offset, end = 0, len(data)
        while end - offset >= 2:
            flags = data[offset]
            if flags > (_MORE | _LONG | _COMMAND):
                raise FrameError(f"a ZMTP frame has the unknown flags {flags:#x}")
            if flags & _LONG:
                if end - offset < _LONG_HEADER_BYTES:
                    break
                size = int.from_bytes(data[offset + 1 : offset + 9], "big")
                body = offset + _LONG_HEADER_BYTES
            else:
                size, body = data[offset + 1], offset + 2
            if size > MAX_MESSAGE_BYTES:
                raise FrameError(f"a ZMTP frame of {size} bytes is over {MAX_MESSAGE_BYTES}")
            if end - body < size:
                break
            if not flags & _COMMAND:
                messages.append(data[body : body + size])
            elif data[body : body + len(_READY)] == _READY:
                self.is_ready = True
            offset = body + size
        self._buffer = data[offset:]
        return messages


def _is_one_long_message(data: bytes) -> bool:
    size = len(data) - _LONG_HEADER_BYTES
    return size >= 0 and data[0] == _LONG and int.from_bytes(data[1:9], "big") == size
