"""Removes what killed programs have left in the runtime directory, while none of ours runs there.

Sockets that nobody listens on, and the probes and half-made sockets of programs that have ended.
Only files of this user with names of ours are touched. Nothing is left anywhere else: children and
their hosts write no temporary files.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from pathlib import Path

_PROBE = re.compile(r"\.probe-(\d+)")
_SOCKET = re.compile(r"[a-z_]+\.soc[k~]|supervisor\.sock\.\d+")
_TYPES = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)


def sweep(runtime_dir: Path) -> list[str]:
    """Remove leftovers; returns their names."""
    with contextlib.suppress(OSError):
        return sorted(path.name for path in runtime_dir.iterdir() if _is_left(path) and _gone(path))
    return []


def _is_left(path: Path) -> bool:
    """Whether a file is one of ours that nobody uses any more."""
    with contextlib.suppress(OSError):
        if path.lstat().st_uid != os.getuid():
            return False
        probe = _PROBE.fullmatch(path.name)
        if probe is not None:
            return not Path("/proc", probe[1]).exists()
        return bool(_SOCKET.fullmatch(path.name)) and path.is_socket() and not _is_served(path)
    return False


def _is_served(path: Path) -> bool:
    """Whether somebody listens on a socket, of whatever type."""
    for kind in _TYPES:
        with socket.socket(socket.AF_UNIX, kind) as probe:
            probe.setblocking(False)
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                return False
            except OSError:  # Another type of socket, or a full backlog: somebody is there.
                continue
            return True
    return True


def _gone(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True
