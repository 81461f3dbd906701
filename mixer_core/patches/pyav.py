"""Where PyAV's wheels keep their own copy of libopus. Written for PyAV 18.1.

``auditwheel`` puts the libraries that a wheel needs into ``<package>.libs`` beside the package,
with a hash in each name. A PyAV built from source has none.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

WRITTEN_FOR = "18.1"
NAMES = {"av.libs": {"libopus-*.so.*": "a complete libopus, which PyAV's own interface hides"}}


def bundled_libopus() -> list[Path]:
    """Files that may be PyAV's libopus, best first; empty where there is none. Imports nothing."""
    spec = importlib.util.find_spec("av")
    if spec is None or spec.origin is None:
        return []
    return sorted((Path(spec.origin).parent.parent / "av.libs").glob("libopus*.so*"))
