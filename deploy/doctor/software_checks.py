"""What is installed, and how it is set up. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterator

from .facts import Facts
from .findings import Finding

OLDEST_PYTHON = (3, 11)


def python(facts: Facts) -> Iterator[Finding]:
    """The interpreter."""
    version = facts.software.python
    if version[:2] < OLDEST_PYTHON:
        yield Finding(
            "python",
            "error",
            f"this is Python {'.'.join(map(str, version))}, and 3.11 is needed",
            "install with deploy/install.sh, which brings an interpreter of its own",
        )


def packages(facts: Facts) -> Iterator[Finding]:
    """What is installed."""
    if facts.software.packages_trouble:
        yield Finding(
            "packages",
            "error",
            facts.software.packages_trouble,
            "install again with the constraints of this platform: pip install -c constraints.txt .",
        )


def settings(facts: Facts) -> Iterator[Finding]:
    """The settings file and the variables."""
    if facts.software.settings_trouble:
        yield Finding(
            "settings",
            "error",
            facts.software.settings_trouble,
            "correct it; deploy/mixminus.toml lists every key with its default",
        )


def kernels(facts: Facts) -> Iterator[Finding]:
    """The cache of compiled kernels."""
    software = facts.software
    if not software.kernels_kept:
        yield Finding(
            "kernels",
            "warning",
            f"compiled kernels cannot be kept ({software.kernels_trouble}): each start of the "
            "mixer compiles for seconds, on a Nano for a minute",
            "make ~/.cache/mixminus writable, or set NUMBA_CACHE_DIR to a directory that is",
        )
    elif software.kernels_trouble:
        yield Finding(
            "kernels",
            "warning",
            f"the cache of compiled kernels was damaged: {software.kernels_trouble}",
            "nothing: it is made anew at the next start; if it comes back, check the disk",
        )
    if software.kernels_foreign:
        yield Finding(
            "kernels",
            "warning",
            "the kernels in the cache were compiled for another processor",
            "start the gateway once: they are compiled for this one; copy no caches",
        )
