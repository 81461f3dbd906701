"""Certificates that anybody may have written, or a disk has damaged: one kind of error."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

UNREADABLE = (
    TypeError,
    ValueError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.AttributeNotFound,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises at the first look at any part, which may be long after it was read."""


@contextlib.contextmanager
def told_as(words: str) -> Iterator[None]:
    """Turn whatever the library raises into a ValueError with ``words``."""
    try:
        yield
    except UNREADABLE as error:
        raise ValueError(words) from error
