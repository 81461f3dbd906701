"""Cuts text into uneven pieces, as the deltas of a model. Sans-I/O."""

from __future__ import annotations

import re

from .ids import RandomSource

_ONE_IN = 5
_LONGEST_PIECE = 12


def of_words(text: str, random: RandomSource) -> list[str]:
    """Cut ``text`` into words, some of them split and some joined."""
    pieces: list[str] = []
    for word in re.findall(r"\s*\S+\s*$|\s*\S+|\s+", text):
        chance = random.randrange(_ONE_IN)
        if chance == 0 and len(word) > 2:
            at = 1 + random.randrange(len(word) - 1)
            pieces += [word[:at], word[at:]]
        elif chance == 1 and pieces:
            pieces[-1] += word
        else:
            pieces.append(word)
    return pieces or [""]


def of_characters(text: str, random: RandomSource) -> list[str]:
    """Cut ``text`` into pieces of 1 to 12 characters."""
    pieces, at = [], 0
    while at < len(text):
        length = 1 + random.randrange(_LONGEST_PIECE)
        pieces.append(text[at : at + length])
        at += length
    return pieces or [""]


def padded(arguments: str, random: RandomSource) -> str:
    """Return JSON text with white space around it, as models sometimes write it."""
    return f"\n{' ' * random.randrange(4)}{arguments}{' ' * random.randrange(3)}\n"
