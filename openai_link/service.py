"""The program ``openai_link``: ``python -m openai_link``."""

from __future__ import annotations

from mixer_core.runtime.process import run_async

from . import host
from .settings import Settings
from .start import check_start


def main() -> int:
    """Run the host; returns the exit code."""
    return run_async(host.PROGRAM, Settings, host.serve, check_start)
