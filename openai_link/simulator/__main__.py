"""``python -m openai_link.simulator``; ``--help`` lists the flags."""

from __future__ import annotations

import os
import sys

from mixer_core.patches.aioice import names
from mixer_core.runtime.loading import loading, without_authorities

from .cli import environment

if __name__ == "__main__":
    os.environ.update(environment(sys.argv[1:]))
    with loading(), without_authorities(), names.when_needed():
        from mixer_core.runtime.process import run_async

        from .service import PROGRAM, serve
        from .settings import Settings
        from .start import check_start

    sys.exit(run_async(PROGRAM, Settings, serve, check_start))
