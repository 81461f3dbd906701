"""The words in the body of a refused request, whatever the server is. Sans-I/O.

===========================================  ======================================================
``{"error": {"code", "type", "message"}}``   OpenAI, Azure, LiteLLM, Google
``{"error": "words"}``                       LocalAI, Spring
``{"error": "code", "error_description"}``   OAuth
``{"detail": "words"}``, a list, a mapping   FastAPI, and problem details (RFC 9457)
``{"errors": [{"code", "message"}]}``        Cloudflare, JSON:API
``{"message", "code"}``, ``"words"``         API gateways
a page, a stream of events, a line of text   proxies
===========================================  ======================================================

Keys count whatever their case. What cannot be read to its end (a huge body is cut) is searched for
the same fields; an error that is quoted in words, or on a page, is read like any other. No JSON, no
markup and nothing that is no text is ever returned.
"""

from __future__ import annotations

import codecs
import html
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from mixer_core.runtime.errors import UnreadableError
from mixer_core.runtime.foreign_data import read_json
from mixer_core.runtime.foreign_text import MAX_WORDS, one_line

MAX_CODE = 64
MAX_UNZIPPED_BYTES = 64 * 1024
MAX_DEPTH = 6
"""Errors inside the words of errors: proxies wrap what they were told."""

_CODE = re.compile(rf"[A-Za-z][A-Za-z0-9_.:/-]{{0,{MAX_CODE - 1}}}")
_SCALAR = re.compile(r"-?[0-9.eE+-]{1,40}|true|false|null|None")
_ESCAPED = r'"((?:[^"\\]|\\.)*)'
_MESSAGE_FIELD = re.compile(rf'"(?:message|detail|msg|error|title)"\s*:\s*{_ESCAPED}')
_CODE_FIELD = re.compile(rf"['\"](?:code|type)['\"]\s*:\s*['\"]({_CODE.pattern})['\"]")
_QUOTED_FIELD = re.compile(r"'(?:message|detail|msg)'\s*:\s*'([^']*)'")
MAX_DETAILS = 16
"""Details of an error that are looked at."""
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s?")
_DELAY_FIELD = re.compile(
    r"retry_?delay['\"]?\W{1,8}(?:seconds\W{1,4})?(\d{1,9}(?:\.\d{1,9})?)", re.I
)
"""The same in words: a part of JSON, or the text form of protocol buffers."""
_DELAYS_S: Mapping[str, float] = {
    **dict.fromkeys(("retryafter", "retryafterseconds", "retryaftersecs", "retrydelay"), 1.0),
    **dict.fromkeys(("retryafterms", "retryaftermilliseconds", "retryaftermillis"), 0.001),
}
"""Units of the fields that say when to try again, without their ``_``, ``-`` and capitals."""
_TAG = re.compile(
    r"</?(?:a|b|body|br|center|code|div|em|form|h[1-6]|head|hr|html|i|img|link|meta|p|pre|script|"
    r"span|strong|style|table|td|th|title|tr|ul|li)\b[^<>]{0,300}>?|<!(?:--|doctype)[^<>]{0,300}>?",
    re.IGNORECASE,
)
"""Tags in the middle of words; a placeholder such as <model> is none."""
_TOKENS = re.compile(r"<[^<>]*>?|[^<]+")
_TAG_NAME = re.compile(r"<(!--|[/!?]?[A-Za-z][A-Za-z0-9-]*)")
_HIDDEN = ("!--", "script", "style")
_PHRASE = re.compile(r"[^\W\d_]{2,}\s")
"""Words begin so, wherever they stand."""
_STREAMED = re.compile(r"(event\s*:\s*\S*\s+)?data$")
"""What stands before the JSON of an event of a stream (SSE)."""
_GZIP = b"\x1f\x8b"
_MESSAGE_KEYS = (
    *("message", "error_description", "detail", "msg", "description", "reason", "title"),
    *("error_message", "errormessage", "faultstring", "text"),
)
_CODE_KEYS = ("code", "type", "status", "error_code", "errorcode")
_INNER_KEYS = ("error", "errors", "detail", "message", "fault", "body", "response")


@dataclass(frozen=True, slots=True)
class RefusalBody:
    """What a body says; fields that it does not say are empty."""

    words: str = ""
    """At most ``MAX_WORDS`` characters, on one line."""
    code: str = ""
    """The server's own code; a bare number is none."""
    type: str = ""
    """The class of the error, where the server names it beside a code."""
    param: str = ""
    """The parameter that was wrong."""
    retry_after_s: float = 0.0
    """A field such as ``retry_after`` of the body, or ``retryDelay`` of Google's ``RetryInfo``."""


