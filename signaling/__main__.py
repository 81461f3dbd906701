"""``python -m signaling``."""

from __future__ import annotations

import sys

from mixer_core.runtime.loading import loading, without_authorities

with loading(), without_authorities():
    from .service import main

if __name__ == "__main__":
    sys.exit(main())
