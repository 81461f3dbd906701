from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import pytest

from mixer_core.runtime import log_level, logs
from mixer_core.runtime.log_level import LevelFile, Setting


def level() -> int:
    return logging.getLogger(logs.ROOT).level


def test_a_level_is_found_by_those_who_run_and_by_those_who_come_later(tmp_path: Path) -> None:
    logs.set_level("info")
    running = LevelFile(tmp_path, "info")
    running.renew()
    assert level() == logging.INFO
    log_level.write(tmp_path, Setting("debug", time.time() + 60))
    running.renew()
    assert level() == logging.DEBUG
    logs.set_level("info")
    LevelFile(tmp_path, "info").renew()
    assert level() == logging.DEBUG


def test_it_ends_by_itself_or_by_word(tmp_path: Path) -> None:
    file = LevelFile(tmp_path, "warning")
    log_level.write(tmp_path, Setting("debug", time.time() - 1))
    file.renew()
    logs.set_level("warning")
    file.renew()
    assert level() == logging.WARNING
    log_level.write(tmp_path, Setting("error", time.time() + 60))
    file.renew()
    assert level() == logging.ERROR
    log_level.write(tmp_path, None)
    file.renew()
    assert level() == logging.WARNING


@pytest.mark.parametrize("content", ["", "[]", '{"level": "loud", "until_s": 9e9}', "\0", "{" * 99])
def test_a_file_that_cannot_be_read_changes_nothing(tmp_path: Path, content: str) -> None:
    logs.set_level("info")
    (tmp_path / log_level.NAME).write_text(content)
    assert LevelFile(tmp_path, "info").renew() == "" and level() == logging.INFO


def test_lines_as_json_have_room_and_participant(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("info", "json")
    log = logs.get("media_worker", room="home", participant="p-1")
    try:
        raise ValueError("Bearer hunter2hunter2")
    except ValueError:
        log.warning("! < “so”\nmuch", exc_info=True)
    line = json.loads(capsys.readouterr().err)
    exception = line.pop("exception")
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "program": "media_worker",
        "room": "home",
        "participant": "p-1",
        "message": "! < “so”\nmuch",
    }
    assert "hunter2" not in exception and "ValueError" in exception


SDP = (
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\na=ice-ufrag:abcd\r\na=ice-pwd:verysecretpassword\r\n"
    "a=candidate:1 1 udp 1 192.0.2.7 9 typ host\r\n"
)


@pytest.mark.parametrize("text", [SDP, repr(SDP), json.dumps({"sdp": SDP}), SDP[SDP.index("a=") :]])
def test_session_descriptions_stay_out_of_the_log(text: str) -> None:
    said = logs.redact(f"< offer {text}")
    assert said.startswith("< offer ")
    assert not any(word in said for word in ("verysecret", "abcd", "192.0.2.7"))


@pytest.mark.parametrize(
    "text",
    [
        "https://nano.local/#invite=eyJhbGciOi.eyJ1c2UiOiJp.c2lnbmF0dXJl",
        "cookie eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcDEF",
        '{"urls": "turn:x", "credential": "abcDEF=="}',
        "the value is correct-horse",
    ],
)
def test_tokens_passwords_and_known_secrets_stay_out_of_the_log(text: str) -> None:
    logs.conceal(["correct-horse", "ab"])
    said = logs.redact(text)
    assert "[redacted]" in said
    assert not any(word in said for word in ("eyJ", "abcDEF", "correct-horse"))
