"""Leftovers of killed programs go; what is in use, or not ours, stays."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from mixer_core.runtime.sweep import sweep

pytestmark = pytest.mark.sockets


def bind(path: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A socket that listens."""
    bound = socket.socket(socket.AF_UNIX, kind)
    bound.bind(str(path))
    bound.listen(1)
    return bound


def test_only_what_nobody_uses_is_removed(short_dir: Path) -> None:
    served = [
        bind(short_dir / "control.sock"),
        bind(short_dir / "workers.sock", socket.SOCK_SEQPACKET),
    ]
    for name in ("audio_in.sock", "links.soc~", "supervisor.sock.123", "mine.sockets"):
        bind(short_dir / name).close()
    bind(short_dir / "audio_out.sock", socket.SOCK_SEQPACKET).close()
    (short_dir / ".probe-999999999").touch()
    (short_dir / f".probe-{os.getpid()}").touch()
    (short_dir / "notes.sock").write_text("not a socket")
    (short_dir / "mixer_core.lock").touch()
    gone = [".probe-999999999", "audio_in.sock", "audio_out.sock", "links.soc~"]
    assert sweep(short_dir) == [*gone, "supervisor.sock.123"]
    kept = {"control.sock", "workers.sock", "mine.sockets", "notes.sock", "mixer_core.lock"}
    assert {p.name for p in short_dir.iterdir()} == kept | {f".probe-{os.getpid()}"}
    assert sweep(short_dir / "missing") == []
    for bound in served:
        bound.close()
