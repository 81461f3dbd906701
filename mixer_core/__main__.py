"""``python -m mixer_core``."""

from __future__ import annotations

import sys

from .service import main

sys.exit(main())
