"""The earliest of several times, of which some may be none. Sans-I/O."""

from __future__ import annotations


def earliest(*times_ns: int | None) -> int | None:
    """The smallest of these times (ns); None where all are None.

    Who asks does so in every frame of every room: a loop is twice as fast as ``min`` with a filter.
    """
    found_ns: int | None = None
    for time_ns in times_ns:
        if time_ns is not None and (found_ns is None or time_ns < found_ns):
            found_ns = time_ns
    return found_ns
