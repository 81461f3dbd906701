"""Which transport the rooms of this host have learnt to use: one small file for all of them."""

from __future__ import annotations

from pathlib import Path

from .selection import REMEMBER_NS

_NAME = "openai_link.websocket_until"


def remembered_ns(runtime_dir: Path, now_ns: int) -> int:
    """Until when a WebSocket is preferred (monotonic); 0: nothing was learnt."""
    try:
        until_ns = int((runtime_dir / _NAME).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
    return until_ns if now_ns < until_ns <= now_ns + REMEMBER_NS else 0


def remember(runtime_dir: Path, until_ns: int) -> None:
    """Tell rooms that open later. A directory that cannot be written does not matter."""
    path = runtime_dir / _NAME
    try:
        if until_ns:
            path.write_text(str(until_ns), encoding="ascii")
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return
