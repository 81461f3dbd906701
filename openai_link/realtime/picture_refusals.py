"""What a server's refusal of a picture means: this picture, or pictures at all. Sans-I/O.

Servers without pictures say so in many ways: by the type of the part that they do not know, by a
field that is unknown to them, or in words about the model.
"""

from __future__ import annotations

from ..facts import ServerError

_ABOUT = ("image", "picture", "vision", "multimodal", "multi-modal")
_NOT_TAKEN = (
    "not support",
    "unsupported",
    "not accept",
    "not available",
    "not allow",
    "not enabled",
    "disabled",
    "at most 0",
    "no endpoint",
    "not a multimodal",
    "not a vision",
    "not implemented",
    "cannot process",
    "can't process",
    "only supports",
    "only accepts",
    "text only",
    "text-only",
    "no vision",
    "unknown content",
)
_OF_THIS_ONE = (
    "format",
    "mime",
    "media type",
    "size",
    "large",
    "long",
    "decode",
    "corrupt",
    "base64",
    "dimension",
    "pixel",
    "policy",
    "safety",
)
"""Words of a complaint about one picture."""
_WORDLESS = ("", "unknown", "error", "invalid_request_error", "invalid_value", "server_error")
"""Codes that say nothing of what was refused."""
_UNKNOWN = ("unknown_parameter", "extra_forbidden")


def is_about_pictures(error: ServerError) -> bool:
    """Whether an error that names no event is about a picture that waits to be taken.

    One that says nothing at all is: of what may be refused then, a picture is the likeliest, and an
    answer that was asked for is waited for and asked for again.
    """
    if not (error.message or error.param) and error.code in _WORDLESS:
        return True
    words = f"{error.code} {error.message} {error.param}".lower()
    return any(about in words for about in _ABOUT) or "item.content" in error.param


def takes_none(error: ServerError) -> bool:
    """Whether the server that refused a picture takes none at all."""
    words = error.message.lower()
    if error.param.endswith(".type"):
        return True
    if error.code in _UNKNOWN:
        return error.param.endswith((".image_url", ".content"))
    if any(of_this in words for of_this in _OF_THIS_ONE):
        return False
    if "input_image" in words and "image_url" not in words:
        return True
    if "input_text" in words and "image" not in words:
        return True  # A list of the parts that it knows.
    about = any(word in words for word in (*_ABOUT, "text and audio"))
    return about and any(refusal in words for refusal in _NOT_TAKEN)
