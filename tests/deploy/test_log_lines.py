from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from deploy import log_commands
from deploy.log_lines import Line, Wanted, concealed, parse, pick
from mixer_core.runtime import log_level, logs


def lines(form: type[logging.Formatter]) -> list[str]:
    """Three lines as they are written; the second has a traceback."""
    try:
        raise ValueError("it broke")
    except ValueError as error:
        trouble = (ValueError, error, error.__traceback__)
    made: list[str] = []
    for level, room, exception in ((20, "home", None), (30, "den", trouble), (10, "home", None)):
        record = logging.LogRecord("mixminus.openai_link", level, "", 0, "= it", (), exception)
        record.room, record.participant = room, "p-1"
        made.append(form().format(record) + "\n")
    return "".join(made).splitlines(keepends=True)


@pytest.mark.parametrize("form", [logs.ConsoleFormatter, logs.JsonFormatter])
@pytest.mark.parametrize("before", ["", "Nov 26 23:00:00 nano mixminus[12]: "])
def test_both_forms_are_read_again(form: type[logging.Formatter], before: str) -> None:
    first = before + lines(form)[0]
    assert parse(first) == Line("info", "openai_link", ("home", "p-1"))


@pytest.mark.parametrize("form", [logs.ConsoleFormatter, logs.JsonFormatter])
def test_a_room_has_its_lines_with_their_tracebacks(form: type[logging.Formatter]) -> None:
    home = list(pick(lines(form), Wanted(("home",))))
    den = list(pick(lines(form), Wanted(("den",))))
    assert len(home) == 2 and "it broke" in "".join(den)
    assert [*home, *den] and not set(home) & set(den)
    assert len(list(pick(lines(form), Wanted(("home",), level="info")))) == 1
    assert not list(pick(lines(form), Wanted(("home", "p-2"))))
    assert not list(pick(lines(form), Wanted(program="mixer_core")))


def test_what_other_programs_print_is_no_line() -> None:
    assert parse("mixminus: starting; Ctrl-C stops it") is None
    assert parse('{"no": "message"}') is None and parse("{") is None


def test_an_object_in_a_message_is_no_line_of_its_own() -> None:
    text = '12:00:00.123 INFO    mixminus.openai_link: [home] < {"type": "error", "message": "no"}'
    assert parse(text) == Line("info", "openai_link", ("home",))
    record = logging.LogRecord("mixminus.signaling", 20, "", 0, text, (), None)
    assert parse(logs.JsonFormatter().format(record)) == Line("info", "signaling", ())


@pytest.mark.parametrize("is_put_aside", [True, False])
def test_following_misses_no_line_where_the_file_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_put_aside: bool
) -> None:
    log = tmp_path / "log"
    log.write_text("first\nsecond\n")
    following = filter(None, log_commands.read(log, True))

    def rotate(_: float) -> None:
        if is_put_aside:
            with log.open("a") as file:
                file.write("late\n")
            log.rename(tmp_path / "log.1")
        log.write_text("third\n")

    monkeypatch.setattr("time.sleep", rotate)
    late = ["late\n"] if is_put_aside else []
    wanted = ["first\n", "second\n", *late, "third\n"]
    assert [next(following) for _ in wanted] == wanted


def test_following_begins_with_the_last_lines_and_goes_on_with_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"old {number}\n" for number in range(9)))

    def write(_: float) -> None:
        with log.open("a") as file:
            file.write("new 1\nnew 2\nnew 3\n")

    monkeypatch.setattr("time.sleep", write)
    shown = filter(None, log_commands.last_of(log_commands.read(log, True), 2))
    assert [next(shown) for _ in range(5)] == [
        f"{w}\n" for w in ["old 7", "old 8", "new 1", "new 2", "new 3"]
    ]
    assert list(log_commands.last_of(iter(["a", "b", "c"]), 2)) == ["b", "c"]
    assert list(log_commands.last_of(iter(["a", "b", "c"]), 0)) == ["a", "b", "c"]


def test_what_no_logger_has_written_is_written_without_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "_concealed", ["correct-horse"])
    ours = lines(logs.ConsoleFormatter)[0].encode()
    dying = b"KeyError: 'sk-proj-abcdef123'\nat correct-horse \xff battery\n"
    kept = concealed(ours + dying + ours)
    assert kept == ours + b"KeyError: '[redacted]'\nat [redacted] \xff battery\n" + ours


def test_files_that_were_put_aside_are_read_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = lines(logs.ConsoleFormatter)
    (tmp_path / "log.2").write_text(made[0])
    (tmp_path / "log.1").write_text("".join(made[1:-1]))
    (tmp_path / "log").write_text(made[-1])
    assert list(log_commands.read(tmp_path / "log", False)) == made
    assert log_commands.logs(["den", "--file", str(tmp_path / "log")]) == 0
    assert capsys.readouterr().out == "".join(made[1:-1])
    assert log_commands.logs(["den", "--file", str(tmp_path / "none")]) == 1


@pytest.mark.parametrize("piped", ["", "12:00:00.123 INFO    mixminus.signaling: [den] piped\n"])
def test_an_empty_pipe_is_none_where_the_settings_name_a_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    piped: str,
) -> None:
    in_file = "12:00:00.123 INFO    mixminus.signaling: [den] in the file\n"
    (tmp_path / "log").write_text(in_file)
    monkeypatch.setenv("MIXMINUS_RUNTIME__LOG_FILE", str(tmp_path / "log"))
    reader, writer = os.pipe()
    os.write(writer, piped.encode())
    os.close(writer)
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert log_commands.logs(["den"]) == 0
    assert capsys.readouterr().out == (piped or in_file)


@pytest.mark.parametrize("count", ["-5", "many"])
def test_a_number_of_lines_that_is_none_is_refused_in_words(
    count: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        log_commands.logs(["--lines", count])
    assert "write a number of lines" in capsys.readouterr().err


def test_the_level_is_set_shown_and_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIXMINUS_RUNTIME__DIR", str(tmp_path))
    assert log_commands.level(["debug", "--for", "5m"]) == 0
    setting = log_level.read(tmp_path)
    assert setting is not None and setting.level == "debug"
    assert 290 < setting.until_s - time.time() <= 300
    assert log_commands.level([]) == 0 and log_commands.level(["reset"]) == 0
    assert log_level.read(tmp_path) is None
    assert "info and above is logged, as the settings say" in capsys.readouterr().out
    monkeypatch.setenv("MIXMINUS_RUNTIME__DIR", str(tmp_path / "none"))
    assert log_commands.level(["debug"]) == 1
