"""``python -m mixer_core``."""

from __future__ import annotations

import sys

from .runtime.loading import loading

with loading():
    from .service import main

sys.exit(main())
