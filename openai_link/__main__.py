from __future__ import annotations

import sys

from mixer_core.runtime.loading import loading

with loading():
    from .service import main

if __name__ == "__main__":
    sys.exit(main())
