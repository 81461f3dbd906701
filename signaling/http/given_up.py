"""What it means for people that a program of the gateway is no longer started. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping

from .health import LINK, MIXER, WORKER

EFFECTS: Mapping[str, str] = {
    WORKER: "nobody new can come in",
    LINK: "the assistant cannot be called for another room",
    "simulator": "the assistant does not answer",
    MIXER: "nobody is heard",
}
"""Of the programs that people notice; by the name in heartbeats."""
HEARTBEATS: Mapping[str, str] = {"mixer_core_standby": "mixer_standby"}
"""Programs that are called otherwise in their heartbeats."""


def words(failed: Mapping[str, str]) -> tuple[str, str]:
    """A sentence for everybody and one for admins; empty where people notice nothing.

    ``failed``: by program, why it is not started any more.
    """
    felt = [program for program in EFFECTS if program in failed]
    if not felt:
        return "", ""
    effects = " and ".join(EFFECTS[program] for program in felt)
    reasons = "; ".join(f"{program}: {failed[program]}" for program in felt)
    told = f"a program of the gateway does not start any more: {effects}"
    return (
        f"{told}. Who runs the gateway finds the reason in its log",
        f"{told}. {reasons}. When that is mended, run: mixminus reload",
    )
