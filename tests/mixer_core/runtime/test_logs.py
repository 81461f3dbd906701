from __future__ import annotations

import pytest

from mixer_core.runtime import logs


@pytest.mark.parametrize(
    "secret", ["sk-proj-abcDEF123456", "ek_68af296e8e408191", "sk_test_123456789"]
)
def test_keys_are_redacted_anywhere_in_a_line(secret: str) -> None:
    text = logs.redact(f"POST failed for key {secret}, retrying")
    assert secret not in text and "[redacted]" in text and "retrying" in text


def test_bearer_and_query_tokens_are_redacted() -> None:
    assert "hunter2" not in logs.redact("Authorization: Bearer hunter2")
    assert logs.redact("/?token=hunter2&room=home") == "/?token=[redacted]&room=home"


def test_ordinary_words_stay() -> None:
    text = "the desk-top asked for a week_long pass; risk-averse"
    assert logs.redact(text) == text


def test_a_line_names_program_and_id_and_stays_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.setup("info")
    logs.get("media_worker", "p-12").info("< hello\nworld sk-abcdefghijk")
    logs.get("media_worker").debug("not shown")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "mixminus.media_worker: [p-12] < hello ⏎ world [redacted]" in lines[0]


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Basic hunter22",
        "{'password': 'hunter22 is long'}",
        '{"credential": "hunter22, and more"}',
        r"{\"api_key\": \"hunter22\"}",
        "GET https://ana:hunter22@house/v1",
        "https://hunter22@house",
    ],
)
def test_passwords_are_redacted_however_they_are_written(text: str) -> None:
    told = logs.redact(text)
    assert "hunter22" not in told and "[redacted]" in told and "more" not in told


def test_of_two_secrets_the_longer_one_is_redacted_whole() -> None:
    logs.conceal(["harbour", "harbour-seven-keys"])
    assert logs.redact("a harbour-seven-keys b") == "a [redacted] b"
    logs._concealed.clear()
