"""One reading of refusals: status, headers and body become one ``UpstreamError``. Sans-I/O.

It serves every request: calls, client secrets, hanging up, and the WebSocket's upgrade and its end.
The code and the words are the server's own; the kind says what people can do about it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from mixer_core.runtime.errors import RefusalKind, UpstreamError
from mixer_core.runtime.foreign_text import one_line

from .refusal_body import RefusalBody, read_body

MAX_RETRY_AFTER_S = 24 * 3600.0
"""Longest wait that is believed."""
BAD_ANSWER = "bad_answer"
"""Code of an answer that cannot be used and gives no code of its own."""

_CODE_KINDS: Mapping[str, RefusalKind] = {
    **{code: kind for kind, codes in UpstreamError.CODES.items() for code in codes},
    **dict.fromkeys(
        (
            *("incorrect_api_key", "invalid_authentication", "authentication_error"),
            *("authenticationerror", "auth_error", "unauthorized", "unauthenticated"),
            *("invalid_token", "token_expired", "expired_api_key", "no_api_key"),
        ),
        "key",
    ),
    **dict.fromkeys(
        (
            *("quota_exceeded", "billing_not_active", "budget_exceeded", "budgetexceedederror"),
            *("credit_balance_too_low", "insufficient_credits", "payment_required"),
        ),
        "quota",
    ),
    **dict.fromkeys(
        ("unsupported_country", "unsupported_region", "region_not_supported"), "region"
    ),
    **dict.fromkeys(
        (
            *("model_not_available", "model_not_supported", "unsupported_model", "unknown_model"),
            *("deploymentnotfound", "deployment_not_found", "notfounderror_model"),
        ),
        "model",
    ),
    **dict.fromkeys(
        (
            *("permission_denied", "permissiondenied", "permission_error", "access_denied"),
            *("accessdenied", "forbidden", "missing_scope", "organization_deactivated"),
            *("account_suspended", "ip_not_authorized", "project_archived"),
        ),
        "permission",
    ),
    **dict.fromkeys(
        (
            *("rate_limit_error", "ratelimitreached", "ratelimiterror", "too_many_requests"),
            *("tokens", "requests", "throttled", "resource_exhausted", "throttling_error"),
        ),
        "rate",
    ),
}
"""What the codes, and the types, of the service and of compatible ones are about, in lower case."""
_WORD_KINDS: tuple[tuple[RefusalKind, re.Pattern[str]], ...] = (
    (
        "quota",
        re.compile(
            r"exceeded your (current |monthly )?(quota|budget)|"
            r"insufficient (quota|balance|credits?|funds)|"
            r"(spend|spending|billing)( hard)? limit .{0,20}(reached|exceeded)"
        ),
    ),
    (
        "quota",
        re.compile(r"(credit|budget) (balance )?(is |has been )?(too low|exceeded|exhausted)"),
    ),
    ("region", re.compile(r"(country|region|territory).{0,40}not (be )?supported")),
    (
        "key",
        re.compile(
            r"(incorrect|invalid|wrong|missing|expired) (api|subscription|virtual)[ _-]?key|"
            r"(api|subscription|virtual)[ _-]?key (is |was |has )?"
            r"(not (valid|found)|invalid|incorrect|wrong|missing|(been )?(expired|revoked))"
        ),
    ),
    (
        "model",
        re.compile(
            r"model .{0,80}((does )?not exist|not (be )?(found|supported)|is unknown)|"
            r"(unknown|no such) model\b"
        ),
    ),
)
_STATUS_KINDS: Mapping[int, RefusalKind] = {
    401: "key",
    402: "quota",
    403: "permission",
    429: "rate",
}
_MAX_SHOWN = 64 * 1024
_NOTHING_HERE = frozenset({404, 405, 415, 501})
"""Statuses of addresses and forms that a server does not know."""
_UNITS_S: Mapping[str, float] = {"": 1, "ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_AGAIN = re.compile(
    r"(?:again|retry(?:ing)?|retried|wait)"
    r"(?:[ :=-]{1,3}(?:in|after|for|at least|until|another|about|around|approximately))*[ :=]{1,3}"
    r"((?:(?:\d++(?:\.\d++)?) ?(?:millisecond|ms|minute|min|m|second|sec|s|hour|h|day|d)?s?,? ?"
    r"(?:and )?)+)(?!\d|[-/:]\d)"
)
_LENGTH = re.compile(r"(\d+(?:\.\d+)?) ?(ms|milli|s|m|h|d)?")


def read_refusal(
    status: int, headers: Mapping[str, str], body: bytes, wall_s: float
) -> UpstreamError:
    """The error that a refused request stands for.

    Args:
        status: of the HTTP answer, 300 to 599.
        headers: of the answer; names are looked up as the service writes them.
        body: as far as it was read.
        wall_s: Unix time, for a ``Retry-After`` with a date.
    """
    said = read_body(body, headers.get("Content-Type", ""))
    words = said.words or _phrase(status)
    code = said.code or said.type or f"http_{status}"
    kind = _kind(status, said, words)
    wait_s = 0.0
    if status >= 500 or status in (408, 409, 425, 429):
        wait_s = retry_after_s(headers, wall_s) or said.retry_after_s or told_wait_s(words)
    wait_s = min(wait_s, MAX_RETRY_AFTER_S)
    error = UpstreamError(code, words, status, kind=kind, retry_after_s=wait_s, param=said.param)
    error.is_specific = bool(said.code or said.type or (said.words and status not in _NOTHING_HERE))
    return error


def read_event(code: str, message: str, param: str = "") -> UpstreamError:
    """The error that an event ``error`` stands for, where it ends the session.

    Args:
        code: of the event; some servers put the HTTP status here.
        message: the server's words, perhaps with another error in them.
        param: the field that it is about, or empty.
    """
    status = int(code) if re.fullmatch(r"[45]\d\d", code) else 0
    said = replace(read_body(message.encode(), ""), code="" if status else code, param=param)
    words = said.words or one_line(message) or "no reason was given"
    error = UpstreamError(
        said.code or (f"http_{status}" if status else "unknown"),
        words,
        status,
        kind=_kind(status or 400, said, words),
        retry_after_s=min(told_wait_s(words), MAX_RETRY_AFTER_S),
        param=param,
    )
    error.is_specific = True
    return error


def read_close(code: int | None, reason: str) -> UpstreamError:
    """The error that the end of a WebSocket stands for; servers put codes into the reason.

    Args:
        code: the close code; None where the connection broke.
        reason: for example ``invalid_request_error.insufficient_quota``, or words.
    """
    said = read_body(reason.encode(), "")
    shown = f" ({one_line(said.words or said.code, 200)})" if reason.strip() else ""
    words = f"the server closed the WebSocket with code {code}{shown}"
    known = reason.strip().rpartition(".")[2].lower()
    if known in UpstreamError.FATAL_CODES:
        return UpstreamError(known, words)
    kind = _CODE_KINDS.get(known) or _kind(400, said, said.words)
    return UpstreamError("connection_lost", words, kind=kind, retry_after_s=told_wait_s(said.words))


def unusable(what: str, body: str) -> UpstreamError:
    """The error that an accepted request (200) stands for whose answer cannot be used.

    Args:
        what: what is wrong, such as "the answer to the offer is not SDP".
        body: of the answer; some servers put an error there.
    """
    said = read_body(body[:_MAX_SHOWN].encode(), "")
    error = UpstreamError(
        said.code or BAD_ANSWER,
        f"{what}: {said.words}" if said.words else what,
        200,
        kind=_kind(400, said, said.words),
        retry_after_s=min(said.retry_after_s or told_wait_s(said.words), MAX_RETRY_AFTER_S),
    )
    error.is_specific = bool(said.words or said.code)
    return error


def retry_after_s(headers: Mapping[str, str], wall_s: float) -> float:
    """When the headers allow another attempt, from now on; 0: they do not say.

    ``Retry-After`` is a number of seconds or a date (RFC 9110 section 10.2.3); a date counts from
    the server's own ``Date``. ``retry-after-ms`` is the service's, and more exact.
    """
    exact_ms = _decimal(headers.get("retry-after-ms", ""))
    if exact_ms:
        return exact_ms / 1000
    given = headers.get("Retry-After", "").strip()
    seconds = _decimal(given)
    if seconds or not given:
        return seconds
    due_s = _unix_s(given)
    return max(0.0, due_s - (_unix_s(headers.get("Date", "")) or wall_s)) if due_s else 0.0


def told_wait_s(words: str) -> float:
    """The wait in words such as "try again in 1m30.5s"; 0: there is none."""
    found = _AGAIN.search(" ".join(words.lower().split()))
    if found is None:
        return 0.0
    wait_s = sum(
        float(number) * _UNITS_S["ms" if unit == "milli" else unit]
        for number, unit in _LENGTH.findall(found.group(1))
    )
    return min(wait_s, MAX_RETRY_AFTER_S)


def _kind(status: int, said: RefusalBody, words: str) -> RefusalKind:
    for name in (said.code, said.type):
        kind = _CODE_KINDS.get(name.lower())
        if kind:
            return kind
    if said.param == "model":
        return "model"
    if 400 <= status < 500:
        for kind, pattern in _WORD_KINDS:
            if pattern.search(words.lower()):
                return kind
    return _STATUS_KINDS.get(status, "")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"the server answered {status}"


def _decimal(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) and value > 0 else 0.0


def _unix_s(text: str) -> float:
    """A date without a zone is one of UTC (RFC 9110 section 5.6.7)."""
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0.0
