"""Refuses releases of aiortc and aioice whose private parts are not the known ones.

The other libraries need no check: where pyOpenSSL differs its public way is taken, and what is used
of aiohttp and PyAV says by itself when it is missing.
"""

from __future__ import annotations

import importlib.metadata

from mixer_core.runtime.errors import StartupError

from . import aioice, aiortc

REQUIRED = {"aiortc": aiortc.WRITTEN_FOR, "aioice": aioice.WRITTEN_FOR}
"""Package → the release that must be installed, without its patch level."""


def check_releases() -> None:
    """Look at the installed packages, without importing them.

    Raises:
        StartupError: one is of another release; the message names the cure.
    """
    for package, release in REQUIRED.items():
        installed = importlib.metadata.version(package)
        if not installed.startswith(f"{release}."):
            raise StartupError(
                f"{package} {installed} is not supported: pip install '{package}=={release}.*'"
            )
