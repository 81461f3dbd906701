"""``python -m openai_link.simulator``."""

from __future__ import annotations

import sys

from mixer_core.bus.process import run_async
from openai_link.simulator.service import PROGRAM, serve

if __name__ == "__main__":
    sys.exit(run_async(PROGRAM, serve))
