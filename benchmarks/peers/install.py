"""Gets a peer to compare with, into a directory of its own under the user's cache directory.

Nothing is installed into the system and no service is started. Python peers get a virtual
environment; Janus comes from Debian's packages, which are unpacked and not installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..report.errors import BenchmarkError

PYTHON_PEERS: dict[str, tuple[str, ...]] = {
    "pipecat": ("pipecat-ai[webrtc]>=1.14,<2", "aiohttp"),
    "fastrtc": ("fastrtc>=0.0.33", "uvicorn"),
}
"""Peer → what pip installs."""
PEERS = ("janus", *PYTHON_PEERS)
DONE = "installed"
"""File that is written when an installation is complete."""


class InstallError(BenchmarkError):
    """A peer could not be installed; the message says why."""


def folder(peer: str, env: Mapping[str, str] = os.environ) -> Path:
    """Where ``peer`` is or would be: ``$XDG_CACHE_HOME/mixminus/peers/<peer>``."""
    cache = env.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache, "mixminus", "peers", peer)


def is_installed(peer: str) -> bool:
    """Whether ``install`` has succeeded for ``peer``."""
    return (folder(peer) / DONE).exists()


def how_to_get(peer: str) -> str:
    """One line for the user."""
    return f"{peer} is not installed: mixminus bench peers --install {peer}"


def python(peer: str) -> Path:
    """The interpreter of a Python peer."""
    return folder(peer) / "bin" / "python"


def install(peer: str) -> Path:
    """Install ``peer``, from nothing; returns its directory.

    Raises:
        InstallError: unknown, a tool is missing, or the registry cannot be reached.
    """
    if peer not in PEERS:
        raise InstallError(f"there is no peer {peer!r}; there are {', '.join(PEERS)}")
    place = folder(peer)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if peer == "janus":
        _unpack_debian(place, "janus")
    else:
        _run([sys.executable, "-m", "venv", str(place)])
        _run([str(python(peer)), "-m", "pip", "install", "--quiet", *PYTHON_PEERS[peer]])
    (place / DONE).touch()
    return place


def _unpack_debian(place: Path, package: str) -> None:
    """Download ``package`` and what it needs and the system lacks; unpack all of it."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise InstallError(f"{tool} is needed: {package} is taken from Debian's packages")
    plan = _run(["apt-get", "install", "--simulate", "--no-install-recommends", package])
    wanted = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    if not wanted:  # It is on this system already, with everything it needs.
        wanted = [package]
    files = place / "packages"
    files.mkdir()
    _run(["apt-get", "download", *wanted], cwd=files)
    for file in sorted(files.glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(file), str(place)])


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise InstallError(f"{' '.join(command[:3])} …: {words[-1] if words else 'failed'}")
    return done.stdout
