"""Why a room's journal cannot be written to the cluster, in words. Sans-I/O."""

from __future__ import annotations

from mixer_core.runtime.errors import JournalError


def away(error: Exception, written: int) -> JournalError:
    """NATS does not answer, or takes no more; ``written``: how many of the first records it has."""
    is_full = "maximum" in str(error) or "resources" in str(error)
    cause = (
        "the cluster's store is full: make room in NATS, and it goes on by itself"
        if is_full
        else "the cluster's NATS does not answer: it goes on by itself when it does"
    )
    found = JournalError(
        f"the journal cannot be written to the cluster ({cause}; {error})",
        f"the journal cannot be written ({cause})",
    )
    found.written = written
    return found


def too_new(error: Exception, written: int) -> JournalError:
    """The log's last message is of a later release."""
    words = "the cluster's journal is of a later release: update mixminus on this machine"
    found = JournalError(f"{error}", words)
    found.written = written
    return found


def refused(error: Exception, written: int) -> JournalError:
    """The records cannot be put into a message at all."""
    found = JournalError(
        f"something that was said cannot be written to the cluster ({error})",
        "something that was said cannot be stored",
    )
    found.written = written
    return found
