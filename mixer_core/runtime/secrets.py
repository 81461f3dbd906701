"""Secrets of the environment, as they may be used. Sans-I/O.

A secret is often the content of a file or a line of an ``.env`` file: it ends with a line end,
begins with a byte order mark, or stands in quotes. What no HTTP header can carry is found at the
start, in words that name the variable and never show its value.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from .errors import SettingsError

_QUOTES = frozenset({'""', "''", "``", "“”", "‘’"})
_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$")
_SETTING = re.compile(r"MIXMINUS_[A-Z_]+__")
"""Paths of key files and names of variables are settings, too."""
_BYTE_ORDER_MARK = "\ufeff"
_JOINERS = "\u200c\u200d"
"""Some scripts need them."""


def secret(env: Mapping[str, str], variable: str, *, ascii_only: bool = True) -> str:
    """The value of ``variable`` without white space at its ends; empty: there is none.

    ``ascii_only``: it travels in HTTP headers; other secrets may have any printable characters.

    Raises:
        SettingsError: it cannot be used as it is.
    """
    return checked(env.get(variable, "") if variable else "", variable, ascii_only=ascii_only)


def checked(value: str, name: str, *, ascii_only: bool = True) -> str:
    """The same for a ``value`` that does not stand in the environment under its ``name``."""
    text = value.strip()
    fault = _fault(text, ascii_only)
    if fault:
        raise SettingsError(f"{name} cannot be used: {fault}; copy the value again, without that")
    return text


def secret_values(env: Mapping[str, str]) -> list[str]:
    """The values of all variables that are secrets by their names, for the log to leave out."""
    return [
        value.strip()
        for name, value in env.items()
        if _NAME.search(name) and not (_SETTING.match(name) and not name.endswith("API_KEY"))
    ]


def _fault(text: str, ascii_only: bool) -> str:
    """What is wrong with a secret, empty if nothing is; no part of the secret."""
    if text.startswith(_BYTE_ORDER_MARK):
        return "it begins with a byte order mark (U+FEFF), as some editors write into files"
    if len(text) > 1 and text[0] + text[-1] in _QUOTES:
        return "it stands in quotes, as values do in an .env file"
    for place, character in enumerate(text, 1):
        kind = unicodedata.category(character)
        if kind in ("Cc", "Zl", "Zp"):
            words = "a line end" if character in "\r\n\x85\u2028\u2029" else "a control character"
        elif kind == "Cs":
            words = "a byte that is not UTF-8"
        elif ascii_only and not character.isascii():
            words = "a character that no HTTP header carries"
        elif kind == "Cf" and character not in _JOINERS:
            words = "an invisible character"
        else:
            continue
        return f"{words} (U+{ord(character):04X}) is its character {place} of {len(text)}"
    return ""
