"""Outputs are bounded text; secrets are not in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import CallToolResult

from openai_link.tools.mcp_results import output_of
from openai_link.tools.outputs import (
    MAX_OUTPUT_BYTES,
    bounded,
    error_output,
    error_text,
    is_error,
    to_output,
)
from openai_link.tools.redaction import redactor


@dataclass
class Reading:
    value: Decimal


def test_text_stays_and_the_rest_is_json() -> None:
    assert to_output("it is 10") == "it is 10"
    assert to_output({"a": [1, None]}) == '{"a":[1,null]}'
    assert to_output(Reading(Decimal("1.5"))) == '{"value":"1.5"}'
    assert to_output(None) == '{"result":"done"}'
    assert to_output(1 << 80) == str(1 << 80)


def test_an_error_is_recognised_and_read() -> None:
    output = error_output('no "such"\n thing')
    assert json.loads(output) == {"error": 'no "such" thing'}
    assert is_error(output)
    assert error_text(output) == 'no "such" thing'
    assert not is_error(to_output({"result": 1, "error": 2}))
    assert error_text("plain") == "plain"
    assert error_text('{"error":') == '{"error":'
    assert json.loads(error_output("")) == {"error": "it failed and gave no reason"}
    assert len(error_output("x" * 9_999)) < 520


@given(st.text(alphabet=st.characters(), max_size=20), st.integers(0, 3_000))
def test_an_output_is_never_longer_than_the_limit(text: str, times: int) -> None:
    data = bounded(text * times).encode()
    assert len(data) <= MAX_OUTPUT_BYTES


def test_a_cut_output_says_so() -> None:
    assert bounded("ä" * 20_000).endswith("… [cut: the result was longer]")


def test_secrets_of_the_environment_are_replaced() -> None:
    environ = {
        "HOME_ASSISTANT_TOKEN": "abc.def.ghi",
        "OPENAI_API_KEY": "whatever-1",
        "WIKI": "plainsecret",
        "PIN_TOKEN": "1",
        "PATH": "/usr/bin",
    }
    redact = redactor(environ, ("WIKI",))
    text = "abc.def.ghi whatever-1 plainsecret /usr/bin 1 Bearer xyz sk-0123456789"
    assert redact(text) == (
        "[redacted] [redacted] [redacted] /usr/bin 1 Bearer [redacted] [redacted]"
    )


@pytest.mark.parametrize("before", [MAX_OUTPUT_BYTES - n for n in (0, 3, 30, 40)])
def test_no_half_of_a_secret_is_left_where_an_output_is_cut(before: int) -> None:
    redact = redactor({"HOME_ASSISTANT_TOKEN": "qzqzqzqzq"})
    assert "q" not in to_output("x" * before + "qzqzqzqzq" + "y" * 99, redact)


@pytest.mark.parametrize("before", range(0, 60, 7))
def test_no_half_of_a_secret_is_left_of_many_either(before: int) -> None:
    """They are so much longer than what stands in their place that the end comes into sight."""
    secret = "qz" * 60
    redact = redactor({"HOME_ASSISTANT_TOKEN": secret})
    output = to_output("x" * before + secret * 2_000, redact)
    assert not {"q", "z"} & set(output) and output.endswith("the result was longer]")
    assert len(output) > MAX_OUTPUT_BYTES - 16


@pytest.mark.parametrize("before", [480, 490, 495])
def test_no_half_of_a_secret_is_left_where_an_error_of_a_server_is_cut(before: int) -> None:
    redact = redactor({"HOME_ASSISTANT_TOKEN": "qzqzqzqzq"})
    text = {"type": "text", "text": "x" * before + "qzqzqzqzq" + "y" * 99}
    result = CallToolResult.model_validate({"content": [text], "isError": True})
    output = to_output(output_of(result, redact), redact)
    assert is_error(output) and "q" not in output


@pytest.mark.parametrize("words", ["\ud83d", "a\udcffb", "\x00\u202e", "a\nb"])
def test_an_error_that_quotes_anybody_is_unicode_in_one_line(words: str) -> None:
    text = error_text(error_output(words))
    assert text.encode() and text.isprintable()
