"""``mixminus config``, and when a changed setting counts."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.config import main
from deploy.reload_check import OF_THE_SUPERVISOR, find
from deploy.settings import AllSettings
from mixer_core.runtime.errors import SettingsError, StartupError
from mixer_core.runtime.setting_origins import REDACTED, changed, is_named, origins, when
from signaling.tls import authority

ENV = {"HOME": "/nowhere"}


def file(folder: Path, text: str, name: str = "own.toml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_every_key_says_where_it_comes_from(tmp_path: Path) -> None:
    path = file(
        tmp_path, "[signaling]\nmax_rooms = 3\nhttp_port = 1\n[mixer_core]\nstandby = false"
    )
    env = {"MIXMINUS_CONFIG": path, "MIXMINUS_SIGNALING__HTTP_PORT": "9", **ENV}
    found = {(o.section, o.key): o for o in origins(AllSettings, env)}
    assert len(found) == sum(len(fields(section)) for section in sections())
    told = {key: (found["signaling", key].value, found["signaling", key].where) for key in
            ("max_rooms", "http_port", "https_port")}  # fmt: skip
    assert told == {
        "max_rooms": (3, f"{path}:2"),
        "http_port": (9, "MIXMINUS_SIGNALING__HTTP_PORT"),
        "https_port": (8443, "default"),
    }
    assert found["mixer_core", "standby"].where == f"{path}:5"


def sections() -> list[object]:
    every = [getattr(AllSettings(), section.name) for section in fields(AllSettings)]
    return [section for section in every if not is_named(section)]


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        "[simulator]\napi_key = 'sk-hidden'\n[openai_link.headers]\nX-A = 'hidden'\n"
        "X-B = '${NAME}'\n[openai_link.service_mcp_servers]\n"
        "mail = { connector_id = 'c', authorization = 'hidden' }\n",
    )
    found = {o.key: o.value for o in origins(AllSettings, {"MIXMINUS_CONFIG": path, **ENV})}
    assert "hidden" not in str(found)
    assert found["headers"] == {"X-A": REDACTED, "X-B": "${NAME}"}
    assert found["max_output_tokens"] == 0 and found["turn_secret_variable"] == "TURN_SECRET"


def test_nor_are_those_in_addresses_commands_and_free_texts(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        "[openai_link]\nbase_url = 'https://hidden:hidden@house/v1?api-key=hidden'\n"
        "traces_url = 'http://hidden@collector:4318/v1/traces'\n"
        'session_json = \'{"tools": [{"authorization": "hidden"}]}\'\n'
        "tracing_metadata = { key = 'hidden' }\n"
        "[openai_link.mcp_servers]\nlocal = { command = ['tool', '--token=hidden'] }\n"
        "far = { url = 'https://tools/hidden/mcp?key=hidden' }\n",
    )
    found = {o.key: o.value for o in origins(AllSettings, {"MIXMINUS_CONFIG": path, **ENV})}
    assert "hidden" not in str(found)
    assert found["base_url"] == f"https://{REDACTED}@house/v1?{REDACTED}"
    assert found["traces_url"] == f"http://{REDACTED}@collector:4318/v1/traces"
    assert found["mcp_servers"]["local"]["command"] == ["tool", REDACTED]
    assert found["mcp_servers"]["far"]["url"] == f"https://tools/{REDACTED}?{REDACTED}"
    assert found["home_assistant_url"] == "" and found["session_json"] == REDACTED


def test_it_is_printed_as_lines_and_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file(tmp_path, "[openai_link]\nvoice = 'ash'\n")
    monkeypatch.setenv("MIXMINUS_CONFIG", path)
    assert main(["--show-origin", "--changed"]) == 0
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "voice" in one]
    assert line.split("#") == [
        line.split("#")[0],
        f" {path}:2; change counts: next session",
    ] and line.startswith('openai_link.voice = "ash"')
    assert main(["--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) > 100
    monkeypatch.setenv("MIXMINUS_CONFIG", file(tmp_path, "[openai_link]\nvoice = 3\n", "bad.toml"))
    assert main([]) == 78
    assert "bad.toml, line 2: [openai_link] voice = 3" in capsys.readouterr().err


def test_every_key_says_when_its_change_counts() -> None:
    told = {(o.section, o.key): o.when for o in origins(AllSettings, ENV)}
    at_start = {key for key, one in told.items() if one == "start" and key[0] != "cluster"}
    assert at_start == {("runtime", "dir"), ("runtime", "state_dir")}
    assert {one for (section, _), one in told.items() if section == "cluster"} == {"start"}
    assert told["signaling", "max_rooms"] == told["openai_link", "max_children"] == "now"
    assert told["openai_link", "output"] == told["media_worker", "outbox_cap_ms"] == "call"
    assert (told["openai_link", "instructions"], told["openai_link", "voice"]) == ("now", "session")
    assert when(type(AllSettings().mixer_core), "deadline_ms") == "now"


@pytest.mark.parametrize(
    ("text", "programs"),
    [
        ("", ()),
        ("[signaling]\nmax_rooms = 3", ("signaling",)),
        ("[openai_link]\nvoice = 'ash'", ("openai_link",)),
        ("[openai_link]\nimages = false", ("openai_link", "media_worker", "signaling")),
        ("[mixer_core]\ndeadline_ms = 30", ("mixer_core",)),
        ("[simulator]\nbrain = 'tone'", ("simulator", "openai_link")),
        ("[rooms.den]\nvoice = 'ash'", ("openai_link", "signaling")),
        ("[runtime]\nwatchdog_s = 20\nlog_keep = 1", ()),
        ("[runtime]\ndrain_s = 20", ("signaling",)),
        (
            "[runtime]\nlog_level = 'debug'",
            ("mixer_core", "openai_link", "media_worker", "signaling"),
        ),
    ],
)
def test_who_reads_a_changed_key_is_started_again_and_nobody_else(
    tmp_path: Path, text: str, programs: tuple[str, ...]
) -> None:
    env = {**ENV, "XDG_RUNTIME_DIR": str(tmp_path)}
    old = file(tmp_path, "[signaling]\nmode = 'assistant'\n", "old.toml")
    found = find({**env, "MIXMINUS_CONFIG": file(tmp_path, text)}, old)
    assert set(programs) <= set(found.programs)
    if "images" not in text:
        assert found.programs == programs
    assert found.text == text and bool(found.changes) == bool(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[signaling]\nmax_rooms = 'many'", r"own.toml, line 2: \[signaling\] max_rooms = 'many'"),
        ("[signaling]\n\nmax_roms = 3", r"own.toml, line 3: \[signaling\] max_roms is an unknown"),
        ("[signaling]\nmode = \nlan = true", r"own.toml is not valid TOML: .*line 2"),
        ("[runtime]\nstate_dir = '/x'", r"\[runtime\] state_dir can change with the next start"),
        ("[signaling]\nhttp_host = '0.0.0.0'", "MIXMINUS_TOKEN"),
    ],
)
def test_what_cannot_be_used_is_refused_with_file_line_and_key(
    tmp_path: Path, text: str, words: str
) -> None:
    old = file(tmp_path, "", "old.toml")
    with pytest.raises(StartupError, match=words):
        find({**ENV, "MIXMINUS_CONFIG": file(tmp_path, text)}, old)


def pair(folder: Path, name: str, ended_days: int = 0) -> str:
    """A certificate and its key; the settings that name them."""
    now = datetime.now(UTC) - authority.LEAF_LIFE * bool(ended_days) - timedelta(days=ended_days)
    pem = authority.issue(authority.create((), now), ("a.local",), (), now)
    (folder / name).write_bytes(pem)
    files = f"tls_certificate = '{folder / name}'\ntls_key = '{folder / name}'"
    return f"[signaling]\nlan = true\ntls = 'files'\nmdns = false\n{files}\n"


@pytest.mark.processes  # Looking for addresses starts one.
def test_a_certificate_that_cannot_be_used_is_refused_before_signaling_needs_it(
    tmp_path: Path,
) -> None:
    env = {**ENV, "XDG_RUNTIME_DIR": str(tmp_path)}
    old = file(tmp_path, pair(tmp_path, "old.pem"), "old.toml")
    good, ended = pair(tmp_path, "good.pem"), pair(tmp_path, "ended.pem", ended_days=3)
    found = find({**env, "MIXMINUS_CONFIG": file(tmp_path, good)}, old)
    assert "signaling" in found.programs
    with pytest.raises(StartupError, match="expired on"):
        find({**env, "MIXMINUS_CONFIG": file(tmp_path, ended)}, old)
    (tmp_path / "good.pem").write_bytes(b"half")
    with pytest.raises(StartupError, match="no PEM certificate"):
        find({**env, "MIXMINUS_CONFIG": file(tmp_path, good)}, old)
    was_shown = file(tmp_path, ended, "ended.toml")
    other = f"{ended}max_rooms = 3\n"
    assert find({**env, "MIXMINUS_CONFIG": file(tmp_path, other)}, was_shown).changes


def test_a_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        find({**ENV, "MIXMINUS_CONFIG": str(tmp_path / "gone")}, file(tmp_path, ""))


def test_nothing_changes_with_the_same_settings() -> None:
    assert changed(AllSettings(), AllSettings()) == []
    assert set(OF_THE_SUPERVISOR) <= {key.name for key in fields(AllSettings().runtime)}
