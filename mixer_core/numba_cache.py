"""Where compiled kernels are kept. Must be chosen before ``kernels`` is imported.

numba reads ``NUMBA_CACHE_DIR`` when it is imported. Without the variable it writes beside the
source or into the home directory, and a service often may do neither.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

CACHE_VARIABLE = "NUMBA_CACHE_DIR"
_KERNELS = Path(__file__).with_name("kernels.py")


def choose_cache_dir(runtime_dir: Path, env: MutableMapping[str, str] = os.environ) -> Path | None:
    """Set ``NUMBA_CACHE_DIR`` unless it is set, to the first of these that can be written.

    ``$XDG_CACHE_HOME/mixminus/numba`` (``~/.cache`` by default), then ``<runtime_dir>/numba``.
    None if there is none: kernels are then compiled at every start.
    """
    if env.get(CACHE_VARIABLE):
        return Path(env[CACHE_VARIABLE])
    home = env.get("HOME")
    caches = env.get("XDG_CACHE_HOME") or (f"{home}/.cache" if home else "")
    candidates = [Path(caches, "mixminus", "numba")] if caches else []
    for directory in [*candidates, runtime_dir / "numba"]:
        if _writable(directory):
            env[CACHE_VARIABLE] = str(directory)
            return directory
    return None


def is_warm(directory: Path | None) -> bool:
    """Whether ``directory`` holds kernels that are newer than their source."""
    if directory is None:
        return False
    source_ns = _KERNELS.stat().st_mtime_ns
    indexes = directory.glob("*/kernels.*.nbi")
    return any(index.stat().st_mtime_ns >= source_ns for index in indexes)


def _writable(directory: Path) -> bool:
    probe = directory / f".probe-{os.getpid()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True
