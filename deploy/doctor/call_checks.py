"""A call through a gateway of its own. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .facts import Facts
from .findings import Finding

SLOW_MS: Mapping[str, float] = {
    "microphone to mixer's listeners": 60.0,
    "to the server": 60.0,
    "to the browser": 80.0,
    "join": 3_000.0,
    "first sound of the answer": 3_000.0,
}
"""Slower than that is felt."""


def call(facts: Facts) -> Iterator[Finding]:
    """A call through a whole gateway."""
    if facts.call.trouble:
        yield Finding(
            "call", "error", facts.call.trouble, "the lines of the gateway's log above say more"
        )
    for stage, took_ms in facts.call.stages_ms:
        if took_ms > SLOW_MS.get(stage, float("inf")):
            yield Finding(
                "call",
                "warning",
                f"{stage}: {took_ms:.0f} ms, more than {SLOW_MS[stage]:.0f}",
                "the machine is busy or slow: see `mixminus status`, and docs/limits.md",
            )
