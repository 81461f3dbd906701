"""Whether somebody calls the assistant by name, as far as a transcript shows it. Sans-I/O.

A transcriber hears a name that it does not know: other case, punctuation, split into words, or a
near spelling. So words are compared without case, accents and punctuation, one to three of them
together, and a long name may differ in a letter or two. A word that is the name of somebody in the
room is theirs.

A name that is only talked about calls nobody. It does where a speaker puts it to call: at the
beginning ("Hey Nova, …", "Nova what is …"), at the end ("…, Nova?"), or between commas. It does not
behind an article or a preposition ("ask Nova", "the assistant"), with a possessive ("Nova's"), or
as the subject of a sentence about it ("Nova said …").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass

MAX_CHARS = 2_000
"""Of a transcript; a call is at its beginning or its end."""
MOST_WORDS = 3
"""Into which a transcriber may split a name; one that has more may have as many."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_BREAK = re.compile(r"[,;:.!?…—–\"“”„«»()\[\]\n¿¡]|\s-\s")
_INITIALS = re.compile(r"\b(?:[^\W\d_]\.){2,}")
_POSSESSIVE = re.compile(r"['’]s?$")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_BEFORE = _set(
    """
    hey hi hello ok okay oh ah um uh so and but well yes yeah no now please thanks good morning
    evening afternoon dear listen sorry right hallo he na du ja nein und aber also bitte danke
    guten morgen abend tag lieber liebe sag mal salut bonjour hola oye alors bon ciao
    """
)
"""Words that may stand before a name at the beginning."""
_BEHIND = _set(
    """
    please thanks thank you then now again too bitte danke mal dann jetzt nochmal merci gracias
    por favor grazie
    """
)
"""Words that may stand behind a name at the end."""
_ABOUT = _set(
    """
    a an the this that my your our their to of with about for from by on at in and or than like
    ask asked tell told call called calls named love hate use using is was der die das dem den
    des ein eine einen mit von zu zum zur über für an auf bei und oder als frag frage fragen
    fragt sag heißt namens wie
    """
)
"""Words before a name that is talked about."""
_ASK = _set("ask asks tell call let frag fragt frage ruf")
"""With one of these a sentence sends somebody to the name at its end."""
_SUBJECT = _set(
    """
    is was has had says said thinks thought told knows knew does did gets got ist war hat hatte
    sagt sagte meint meinte weiß kann
    """
)
"""Words behind a name at the beginning that is talked about."""


@dataclass(frozen=True, slots=True)
class _Word:
    plain: str
    is_possessive: bool
    after_break: bool
    """A comma or the like stands before it, or nothing."""
    before_break: bool


def calls(text: str, names: Iterable[str], people: Collection[str] = ()) -> bool:
    """Whether ``text`` calls one of ``names``; ``people``: names of those who are in the room."""
    text = _joined_initials(text)
    words = _words(text)
    theirs = {word for name in people for word in plain(name).split()}
    parts = [plain(_joined_initials(name)).split() for name in names]
    own = {"".join(split): max(MOST_WORDS, len(split)) for split in parts if split}
    return any(
        _is_call(words, first, first + length)
        for name, most in own.items()
        for first in range(len(words))
        for length in range(1, min(most, len(words) - first) + 1)
        if _is_name(words[first : first + length], name, theirs)
    )


def can_call(name: str) -> bool:
    """Whether there is anything in a name that can be said."""
    return bool(plain(name))


def _joined_initials(text: str) -> str:
    """``text`` with ``K.I.T.T.`` as ``KITT``: these points end no sentence."""
    return _INITIALS.sub(lambda found: found[0].replace(".", ""), text)


def plain(text: str) -> str:
    """``text`` in lower case, without accents and punctuation."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(c if c.isalnum() else " " for c in letters if not unicodedata.combining(c))
    return " ".join(kept.split())


def _words(text: str) -> list[_Word]:
    text = text if len(text) <= MAX_CHARS else text[: MAX_CHARS // 2] + text[-MAX_CHARS // 2 :]
    words: list[_Word] = []
    found = list(_WORD.finditer(text))
    for index, match in enumerate(found):
        before = text[found[index - 1].end() : match.start()] if index else ","
        is_last = index + 1 == len(found)
        after = "," if is_last else text[match.end() : found[index + 1].start()]
        words.append(
            _Word(
                plain(match[0]).replace(" ", ""),
                _POSSESSIVE.search(match[0]) is not None,
                _BREAK.search(before) is not None,
                _BREAK.search(after) is not None,
            )
        )
    return words


def _is_name(words: list[_Word], name: str, theirs: Collection[str]) -> bool:
    """Whether these words, together, are a transcriber's spelling of ``name``."""
    if any(word.is_possessive for word in words[-1:]):
        return False
    if any(word.before_break for word in words[:-1]):
        return False
    said = "".join(word.plain for word in words)
    if said == name:
        return True
    if any(word.plain in theirs for word in words):
        return False
    most = _tolerance(name)
    if not most or abs(len(said) - len(name)) > most or said[:1] != name[:1]:
        return False
    if len(name) < 6 and not (words[0].after_break and words[-1].before_break):
        return False  # A short name is near many words: only where nothing else is said.
    return _distance(said, name, most) <= most


def _tolerance(name: str) -> int:
    """In how many letters a spelling may differ."""
    return 0 if len(name) < 4 else 1 if len(name) < 8 else 2


def _distance(one: str, other: str, most: int) -> int:
    """Letters to insert, delete or replace (Levenshtein); ``most`` + 1 where it is more."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        above, row = row, [i]
        for j, b in enumerate(other, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b)))
        if min(row) > most:
            return most + 1
    return row[-1]


def _is_call(words: list[_Word], first: int, end: int) -> bool:
    """Whether the name in ``words[first:end]`` stands where it calls somebody."""
    before, behind = words[:first], words[end:]
    if words[first].after_break and words[end - 1].before_break:
        return not before or before[-1].plain not in _ABOUT
    begins = all(word.plain in _BEFORE for word in _sentence_before(before))
    if begins and (not behind or words[end - 1].before_break or behind[0].plain not in _SUBJECT):
        return True
    ends = all(word.plain in _BEHIND for word in _sentence_behind(behind, words[end - 1]))
    if not ends or not before or before[-1].plain in _ABOUT:
        return False
    own = _sentence_before(before)
    return words[first].after_break or not own or own[0].plain not in _ASK


def _sentence_before(before: list[_Word]) -> list[_Word]:
    """What the sentence of a name has before it."""
    count = 0
    for word in reversed(before):
        if word.before_break and word.plain not in _BEFORE:
            break
        count += 1
    return before[len(before) - count :]


def _sentence_behind(behind: list[_Word], name: _Word) -> list[_Word]:
    """What the sentence of a name has behind it."""
    if name.before_break:
        return []
    kept: list[_Word] = []
    for word in behind:
        kept.append(word)
        if word.before_break:
            break
    return kept
