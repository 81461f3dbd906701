"""Whether the gateway was last started for the local network: ``mixminus invite`` wants to know.

``mixminus run --lan`` is no setting, so another command cannot see it. The note outlasts the
gateway, because people invite others before they start it again.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from mixer_core.runtime.files import read_file, replace_file

FILE = "lan.port"
MOST_BYTES = 16


def post(state_dir: Path, https_port: int | None) -> None:
    """Note the port of HTTPS; None: the local network may not come in. Raises OSError."""
    path = state_dir / FILE
    if https_port is None:
        path.unlink(missing_ok=True)
    else:
        replace_file(path, f"{https_port}\n".encode())


def posted(state_dir: Path) -> int | None:
    """The port that was noted; None: there is none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        port = int(read_file(state_dir / FILE, MOST_BYTES))
        return port if 0 < port < 65_536 else None
    return None
