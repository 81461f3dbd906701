"""Whether the port to which a call's audio goes still belongs to somebody.

A server that is killed says nothing: over UDP that looks like silence, which is known after seconds
only. But its machine refuses what comes to a port that nobody has (ICMP port unreachable, RFC 1122,
section 4.1.3.1), and a socket that is connected there is told (ECONNREFUSED, udp(7)). The sockets
of the call itself are not connected, so a small one of its own asks: with a STUN Binding
indication, which is never answered (RFC 8445, section 11), and only while the server is quiet.

Only on this machine and on private networks: elsewhere something between us and the server would
answer, if anything does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import socket
import struct
import time
import zlib
from collections.abc import Callable

from mixer_core.patches.aiortc.connections import Route
from mixer_core.runtime.units import S_NS

from .port_doubt import LOOK_NS, PortDoubt

_INDICATION = struct.Struct("!HHL12s")
_FINGERPRINT = struct.Struct("!HHL")
_COOKIE = 0x2112_A442
_FINGERPRINT_XOR = 0x5354_554E


class PortProbe:
    """A socket that is connected to the server's port."""

    def __init__(self, route: Route) -> None:
        """Raises OSError."""
        family = socket.AF_INET6 if ":" in route.remote[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.bind((route.local_host, 0))
            self._socket.connect(route.remote)
        except OSError:
            self._socket.close()
            raise

    def is_refused(self) -> bool:
        """Ask once more; whether this question or the one before was refused. Never raises."""
        try:
            self._socket.send(indication())
            self._socket.recv(1)
        except ConnectionRefusedError:
            return True
        except OSError:  # Nothing has come, or there is no way to the server: not known.
            return False
        return False

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def indication() -> bytes:
    """A Binding indication with its fingerprint (RFC 8489, sections 5 and 14.7)."""
    head = _INDICATION.pack(0x0011, _FINGERPRINT.size, _COOKIE, secrets.token_bytes(12))
    return head + _FINGERPRINT.pack(0x8028, 4, zlib.crc32(head) ^ _FINGERPRINT_XOR)


class PortWatch:
    """Looks after one call's port until it is closed; runs in one event loop."""

    def __init__(self, route: Route, heard_ns: Callable[[], int], on_gone: Callable[[], None]):
        """``heard_ns()``: when anything came from the server; ``on_gone`` is called once at most.

        Raises:
            OSError: the port cannot be watched.
        """
        self._heard_ns = heard_ns
        self._on_gone = on_gone
        self._doubt = PortDoubt()
        self._probe = PortProbe(route)
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(LOOK_NS / S_NS, self._look)

    def close(self) -> None:
        """Stop."""
        self._timer.cancel()
        self._probe.close()

    def _look(self) -> None:
        doubt, heard_ns, now_ns = self._doubt, self._heard_ns(), time.monotonic_ns()
        if doubt.wants(heard_ns, now_ns):
            if doubt.is_gone(self._probe.is_refused(), heard_ns, now_ns):
                self.close()
                self._on_gone()
                return
            if doubt.says_nothing:
                self.close()
                return
        wait_ns = doubt.next_look_ns(heard_ns, now_ns) - now_ns
        self._timer = self._loop.call_later(wait_ns / S_NS, self._look)


def watched(
    route: Route | None, heard_ns: Callable[[], int], on_gone: Callable[[], None]
) -> PortWatch | None:
    """A watch, where there is a way to the server that can be watched."""
    if route is None or not _is_near(route.remote[0]):
        return None
    with contextlib.suppress(OSError):
        return PortWatch(route, heard_ns, on_gone)
    return None


def _is_near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False