def read_body(body: bytes, content_type: str) -> RefusalBody:
    """What ``body`` says; ``content_type``: the header's value, empty where there is none."""
    text = _decoded(_unzipped(body), content_type).strip().lstrip("\ufeff")
    if not text or _SCALAR.fullmatch(text) or not _is_text(text):
        return RefusalBody()
    if text[0] in '{["':
        try:
            return _of_value(read_json(text), 0)
        except UnreadableError:
            return _searched(text)
    return _unwrapped(_page_words(text) if "html" in content_type.lower() else text, 0)


def read_value(value: Any) -> RefusalBody:
    """What an error says that came as part of an event, whatever its shape."""
    return _of_value(value, 0)


def _unzipped(body: bytes) -> bytes:
    """What was compressed, although no header says so; as far as it can be read."""
    if not body.startswith(_GZIP):
        return body
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, MAX_UNZIPPED_BYTES)
    except zlib.error:
        return b""


def _is_text(text: str) -> bool:
    """Whether it is meant to be read, rather than to be taken for letters by mistake."""
    beginning = text[:MAX_WORDS]
    odd = sum(not (letter.isprintable() or letter.isspace()) for letter in beginning)
    return 10 * odd <= len(beginning)


def _decoded(body: bytes, content_type: str) -> str:
    named = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", content_type, re.IGNORECASE)
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16", "replace")
    if 0 in body[:2]:  # Text begins with a letter of ASCII (RFC 4627).
        return body.decode("utf-16-be" if body[0] == 0 else "utf-16-le", "replace")
    for charset in ("utf-8", named.group(1) if named else "", "latin-1"):
        try:
            return body.decode(charset)
        except (UnicodeDecodeError, LookupError, ValueError):
            continue
    return body.decode("utf-8", "replace")


def _of_value(value: Any, depth: int) -> RefusalBody:
    if depth > MAX_DEPTH:
        return RefusalBody()
    if isinstance(value, str):
        return _unwrapped(value, depth)
    if isinstance(value, list):
        return _of_list(value, depth)
    if isinstance(value, Mapping):
        return _of_mapping(value, depth)
    return RefusalBody()


def _of_list(value: list[Any], depth: int) -> RefusalBody:
    """The first that says anything; FastAPI lists one complaint for each field."""
    read = [_of_value(entry, depth + 1) for entry in value[:3]]
    found = next((entry for entry in read if entry.words or entry.code), RefusalBody())
    words = _line("; ".join(entry.words for entry in read if entry.words))
    delay_s = next((entry.retry_after_s for entry in read if entry.retry_after_s), 0.0)
    return RefusalBody(words, found.code, found.type, found.param, delay_s)


def _of_mapping(given: Mapping[str, Any], depth: int) -> RefusalBody:
    value = {key.lower(): entry for key, entry in given.items()}
    inner = RefusalBody()
    for key in _INNER_KEYS:
        if isinstance(value.get(key), Mapping | list):
            inner = _of_value(value[key], depth + 1)
        if inner.words or inner.code:
            break
    texts = [value[key] for key in _MESSAGE_KEYS if isinstance(value.get(key), str)]
    codes = [code for key in _CODE_KEYS if (code := _code(value.get(key)))]
    error = value.get("error")
    if isinstance(error, str):
        if texts and _code(error):
            codes.insert(0, error)
        else:
            texts.append(error)
    said = _unwrapped(next((text for text in texts if text.strip()), ""), depth)
    words = f"{_place(value)}{said.words}" if said.words else ""
    if not (words or codes or inner.words or inner.code):
        other = _elsewhere(value, depth)
        inner = replace(other, retry_after_s=inner.retry_after_s or other.retry_after_s)
    param = value.get("param")
    return RefusalBody(
        inner.words or _line(words),
        inner.code or (codes[0] if codes else said.code),
        inner.type or _code(value.get("type")),
        inner.param or (one_line(param, MAX_CODE) if isinstance(param, str) else ""),
        inner.retry_after_s or _delay(value) or said.retry_after_s,
    )


def _elsewhere(value: Mapping[str, Any], depth: int) -> RefusalBody:
    """What a body says under keys that nobody knows: of a language, of a field, of an envelope."""
    unknown = ((key, entry) for key, entry in value.items() if key not in _INNER_KEYS)
    for key, entry in islice(unknown, MAX_DETAILS):
        is_text = isinstance(entry, str) and _PHRASE.search(entry)
        if is_text or isinstance(entry, Mapping | list):
            found = _of_value(entry, depth + 1)
            if found.words or found.code:
                is_field = isinstance(entry, list) and _CODE.fullmatch(key)
                words = f"{key}: {found.words}" if is_field and found.words else found.words
                return replace(found, words=_line(words))
    return RefusalBody()


