"""The disk, and what the gateway has left on it. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterator

from .facts import Facts
from .findings import Finding

LITTLE_MIB, LEAST_MIB = 500.0, 50.0
"""Free disk: a warning, an error."""
FEW_INODES = 1_000


def disk(facts: Facts) -> Iterator[Finding]:
    """Room for the journal, and directories that can be written."""
    storage = facts.storage
    for words in storage.directories_trouble:
        yield Finding("directories", "error", words, "give this user the directory, or set another")
    if storage.free_mib < LITTLE_MIB:
        yield Finding(
            "disk",
            "error" if storage.free_mib < LEAST_MIB else "warning",
            f"{storage.free_mib:.0f} MiB are free where the journal is",
            "make room, or lower [openai_link] journal_max_mb",
        )
    elif storage.free_inodes < FEW_INODES:
        words = f"{storage.free_inodes} files are left on the disk of the journal"
        yield Finding("disk", "warning", words, "delete small files: df -i shows the inodes")


def journal(facts: Facts) -> Iterator[Finding]:
    """Whether the journal is whole."""
    if facts.storage.journal_trouble:
        yield Finding(
            "journal",
            "warning",
            facts.storage.journal_trouble,
            "start the gateway: what can be read is saved into a new file (docs/disks.md)",
        )


def programs(facts: Facts) -> Iterator[Finding]:
    """Programs that are no longer started."""
    for program, why in facts.storage.given_up.items():
        yield Finding(
            "programs",
            "error",
            f"{program} is no longer started: {why}",
            "correct what it says, then restart the gateway",
        )
