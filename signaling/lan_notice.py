"""Where the page is: ``mixminus invite`` wants to know.

``mixminus run --lan`` is no setting, and settings in the environment of one terminal are not seen
in another. The port of the local network outlasts the gateway, because people invite others before
they start it again; the address here is worth something only while the gateway runs.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from mixer_core.runtime.files import read_file, replace_file

from .http.listeners import url
from .settings import SignalingSettings

FILE = "lan.port"
MOST_BYTES = 16
URL_FILE = "page.url"
MOST_URL_BYTES = 512
_URL = re.compile(r"https?://[!-~]+")


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


def page_url(section: SignalingSettings) -> str:
    """The page's address by the settings alone: behind a proxy, or on this computer."""
    path = section.public_path.strip("/")
    name = section.allowed_hosts.partition(",")[0].strip()
    if section.tls == "off" and name:
        return f"https://{name}/{path}"
    return f"{url(section.http_host, section.http_port).partition('/?')[0]}/{path}"


def post_url(state_dir: Path, section: SignalingSettings) -> None:
    """Note the address by the settings of this gateway. Raises OSError."""
    replace_file(state_dir / URL_FILE, f"{page_url(section)}\n".encode())


def posted_url(state_dir: Path) -> str:
    """The address that was noted; empty: there is none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        noted = read_file(state_dir / URL_FILE, MOST_URL_BYTES).decode("ascii").strip()
        return noted if _URL.fullmatch(noted) else ""
    return ""
