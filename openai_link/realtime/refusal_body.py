"""The words in the body of a refused request, whatever the server is. Sans-I/O.

===========================================  ======================================================
``{"error": {"code", "type", "message"}}``   OpenAI, Azure, LiteLLM, Google
``{"error": "words"}``                       LocalAI, Spring
``{"error": "code", "error_description"}``   OAuth
``{"detail": "words"}``, a list, a mapping   FastAPI, and problem details (RFC 9457)
``{"errors": [{"code", "message"}]}``        Cloudflare, JSON:API
``{"message", "code"}``, ``"words"``         API gateways
a page, a line of text, nothing              proxies
===========================================  ======================================================

What cannot be read to its end (a huge body is cut) is searched for the same fields. No JSON and no
markup is ever returned.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

MAX_WORDS = 500
"""Longest words of a refusal, in characters."""
MAX_CODE = 64
MAX_DEPTH = 6
"""Errors inside the words of errors: proxies wrap what they were told."""

_CODE = re.compile(rf"[A-Za-z][A-Za-z0-9_.:/-]{{0,{MAX_CODE - 1}}}")
_SCALAR = re.compile(r"-?[0-9.eE+-]{1,40}|true|false|null|None")
_ESCAPED = r'"((?:[^"\\]|\\.)*)'
_MESSAGE_FIELD = re.compile(rf'"(?:message|detail|msg|error|title)"\s*:\s*{_ESCAPED}')
_CODE_FIELD = re.compile(rf'"(?:code|type)"\s*:\s*"({_CODE.pattern})"')
_QUOTED_FIELD = re.compile(r"'(?:message|detail|msg)'\s*:\s*'([^']*)'")
_MESSAGE_KEYS = ("message", "error_description", "detail", "msg", "description", "reason", "title")
_CODE_KEYS = ("code", "type", "status", "error_code")
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
    """A field ``retry_after`` of the body."""


def read_body(body: bytes, content_type: str) -> RefusalBody:
    """What ``body`` says; ``content_type``: the header's value, empty where there is none."""
    text = _decoded(body, content_type).strip().lstrip("\ufeff")
    if not text or _SCALAR.fullmatch(text):
        return RefusalBody()
    if text[0] in '{["':
        try:
            return _of_value(json.loads(text), 0)
        except (ValueError, RecursionError):
            return _searched(text)
    if text[0] == "<" or "html" in content_type.lower():
        return RefusalBody(one_line(_page_words(text)))
    return RefusalBody(_unwrapped(text, 0))


def one_line(text: str, limit: int = MAX_WORDS) -> str:
    """Printable characters of ``text`` in one line of at most ``limit``."""
    printable = (letter if letter.isprintable() else " " for letter in text[: 8 * limit])
    words = " ".join("".join(printable).split())
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"


def _decoded(body: bytes, content_type: str) -> str:
    named = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", content_type, re.IGNORECASE)
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16", "replace")
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
        return RefusalBody(_unwrapped(value, depth))
    if isinstance(value, list):
        return _of_list(value, depth)
    if isinstance(value, Mapping):
        return _of_mapping(value, depth)
    return RefusalBody()


def _of_list(value: list[Any], depth: int) -> RefusalBody:
    """The first that says anything; FastAPI lists one complaint for each field."""
    read = [_of_value(entry, depth + 1) for entry in value[:3]]
    found = next((entry for entry in read if entry.words or entry.code), RefusalBody())
    words = one_line("; ".join(entry.words for entry in read if entry.words))
    return RefusalBody(words, found.code, found.type, found.param, found.retry_after_s)


def _of_mapping(value: Mapping[str, Any], depth: int) -> RefusalBody:
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
    words = next((text for text in texts if text.strip()), "")
    words = f"{_place(value)}{_unwrapped(words, depth)}" if words else ""
    param = value.get("param")
    return RefusalBody(
        inner.words or one_line(words),
        inner.code or (codes[0] if codes else ""),
        inner.type or _code(value.get("type")),
        inner.param or (one_line(param, MAX_CODE) if isinstance(param, str) else ""),
        inner.retry_after_s or _number(value.get("retry_after")),
    )


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


def _unwrapped(text: str, depth: int) -> str:
    """``text`` with the words of an error that it quotes in place of the quotation."""
    start = min((at for mark in ("{", '["', "[{") if (at := text.find(mark)) >= 0), default=-1)
    if start < 0 or depth > MAX_DEPTH:
        return one_line(_page_words(text) if text.lstrip().startswith("<") else text)
    before = re.sub(r"[\s:\-]*(b?['\"])?$", "", text[:start])
    try:
        quoted, _ = json.JSONDecoder().raw_decode(text[start:])
        inner = _of_value(quoted, depth + 1)
    except (ValueError, RecursionError):
        inner = _searched(text[start:])
    if not inner.words:
        return one_line(before)
    return one_line(f"{before}: {inner.words}" if before else inner.words)


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
    return RefusalBody(one_line(words), code.group(1) if code else "")


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text.replace("\\", " ")


def _page_words(text: str) -> str:
    try:
        return _Page(text).words
    except AssertionError:  # The parser's answer to some damaged declarations.
        return re.sub(r"<[^>]*>?", " ", text)


class _Page(HTMLParser):
    """The title of a page, or its first words."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[str] = []
        self._title: list[str] = []
        self._text: list[str] = []
        self.feed(text)
        self.close()

    @property
    def words(self) -> str:
        """Without markup."""
        return " ".join(self._title).strip() or " ".join(self._text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember where the text that follows stands."""
        if tag in ("title", "h1", "script", "style"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """The text that follows stands outside again."""
        if tag in self._open:
            self._open.remove(tag)

    def handle_data(self, data: str) -> None:
        """Text."""
        if "script" in self._open or "style" in self._open or not data.strip():
            return
        (self._title if "title" in self._open else self._text).append(data.strip())
