"""``python -m openai_link.simulator``; ``--help`` lists the flags."""

from __future__ import annotations

import os
import sys

from mixer_core.runtime.loading import loading

from .cli import environment

if __name__ == "__main__":
    os.environ.update(environment(sys.argv[1:]))
    with loading():
        from mixer_core.runtime.process import run_async

        from .service import PROGRAM, serve
        from .settings import Settings
        from .start import check_start

    sys.exit(run_async(PROGRAM, Settings, serve, check_start))
