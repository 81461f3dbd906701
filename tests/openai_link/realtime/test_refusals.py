"""One reading of refusals: whatever a server answers, people get words, and the room its code."""

from __future__ import annotations

import gzip
import json
import time
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.runtime.errors import UpstreamError
from openai_link.realtime.problems import explain
from openai_link.realtime.refusal_body import MAX_WORDS
from openai_link.realtime.refusals import (
    MAX_RETRY_AFTER_S,
    read_close,
    read_event,
    read_refusal,
    told_wait_s,
    unusable,
)
from openai_link.realtime.upstream import Upstream

NOW_S = 1_800_000_000.0
SERVER = Upstream("voice.example", "https://voice.example/v1", "sk-of-the-house", False)
QUOTA = "You exceeded your current quota, please check your plan and billing details."
REGION = "Country, region, or territory not supported"
MODEL = "The model gpt-x is not supported in realtime mode."
LIMIT = "Rate limit reached. Please try again in 20s."


def refusal(status: int, body: Any, **headers: str) -> UpstreamError:
    """As read from an answer; a body that is not bytes is JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_refusal(status, named, data, NOW_S)


@pytest.mark.parametrize(
    ("status", "body", "code", "kind", "words"),
    [
        (
            429,
            {
                "error": {
                    "type": "insufficient_quota",
                    "code": "insufficient_quota",
                    "message": QUOTA,
                }
            },
            "insufficient_quota",
            "quota",
            QUOTA,
        ),
        (
            403,
            {"error": {"code": "unsupported_country_region_territory", "message": REGION}},
            "unsupported_country_region_territory",
            "region",
            REGION,
        ),
        (
            400,
            {"error": {"code": "invalid_model", "param": "model", "message": MODEL}},
            "invalid_model",
            "model",
            MODEL,
        ),
        (429, {"error": {"code": "rate_limit_exceeded", "message": LIMIT}}, None, "rate", LIMIT),
        (
            429,
            {"error": {"type": "insufficient_quota", "code": None, "message": "No."}},
            "insufficient_quota",
            "quota",
            "No.",
        ),
        (429, {"error": {"code": "429", "message": QUOTA}}, "http_429", "quota", QUOTA),
        (
            401,
            {"error": {"message": "No key.", "type": "auth_error", "param": "None", "code": "401"}},
            "auth_error",
            "key",
            "No key.",
        ),
        (
            401,
            {"error": {"code": "401", "message": "Access denied due to invalid subscription key."}},
            "http_401",
            "key",
            "Access denied due to invalid subscription key.",
        ),
        (401, {"statusCode": 401, "message": "Unauthorized."}, "http_401", "key", "Unauthorized."),
        (
            404,
            {"error": {"code": "DeploymentNotFound", "message": "None."}},
            None,
            "model",
            "None.",
        ),
        (
            429,
            {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Slowly."}},
            "RESOURCE_EXHAUSTED",
            "rate",
            "Slowly.",
        ),
        (400, {"error": "unsupported media type"}, "http_400", "", "unsupported media type"),
        (400, b'"bind: \\"sdp\\" is missing"', "http_400", "", 'bind: "sdp" is missing'),
        (
            401,
            {"error": "invalid_token", "error_description": "It is expired."},
            "invalid_token",
            "key",
            "It is expired.",
        ),
        (404, {"detail": "Not Found"}, "http_404", "", "Not Found"),
        (
            422,
            {"detail": [{"loc": ["body", "sdp"], "msg": "Field required", "type": "missing"}]},
            "missing",
            "",
            "body.sdp: Field required",
        ),
        (
            403,
            {"detail": {"code": "forbidden", "message": "No."}},
            "forbidden",
            "permission",
            "No.",
        ),
        (
            403,
            {"errors": [{"code": 10000, "message": "Authentication error"}]},
            "http_403",
            "permission",
            "Authentication error",
        ),
        (
            503,
            {"type": "about:blank", "title": "Full", "status": 503, "detail": "No room."},
            "http_503",
            "",
            "No room.",
        ),
        (
            401,
            b"<!DOCTYPE html><html><head><title>401 Authorization Required</title>"
            b"<style>body{}</style></head><body><h1>No</h1></body></html>",
            "http_401",
            "key",
            "401 Authorization Required",
        ),
        (502, b"<html><body>bad <b>gateway</b></body></html>", "http_502", "", "bad gateway"),
        (500, b"", "http_500", "", "Internal Server Error"),
        (599, b"", "http_599", "", "the server answered 599"),
        (500, b"  upstream\n\x00 connect  error ", "http_500", "", "upstream connect error"),
        (500, [], "http_500", "", "Internal Server Error"),
        (500, 17, "http_500", "", "Internal Server Error"),
    ],
)
def test_every_shape_of_body_becomes_a_code_and_words(
    status: int, body: Any, code: str | None, kind: str, words: str
) -> None:
    error = refusal(status, body)
    assert (error.status, error.kind, str(error)) == (status, kind, words)
    assert code is None or error.code == code


def test_what_a_proxy_quotes_is_unwrapped() -> None:
    inner = {"error": {"message": "Try another.", "code": "invalid_model"}}
    quoted = f"litellm.BadRequestError: OpenAIException - {json.dumps(inner)}"
    assert str(refusal(400, {"error": {"message": quoted}})) == (
        "litellm.BadRequestError: OpenAIException: Try another."
    )
    literal = "OpenAIException - {'error': {'message': 'Try another.', 'code': None}}"
    assert str(refusal(400, {"error": {"message": literal}})) == "OpenAIException: Try another."
    assert str(refusal(500, f"Error: {json.dumps(inner)}".encode())) == "Error: Try another."


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("Nicht möglich.".encode("latin-1"), "text/plain; charset=utf-8"),
        ("Nicht möglich.".encode("latin-1"), "text/plain"),
        ("Nicht möglich.".encode("cp1252"), "text/plain; charset=windows-1252"),
        ("Nicht möglich.".encode(), "text/plain; charset=none-such"),
        ("Nicht möglich.".encode("utf-16"), "text/plain"),
        ("\ufeff" + json.dumps({"error": "Nicht möglich."}, ensure_ascii=False), "text/html"),
    ],
)
def test_a_wrong_or_missing_charset_does_no_harm(body: Any, content_type: str) -> None:
    data = body if isinstance(body, bytes) else body.encode()
    assert str(refusal(400, data, Content_Type=content_type)) == "Nicht möglich."


def test_a_body_that_was_cut_is_searched_for_its_words() -> None:
    text = json.dumps({"error": {"code": "invalid_model", "message": "No.", "more": "x" * 99_999}})
    error = refusal(400, text[:64_000].encode())
    assert (error.code, str(error)) == ("invalid_model", "No.")
    endless = json.dumps({"error": {"message": "ab " * 99_999}})[:64_000]
    assert str(refusal(400, endless.encode())).startswith("ab ab ")
    assert str(refusal(400, b'{"a": ' * 5_000)) == "Bad Request"
    assert str(refusal(400, b"[" * 50_000)) == "Bad Request"


@given(st.integers(300, 599), st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_any_body_becomes_short_words_on_one_line(status: int, body: bytes) -> None:
    error = read_refusal(status, {"Content-Type": "text/html; charset=\x00"}, body, NOW_S)
    assert 0 < len(error.code) <= 64
    assert len(str(error)) <= MAX_WORDS and "\n" not in str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text("ab {[<'\\\n", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "errors", "message", "code", "type", "detail", "loc", "msg"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.booleans())
def test_any_json_becomes_words_without_json(body: Any, quoted: bool) -> None:
    given_body = {"error": {"message": f"x: {json.dumps(body)}"}} if quoted else body
    words = str(refusal(400, given_body))
    assert len(words) <= MAX_WORDS
    assert '":' not in words


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"Retry_After": "20"}, {}, 20.0),
        ({"Retry_After": "1.5"}, {}, 1.5),
        ({"Retry_After": formatdate(NOW_S + 90, usegmt=True)}, {}, 90.0),
        (
            {
                "Retry_After": formatdate(NOW_S - 500, usegmt=True),
                "Date": formatdate(NOW_S - 530, usegmt=True),
            },
            {},
            30.0,
        ),
        ({"Retry_After": formatdate(NOW_S - 90, usegmt=True)}, {}, 0.0),
        ({"retry_after_ms": "250", "Retry_After": "1"}, {}, 0.25),
        ({"Retry_After": "soon"}, {}, 0.0),
        ({"Retry_After": "-3"}, {}, 0.0),
        ({"Retry_After": "nan"}, {}, 0.0),
        ({"Retry_After": "1e300"}, {}, MAX_RETRY_AFTER_S),
        ({"Retry_After": "Mon, 99 Foo"}, {}, 0.0),
        ({}, {"error": {"message": LIMIT}}, 20.0),
        ({}, {"error": {"message": "Slow down.", "retry_after": 7}}, 7.0),
        ({}, {"message": "Slow down.", "retry_after": True}, 0.0),
        ({}, {"error": {"code": 429, "details": [{"@type": "x"}, RETRY_INFO]}}, 37.0),
        ({}, [{"error": {"code": 429, "details": [RETRY_INFO]}}], 37.0),
        ({}, {"error": {"details": [{"retryDelay": "1.250000000s"}]}}, 1.25),
        ({}, {"error": {"details": [{"retry_delay": {"seconds": "9", "nanos": 5e8}}]}}, 9.5),
        ({}, {"error": {"details": {"retryDelay": "4s"}}}, 4.0),
        ({}, {"retryDelay": 11}, 11.0),
        ({}, {"error": {"message": json.dumps({"error": {"details": [RETRY_INFO]}})}}, 37.0),
        ({}, {"detail": f"VertexAI: {[RETRY_INFO]}"}, 37.0),
        ({}, {"message": "429 Quota. retry_delay {\n  seconds: 37\n}\n]"}, 37.0),
        ({}, {"error": {"details": [{"retryDelay": "soon"}, "x", None, 7]}}, 0.0),
        ({}, {"error": {"details": [{"retryDelay": "-3s"}, {"retryDelay": True}]}}, 0.0),
        ({}, {"error": {"details": [{"retryDelay": "999999999s"}]}}, MAX_RETRY_AFTER_S),
        ({}, {"error": {"message": "Slowly.", "retry_after": "20"}}, 20.0),
        ({}, {"error": {"message": "Slowly."}, "retryAfter": 20}, 20.0),
        ({}, {"error": {"message": "Slowly.", "retry_after_seconds": 20}}, 20.0),
        ({}, {"error": {"message": "Slowly.", "retry-after-ms": 2_500}}, 2.5),
        ({}, {"error": {"message": "Slowly.", "retry_after": [20]}}, 0.0),
        ({"Retry_After": "5"}, {"error": {"details": [RETRY_INFO]}}, 5.0),
        ({"Retry_After": "5"}, {"error": {"message": LIMIT}}, 5.0),
    ],
)
def test_the_servers_wait_is_kept_whoever_tells_it(
    headers: dict[str, str], body: Any, seconds: float
) -> None:
    assert refusal(429, body, **headers).retry_after_s == pytest.approx(seconds, abs=1.0)
    assert refusal(503, body, **headers).retry_after_s == pytest.approx(seconds, abs=1.0)
    assert refusal(400, body, **headers).retry_after_s == 0.0


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Please try again in 20s. Visit https://x", 20.0),
        ("Please try again in 6m0s.", 360.0),
        ("try again in 1m30.5s", 90.5),
        ("Please try again in 350ms.", 0.35),
        ("Please retry after 3 seconds.", 3.0),
        ("Retry in 2 minutes and 5 seconds", 125.0),
        ("wait for 10 milliseconds", 0.01),
        ("try again in 1h", 3600.0),
        ("Retry in about 20 seconds.", 20.0),
        ("Retry-After: 20", 20.0),
        ("Try again after 2026-11-26T10:00:00Z", 0.0),
        ("Please try again later.", 0.0),
        ("Limit 20, used 19", 0.0),
        ("", 0.0),
    ],
)
def test_a_wait_in_words_counts(words: str, seconds: float) -> None:
    assert told_wait_s(words) == pytest.approx(seconds)


@pytest.mark.parametrize("kind", ["key", "quota", "region", "model", "permission"])
def test_no_attempt_helps_where_something_else_must_change(kind: Any) -> None:
    for code in UpstreamError.CODES[kind]:
        assert UpstreamError(code, "", 429).retryable is False
        assert UpstreamError(code, "").kind == kind
    assert UpstreamError("odd", "", 429, kind=kind).retryable is False
    assert UpstreamError("rate_limit_exceeded", "", 429).retryable is True
    assert UpstreamError("server_error", "", 503).retryable is True


@pytest.mark.parametrize(
    ("code", "message", "param", "expected"),
    [
        ("insufficient_quota", QUOTA, "", ("insufficient_quota", "quota", 0, QUOTA)),
        ("401", "Wrong key.", "", ("http_401", "key", 401, "Wrong key.")),
        (
            "invalid_request_error",
            "No such.",
            "model",
            ("invalid_request_error", "model", 0, "No such."),
        ),
        ("rate_limit_exceeded", LIMIT, "", ("rate_limit_exceeded", "rate", 0, LIMIT)),
        ("server_error", "", "", ("server_error", "", 0, "no reason was given")),
        (
            "bad",
            f"OpenAIException - {json.dumps({'error': {'message': QUOTA}})}",
            "",
            ("bad", "quota", 0, f"OpenAIException: {QUOTA}"),
        ),
    ],
)
def test_an_error_event_that_ends_a_session_is_read_alike(
    code: str, message: str, param: str, expected: tuple[str, str, int, str]
) -> None:
    error = read_event(code, message, param)
    assert (error.code, error.kind, error.status, str(error)) == expected
    assert error.retry_after_s == (20.0 if message == LIMIT else 0.0)


@pytest.mark.parametrize(
    ("reason", "code", "retryable"),
    [
        ("invalid_request_error.insufficient_quota", "insufficient_quota", False),
        ("invalid_api_key", "invalid_api_key", False),
        ("Invalid_Request_Error.Model_Not_Found", "model_not_found", False),
        ("going away", "connection_lost", True),
        ("Invalid API key", "connection_lost", False),
        ("You exceeded your current quota", "connection_lost", False),
        ("rate_limit_exceeded", "connection_lost", True),
        ("", "connection_lost", True),
    ],
)
def test_a_websocket_that_ends_says_why_in_its_reason(
    reason: str, code: str, retryable: bool
) -> None:
    error = read_close(4000, reason)
    assert (error.code, error.retryable) == (code, retryable)
    assert reason in str(error) and "4000" in str(error)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            429,
            {"error": {"code": "insufficient_quota", "message": QUOTA}},
            "voice.example refused the call: its quota is used up (429 insufficient_quota): "
            f"{QUOTA} Add credit to the account, or raise its limit.",
        ),
        (
            403,
            {"error": {"code": "unsupported_country_region_territory", "message": REGION}},
            "voice.example refused the call: it does not serve this region "
            f"(403 unsupported_country_region_territory): {REGION}. "
            "Use a server that may be called from here.",
        ),
        (
            400,
            {"error": {"code": "invalid_model", "param": "model", "message": MODEL}},
            f"voice.example does not take the model (400 invalid_model): {MODEL} "
            "Set [openai_link] model to one that this key may use.",
        ),
        (
            429,
            {"error": {"code": "rate_limit_exceeded", "message": LIMIT}},
            f"voice.example refused the call: too many requests (429 rate_limit_exceeded): {LIMIT}",
        ),
    ],
)
def test_the_room_is_told_the_servers_own_words(status: int, body: Any, expected: str) -> None:
    assert explain(refusal(status, body), SERVER).message == expected


@pytest.mark.parametrize(
    "words",
    [
        "Incorrect key sk-of-the-house.",
        "Received API Key = sk-...ouse, Key Hash (Token) =" + "0a1b" * 16,
        "Bad ek_0123456789abc.",
    ],
)
def test_no_part_of_a_key_is_told(words: str) -> None:
    message = explain(refusal(401, {"error": {"message": words, "code": "odd"}}), SERVER).message
    assert "***" in message
    for part in ("ouse", "0a1b", "0123"):
        assert part not in message


def test_the_present_is_not_needed_for_seconds() -> None:
    assert read_refusal(429, {"Retry-After": "3"}, b"", time.time()).retry_after_s == 3.0


def test_the_field_that_it_is_about_is_read() -> None:
    error = {"code": "invalid_value", "message": "No.", "param": "session.tools[3].parameters"}
    assert refusal(400, {"error": error}).param == "session.tools[3].parameters"
    assert refusal(400, {"error": {**error, "param": None}}).param == ""


def test_the_reason_of_a_close_may_be_an_error_too() -> None:
    reason = json.dumps({"error": {"code": "auth_error", "message": "No such key."}})
    error = read_close(1008, reason)
    assert str(error) == "the server closed the WebSocket with code 1008 (No such key.)"
    assert (error.kind, error.retryable) == ("key", False)
    assert read_close(1013, "Try again in 20s").retry_after_s == 20.0
    assert str(read_close(None, "")) == "the server closed the WebSocket with code None"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": {"message": "Full."}}', "it is not SDP: Full."),
        ("<html><title>Home</title></html>", "it is not SDP: Home"),
        ("", "it is not SDP"),
        ("{}", "it is not SDP"),
    ],
)
def test_an_answer_that_cannot_be_used_is_told_in_its_words(body: str, words: str) -> None:
    error = unusable("it is not SDP", body)
    assert (error.code, str(error), error.retryable) == ("bad_answer", words, True)


WORDS = {"error": {"code": "insufficient_quota", "message": "No credit."}}
TEXT = json.dumps(WORDS)


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(TEXT.encode(), mtime=0),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("utf-16"),
        f"<html><body><p>{TEXT}</p></body></html>".encode(),
        f"data: {TEXT}\n\n".encode(),
        f"event: error\ndata: {TEXT}\n\n".encode(),
        f"{TEXT}\n{TEXT}\n".encode(),
        json.dumps([WORDS]).encode(),
        json.dumps({"error": TEXT}).encode(),
        json.dumps({"error": {"message": TEXT}}).encode(),
        json.dumps({"Error": {"Code": "insufficient_quota", "Message": "No credit."}}).encode(),
        json.dumps({"error_message": "No credit.", "code": "insufficient_quota"}).encode(),
        json.dumps(
            {"error": {"code": "insufficient_quota", "message": {"text": "No credit."}}}
        ).encode(),
        str(WORDS).encode(),
    ],
)
def test_code_and_words_are_found_however_they_are_wrapped(body: bytes) -> None:
    for kind in ("application/json", "text/html", "text/plain; charset=klingon", ""):
        error = refusal(400, body, Content_Type=kind)
        assert (error.code, error.kind, str(error)) == ("insufficient_quota", "quota", "No credit.")


@pytest.mark.parametrize("body", [bytes(range(256)), b"\x1f\x8bnot packed", b"\0\0\0", b"\1" * 99])
def test_what_is_no_text_is_not_shown(body: bytes) -> None:
    assert str(refusal(400, body)) == "Bad Request"


@pytest.mark.parametrize(
    ("given", "wait_s"),
    [
        ("Fri Jan 15 08:00:20 2027", 20),
        ("Fri, 15 Jan 2027 08:00:20", 20),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER_S),
        ("9" * 400, 0),
        ("-5", 0),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_dates_without_a_zone_are_those_of_utc(
    given: str, wait_s: float, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert refusal(429, {}, Retry_After=given).retry_after_s == wait_s
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("number", ["99999999999999999999", "9" * 400])
def test_no_wait_that_is_told_in_words_is_longer_than_a_day(number: str) -> None:
    words = f"Try again in {number} days."
    assert told_wait_s(words) == MAX_RETRY_AFTER_S
    assert read_close(4429, words).retry_after_s == MAX_RETRY_AFTER_S


def test_an_error_in_an_accepted_answer_is_read_like_any_other() -> None:
    error = unusable("the answer is not SDP", json.dumps(WORDS))
    assert (error.code, error.kind, error.retryable) == ("insufficient_quota", "quota", False)
    assert "No credit." in str(error)
    assert unusable("the answer is not SDP", "<html>").code == "bad_answer"


def test_an_error_event_without_a_code_has_none() -> None:
    assert read_event("", "Oh.").code == "unknown"


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"error": {"message": {"en": "Not here."}}}, "http_400", "Not here."),
        ({"errors": {"model": ["is invalid"]}}, "http_400", "model: is invalid"),
        ({"data": {"error": {"message": "Deep.", "code": "deep"}}}, "deep", "Deep."),
        ({"error": {"innererror": {"code": "Inner", "message": "In."}}}, "Inner", "In."),
        ({"error": {"message": None, "code": "no code at all"}}, "http_400", "no code at all"),
        ({"error": {"message": "No <b>such</b> <script>thing"}}, "http_400", "No such thing"),
        ({"error": {"message": "Use model=<name>"}}, "http_400", "Use model=<name>"),
        (b"<!-- <title>No</title> -->A &lt;page&gt;<script>x<b></script>", "http_400", "A <page>"),
    ],
)
def test_words_are_found_wherever_they_stand(body: Any, code: str, words: str) -> None:
    error = refusal(400, body)
    assert (error.code, str(error)) == (code, words)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("API key not valid. Please pass a valid API key.", "key"),
        ("Your api_key has been revoked", "key"),
        ("Unknown model: gpt-x", "model"),
        ("Model not exist.", "model"),
        ("Insufficient Balance", "quota"),
        ("The model is overloaded, it is currently not available", ""),
    ],
)
def test_words_say_what_it_is_about_where_the_code_does_not(words: str, kind: str) -> None:
    assert refusal(400, {"error": {"message": words, "status": "INVALID_ARGUMENT"}}).kind == kind


@pytest.mark.parametrize(
    "body",
    [
        *("<a " * 20_000, "<" * 60_000, "<!--" * 15_000, "<script" * 8_000, "<title>x" * 8_000),
        *("retry in " + "1" * 60_000 + ":1", "retry in " + "1 s, " * 9_000 + "2026-1"),
        json.dumps({f"k{n}": {"error": [[{"a": {"error": {}}}]]} for n in range(999)}),
    ],
    ids=lambda body: body[:12],
)  # fmt: skip
def test_no_body_takes_long_to_read(body: str) -> None:
    begun_s = time.process_time()
    refusal(429, body.encode())
    assert time.process_time() - begun_s < 1.0  # Reading again at each tag takes minutes.
