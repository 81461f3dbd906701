"""Tables that are tried point by point: `make test` takes them whole, `make quick` a share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

STRIDE_VARIABLE = "TEST_STRIDE"
Point = TypeVar("Point")


def points(table: Sequence[Point]) -> Sequence[Point]:
    """The points to try: every one, or every nth where ``TEST_STRIDE`` is n."""
    return table[:: int(os.environ.get(STRIDE_VARIABLE, "1"))]


def examples(most: int) -> int:
    """How many examples a property is tried with: ``most``, or a share of them likewise."""
    return max(1, most // int(os.environ.get(STRIDE_VARIABLE, "1")))
