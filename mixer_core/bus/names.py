"""People's names: one rule for every way in, and what makes two names look alike. Sans-I/O.

A name is shown to everybody, told to the model, and written down. So it must not change the
direction of the text around it, hide characters, or pass for the assistant.
"""

from __future__ import annotations

import re
import unicodedata

MAX_NAME_CHARACTERS = 64
MAX_MARKS = 3
"""Accents on one letter; more of them run into the lines above and below."""
RESERVED = frozenset({"assistant", "system", "mixminus"})
"""What the transcript calls those who are not people."""

_JOINER, _NON_JOINER = "\u200d", "\u200c"
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters, marks and symbols that show nothing."""
_EMOJI_SELECTORS = frozenset("\ufe0e\ufe0f")
_VIRAMA = 9
"""Combining class of the sign after which Indic scripts use joiners."""
_ALIKE = str.maketrans(
    {
        # Cyrillic, by what it looks like after case folding
        "а": "a", "с": "c", "е": "e", "һ": "h", "і": "i", "ј": "j", "м": "m", "п": "n",
        "о": "o", "р": "p", "ѕ": "s", "т": "t", "у": "y", "х": "x", "ѵ": "v", "ԁ": "d",
        # Greek
        "α": "a", "ε": "e", "ι": "i", "κ": "k", "ν": "v", "ο": "o", "ρ": "p", "τ": "t",
        "υ": "u", "χ": "x", "η": "n", "μ": "m", "σ": "s", "ς": "s",
        # Latin and others
        "ı": "i", "ɩ": "i", "ɪ": "i", "ɑ": "a", "ꜱ": "s", "ᴀ": "a", "ɴ": "n", "ᴛ": "t", "ᴍ": "m",
        "ʏ": "y", "ᴇ": "e", "ᴜ": "u", "ⅿ": "m", "ա": "a", "ո": "n", "տ": "s", "լ": "i",
        "ѱ": "y", "ƽ": "s", "ꞩ": "s", "ŧ": "t", "ⱦ": "t", "ɨ": "i", "ƚ": "i", "ł": "i",
        "Ꭺ": "a", "Ꮪ": "s", "Ꭲ": "t", "ꭺ": "a", "ꮪ": "s", "ꭲ": "t", "Ι": "i", "Ӏ": "i", "ӏ": "i",
        "ꓮ": "a", "ꓢ": "s", "ꓔ": "t", "ꓲ": "i", "ꓠ": "n",
        # Digits and signs
        "0": "o", "1": "i", "|": "i", "!": "i", "¡": "i", "l": "i", "3": "e", "4": "a", "@": "a",
        "5": "s", "$": "s", "§": "s", "7": "t", "+": "t", "†": "t",
    }
)  # fmt: skip
_BOXES = {
    first + index: letter
    for first in (0x1F130, 0x1F150, 0x1F170, 0x1F1E6)
    for index, letter in enumerate("abcdefghijklmnopqrstuvwxyz")
}
"""Letters in boxes and circles, which Unicode does not decompose."""
_RESERVED = re.compile(f"(the|my|your|our|an|a|ai)*({'|'.join(sorted(RESERVED))})(ai|bot)?")
_EMOJI_SYMBOLS = frozenset({"So", "Sk"})


def tidy(name: str) -> str:
    """``name`` composed (NFC), with plain single spaces between words and none around them."""
    spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in name)
    return unicodedata.normalize("NFC", re.sub(" +", " ", spaced).strip(" "))


def refusal(name: str) -> str:
    """Why a tidy name is refused, as half a sentence for the person; empty if it is fine."""
    if len(name) > MAX_NAME_CHARACTERS:
        return f"a name has at most {MAX_NAME_CHARACTERS} characters, got {len(name)}"
    marks = 0
    for index, character in enumerate(name):
        if not _is_allowed(name, index):
            return (
                "a name must not contain control characters, invisible characters, or characters "
                f"that change the direction of the text (found U+{ord(character):04X})"
            )
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if marks > MAX_MARKS:
            return f"a name has at most {MAX_MARKS} accents on one letter"
    if name and all(unicodedata.category(c)[0] in "MZ" for c in name):
        return "a name needs at least one character that can be seen"
    if is_reserved(name):
        return "this name could be taken for the assistant's: choose another one"
    return ""


def is_reserved(name: str) -> bool:
    """Whether a name looks like one in ``RESERVED``, with decoration or without."""
    plain = skeleton(name)
    bare = skeleton(re.sub(r"[\W\d_]+", "", unicodedata.normalize("NFKD", name)))
    return any(_RESERVED.fullmatch(form) for form in (plain, bare))


def skeleton(name: str) -> str:
    """What a name looks like: two names with the same skeleton can be mistaken for each other."""
    unboxed = unicodedata.normalize("NFKD", name).translate(_BOXES)
    decomposed = unboxed.translate(_ALIKE).casefold()
    plain = unicodedata.normalize("NFKD", decomposed).translate(_ALIKE)
    return "".join(c for c in plain if unicodedata.category(c)[0] in "LN" or c.isdigit())


def _is_allowed(name: str, index: int) -> bool:
    """Whether the character at ``index`` may stand there."""
    character = name[index]
    category = unicodedata.category(character)
    before = name[index - 1] if index else ""
    after = name[index + 1 : index + 2]
    if character in (_JOINER, _NON_JOINER):
        return _joins(character, before, after)
    if character in _EMOJI_SELECTORS:
        return before != "" and unicodedata.category(before)[0] in "SNP"
    if unicodedata.name(character, "").startswith("VARIATION SELECTOR"):
        return before != "" and unicodedata.category(before) == "Lo"
    if category[0] == "C" or category in ("Zl", "Zp"):
        return False
    return character not in _BLANK and not "\u180b" <= character <= "\u180f"


def _joins(joiner: str, before: str, after: str) -> bool:
    """Whether a zero-width (non-)joiner does something there (as in RFC 5892, and emoji)."""
    if not before or not after:
        return False
    if unicodedata.combining(before) == _VIRAMA:
        return True
    if joiner == _NON_JOINER:
        return unicodedata.bidirectional(before) == unicodedata.bidirectional(after) == "AL"
    before_is_emoji = unicodedata.category(before) in _EMOJI_SYMBOLS or before in _EMOJI_SELECTORS
    return before_is_emoji and unicodedata.category(after) in {*_EMOJI_SYMBOLS, "Sm"}
