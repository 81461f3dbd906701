"""Text as Unicode: surrogates, as JSON may escape them, are joined or replaced. Sans-I/O."""

from __future__ import annotations


def whole(text: str) -> str:
    """``text`` without surrogates: pairs become their character, single ones U+FFFD.

    A server that escapes a character in two halves may split it between two deltas; text with a
    half in it can neither be stored nor sent.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
