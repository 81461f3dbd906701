"""Refuses releases of aiortc and aioice whose private parts are not the known ones.

The other libraries need no check: where pyOpenSSL differs its public way is taken, and what is used
of aiohttp and PyAV says by itself when it is missing.
"""

from __future__ import annotations

import importlib.metadata

from mixer_core.runtime.errors import RequirementError

from . import aioice, aiortc

REQUIRED = {"aiortc": aiortc.WRITTEN_FOR, "aioice": aioice.WRITTEN_FOR}
"""Package → the release that must be installed, without its patch level."""


def check_releases() -> None:
    """Look at the installed packages, without importing them.

    Raises:
        RequirementError: one is missing, or of another release; the message names the cure.
    """
    for package, release in REQUIRED.items():
        try:
            installed = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError as error:
            wanted = f"pip install '{package}=={release}.*'"
            raise RequirementError(f"{package} is missing: {wanted}") from error
        if not installed.startswith(f"{release}."):
            raise RequirementError(
                f"{package} {installed} is not supported: pip install '{package}=={release}.*'"
            )