def _line(text: str) -> str:
    """In one line, without markup."""
    return one_line(_TAG.sub(" ", text))


def _delay(value: Mapping[str, Any]) -> float:
    """Seconds until it may be tried again: here, or among the details (google.rpc); 0: none."""
    details = value.get("details")
    listed = details[:MAX_DETAILS] if isinstance(details, list) else [details]
    for entry in (value, *listed):
        fields = entry.items() if isinstance(entry, Mapping) else ()
        for key, given in fields:
            unit_s = _DELAYS_S.get(re.sub("[_-]", "", str(key).lower()), 0.0)
            delay_s = unit_s and unit_s * _duration_s(given)
            if delay_s:
                return delay_s
    return 0.0


def _duration_s(given: Any) -> float:
    """A duration as protocol buffers have it in JSON: "37.5s", or seconds and nanoseconds."""
    if isinstance(given, Mapping):
        seconds, nanos = given.get("seconds", 0), given.get("nanos", 0)
        return _duration_s(str(seconds)) + _duration_s(str(nanos)) / 1e9
    if isinstance(given, str):
        found = _DURATION.fullmatch(given.strip())
        given = float(found.group(1)) if found else None
    return _number(given)


def _place(value: Mapping[str, Any]) -> str:
    """Where FastAPI found the fault."""
    place = value.get("loc")
    if not isinstance(place, list) or not place:
        return ""
    return ".".join(str(step) for step in place[:6]) + ": "


def _code(value: Any) -> str:
    """A code in words: numbers repeat the status, and addresses (RFC 9457) are no codes."""
    if not isinstance(value, str) or value in ("None", "null", "about:blank"):
        return ""
    is_code = _CODE.fullmatch(value) is not None and "://" not in value
    return value if is_code else ""


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < 1e9 else 0.0


def _unwrapped(text: str, depth: int) -> RefusalBody:
    """``text`` with the words of an error that it quotes in place of the quotation."""
    if text.lstrip().startswith("<"):
        text = _page_words(text)
    start = min((at for mark in ("{", '["', "[{") if (at := text.find(mark)) >= 0), default=-1)
    if start < 0 or depth > MAX_DEPTH:
        return RefusalBody(_line(text), retry_after_s=_delay_in(text))
    before = text[:start]
    if before.endswith(("'", '"')):
        before = before[:-1].removesuffix("b")
    before = before.rstrip(" \t\r\n:-")
    try:
        inner = _of_value(read_json(text[start:], is_whole=False), depth + 1)
    except UnreadableError:
        inner = _searched(text[start:])
    before = _STREAMED.sub("", before)
    parts = (part for part in (before, inner.words) if part)
    delay_s = inner.retry_after_s or _delay_in(text)
    return replace(inner, words=_line(": ".join(parts)), retry_after_s=delay_s)


def _searched(text: str) -> RefusalBody:
    """What can be found in JSON that is damaged or cut, or in a Python literal."""
    message = _MESSAGE_FIELD.search(text)
    if message is not None:
        words = _unescaped(message.group(1))
    else:
        quoted = _QUOTED_FIELD.search(text)
        words = quoted.group(1) if quoted else ""
    code = _CODE_FIELD.search(text)
    words = re.split(r"[{\[<]", words, maxsplit=1)[0]
    known = code.group(1) if code else ""
    return RefusalBody(_line(words), known, retry_after_s=_delay_in(text))


def _delay_in(text: str) -> float:
    """Seconds of a ``RetryInfo`` that a text quotes; 0: there is none."""
    found = _DELAY_FIELD.search(text)
    return float(found.group(1)) if found else 0.0


def _unescaped(text: str) -> str:
    try:
        return str(read_json(f'"{text}"'))
    except UnreadableError:
        return text.replace("\\", " ")


def _page_words(text: str) -> str:
    """The title of a page, or its first words; it takes time by the length of the page alone."""
    title: list[str] = []
    shown: list[str] = []
    within = ""
    for token in _TOKENS.findall(text):
        if within == "!--":
            _, is_over, token = token.partition("-->")
            within = "" if is_over else within
        name = _tag_name(token)
        if within in _HIDDEN:
            within = "" if name == f"/{within}" else within
        elif name == "!--":
            within = "" if token.endswith("-->") else name
        elif name:
            within = name if name in (*_HIDDEN, "title") else "" if name == "/title" else within
        elif token.strip():
            (title if within == "title" else shown).append(html.unescape(token).strip())
    return " ".join(title).strip() or " ".join(shown)


def _tag_name(token: str) -> str:
    """Of a tag, in lower case, with the / of its end; empty: it is text."""
    found = _TAG_NAME.match(token)
    return found.group(1).lower() if found else ""
