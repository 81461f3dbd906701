"""Looks at interpreter, packages and compiled kernels."""

from __future__ import annotations

import contextlib
import importlib.metadata
import subprocess
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from mixer_core import numba_cache
from mixer_core.patches.releases import check_releases
from mixer_core.runtime.errors import StartupError
from mixer_core.runtime.start_checks import check_packages

from .facts import Software

DISTRIBUTION = "mixminus"


def look(
    runtime_dir: Path, env: MutableMapping[str, str], requirements: Sequence[str] | None = None
) -> Software:
    """``requirements``: what has to be installed; None: what the package asks for."""
    found = numba_cache.look(runtime_dir, env)
    return Software(
        python=sys.version_info[:3],
        packages_trouble=_packages(requirements),
        kernels_trouble=found.trouble,
        kernels_kept=found.directory is not None,
        kernels_foreign=found.is_warm
        and found.directory is not None
        and is_foreign(numba_cache.folder_of(found.directory)),
    )


def _packages(requirements: Sequence[str] | None) -> str:
    try:
        if requirements is None:
            requirements = importlib.metadata.requires(DISTRIBUTION) or ()
        check_packages(requirements)
        check_releases()
    except StartupError as error:
        return str(error)
    except importlib.metadata.PackageNotFoundError:
        return f"the package {DISTRIBUTION} is not installed"
    return ""


def is_foreign(folder: Path) -> bool:
    """Whether kernels in a folder are for another processor: numba's index names the one it is."""
    name = processor_name().encode()
    with contextlib.suppress(OSError):
        indexes = [path.read_bytes() for path in folder.glob("*.nbi")]
        return bool(name and indexes) and not any(name in index for index in indexes)
    return False


def processor_name() -> str:
    """As the compiler names this one; asked in a process of its own, which ends with LLVM in it."""
    code = "from llvmlite import binding; print(binding.get_host_cpu_name())"
    try:
        asked = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return asked.stdout.strip()
