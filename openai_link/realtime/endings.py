"""Ends that are not as wanted: what people are told, and how the captions are marked. Sans-I/O.

An answer that is completed, or cancelled because somebody spoke or stopped it, is ended as it
should be. Everything else is told once, in words that name the cause and, where there is one, the
cure: an answer that was cut off (``incomplete``) by a filter or its length, one that failed, one
that came in writing although the session speaks, one with nothing in it, a status or a reason that
nobody here knows, and speech that could not be written down. Reasons: ``status_details`` of
``response.done``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mixer_core.runtime.foreign_text import one_line

from ..facts import ResponseEnded, Transcribed, Unheard
from .refusal_body import MAX_CODE

Cut = Literal[
    "content_filter",
    "max_output_tokens",
    "incomplete",
    "failed",
    "cancelled",
    "written",
    "not_transcribed",
    "too_long",
]
"""How a caption is marked; pages have words for each."""

TOO_LONG: Cut = "too_long"
"""There are more words than are kept."""
_ORDINARY = frozenset({"", "completed"})
"""What a server may call the end of an answer that lacks nothing; some say nothing."""
_CANCELS = frozenset({"", "turn_detected", "client_cancelled"})
"""Why answers are cancelled when people want it."""
_CURES: dict[str, tuple[Cut, str]] = {
    "content_filter": (
        "content_filter",
        "A content filter stopped the assistant's answer. Ask again in other words.",
    ),
    "max_output_tokens": (
        "max_output_tokens",
        "The assistant's answer was cut off at its greatest length: "
        "ask it to go on, or raise [openai_link] max_output_tokens.",
    ),
}


@dataclass(frozen=True, slots=True)
class Ending:
    """One end that people must hear of."""

    code: str
    """Of the notice."""
    words: str
    """A sentence or two for people."""
    cut: Cut
    """How the caption is marked."""
    log: str
    """The line for the log, without its mark."""


def ending_of(ended: ResponseEnded, speaks: bool) -> Ending | None:
    """What is to be told of the end of a response; None: it ended as it should.

    ``speaks``: answers of the session have sound.
    """
    code = one_line(ended.code, MAX_CODE)
    match ended.status:
        case "incomplete":
            cut, words = _CURES.get(code, ("incomplete", _cut_off(code)))
            return _ending(ended, code or "incomplete", words, cut)
        case "failed":
            reason = one_line(ended.message) or "no reason was given"
            code = code or "response_failed"
            words = f"The assistant could not answer ({code}): {reason}"
            return _ending(ended, code, _sentence(words), "failed")
        case "cancelled" if code not in _CANCELS:
            words = f"The assistant's answer was cancelled ({code})."
            return _ending(ended, "cancelled", words, "cancelled")
        case "cancelled":
            return None
        case status if status in _ORDINARY:
            if ended.is_empty:
                words = "The assistant's answer has nothing in it. Ask again, or in other words."
                return _ending(ended, "empty_answer", words, "incomplete")
            if not (ended.is_written and speaks):
                return None
            words = "The assistant answered in writing: there is nothing to hear, read it here."
            return _ending(ended, "written_answer", words, "written")
        case status:
            words = (
                f"The assistant's answer ended in an unknown way ({one_line(status, MAX_CODE)})."
            )
            return _ending(ended, "unknown_end", words, "incomplete")


def unheard_ending(unheard: Unheard) -> Ending:
    """What is to be told of an answer that should have been heard, and came without sound."""
    words = "The assistant's answer came without any sound: read it here."
    log = f"response {unheard.response} ended without any sound"
    return Ending("written_answer", words, "written", log)


def transcription_ending(fact: Transcribed, name: str) -> Ending | None:
    """What is to be told of speech that could not be written down; ``name``: whose it was."""
    if not fact.failure:
        return None
    who = f"What {name} said" if name else "What was said"
    reason = one_line(fact.failure)
    words = f"{who} could not be written down ({reason}). The assistant has heard it all the same."
    log = f"the speech {fact.item} was not transcribed: {reason}"
    return Ending("transcription_failed", words, "not_transcribed", log)


def _ending(ended: ResponseEnded, code: str, words: str, cut: Cut) -> Ending:
    said = one_line(ended.code, MAX_CODE), one_line(ended.message)
    details = ": ".join(filter(None, said))
    status = "written" if cut == "written" else one_line(ended.status, MAX_CODE)
    status += " and empty" if ended.is_empty else ""
    log = f"response {ended.response} ended as {status}" + (f": {details}" if details else "")
    return Ending(code, words, cut, log)


def _cut_off(code: str) -> str:
    return f"The assistant's answer was cut off ({code or 'no reason was given'})."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
