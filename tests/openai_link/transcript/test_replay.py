"""A recorded conversation is replayed against the real simulator over its WebSocket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixer_core.journal.file import journal_path
from mixer_core.journal.records import ClosedRecord, HistoryItem, ItemRecord
from openai_link.settings import OpenaiLinkSettings, Settings
from openai_link.transcript.journal_store import JournalStore
from openai_link.transcript.replay import _server
from openai_link.transcript.replay_turns import NOT_RECORDED, RecordedResults, Step, lines, turns_of
from tests.openai_link.simulator.test_service import start, wait_until_healthy
from tests.support.gateway import ROOT, free_port
from tests.support.waiting import PATIENCE_S

SAYS = HistoryItem("u1", 1, "message", "user", "p-1", "Anna", "What time is it?", final=True)
CALL = HistoryItem(
    "f1", 2, "tool", "assistant", call="call_1", tool="get_time", arguments="{}",
    output="half past ten", ok=True, final=True,
)  # fmt: skip
ANSWER = HistoryItem("a1", 3, "message", "assistant", text="The answer is: half past ten")
MUMBLE = HistoryItem("u2", 4, "message", "user", "p-1", "Anna", "", final=True)


def test_turns_begin_where_people_speak() -> None:
    greets = replace(ANSWER, item="a0", position=0, text="Hello.")
    more = replace(SAYS, item="u9", text="Quickly!")
    turns = turns_of([greets, SAYS, more, CALL, ANSWER, MUMBLE, ANSWER, SAYS])
    assert [[item.item for item in turn.asked] for turn in turns] == [
        [], ["u1", "u9"], ["u2"], ["u1"],
    ]  # fmt: skip
    assert turns[1].recorded == [Step(tool="get_time", arguments="{}"), Step(ANSWER.text)]
    assert [bool(turn.skipped) for turn in turns] == [False, False, True, True]
    assert turns_of([]) == []


def test_differences_are_named() -> None:
    (turn,) = turns_of([SAYS, CALL, replace(ANSWER, text="The answer", heard_ms=100)])
    turn.replayed = [Step(tool="get_time", arguments=" { } "), Step("The answer  is long")]
    assert turn.differences() == []
    assert lines([turn])[-1] == "  = The answer is long"
    turn.replayed = [Step("I do not know")]
    first, second = turn.differences()
    assert first.startswith("step 1 differs") and second.startswith("step 2 is missing")
    turn.replayed = [*turn.recorded, Step("more")]
    assert turn.differences() == ["step 3 is new: more"]
    assert "  + more" in lines([turn])


def test_results_come_from_the_record_each_once() -> None:
    other = replace(CALL, call="call_2", arguments='{"zone": "UTC"}', output="nine")
    results = RecordedResults([CALL, other, ANSWER])
    assert [tool["name"] for tool in results.tools()] == ["get_time"]
    assert results.take("get_time", ' {"zone":"UTC"}') == "nine"
    assert results.take("get_time", '{"zone": "CET"}') == "half past ten"
    assert results.take("get_time", "{}") == NOT_RECORDED == results.take("unknown", "")


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of one with the script brain."""
    port = free_port()
    process = start(tmp_path_factory.mktemp("s"), port, MIXMINUS_SIMULATOR__BRAIN="script")
    try:
        wait_until_healthy(port)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)


def replay(folder: Path, port: int, *arguments: str) -> tuple[int, str, str]:
    ours = ("MIXMINUS_", "OPENAI_API_KEY")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    env = clean | {
        "MIXMINUS_RUNTIME__STATE_DIR": str(folder),
        "MIXMINUS_SIMULATOR__HTTP_PORT": str(port),
    }
    command = [sys.executable, "-m", "deploy.cli", "replay", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    return done.returncode, done.stdout, done.stderr


def record(folder: Path, *items: HistoryItem) -> None:
    store = JournalStore(journal_path(folder), "home")
    store.write([*map(ItemRecord, items), ClosedRecord(5)], 5)
    store.close()


def conversation(port: int, folder: Path) -> list[HistoryItem]:
    """A record whose words are those of the simulator."""
    record(folder, SAYS, CALL, ANSWER)
    _, out, _ = replay(folder, port, "home", "--json")
    (turn,) = json.loads(out)["turns"]
    return [SAYS, CALL, replace(ANSWER, text=turn["replayed"][-1]["text"])]


@pytest.mark.processes
def test_the_same_again_is_exit_code_0(simulator: int, short_dir: Path) -> None:
    items = conversation(simulator, short_dir)
    assert "half past ten" in items[-1].text, "the recorded result went to the model"
    record(short_dir, *items, MUMBLE)
    code, out, err = replay(short_dir, simulator, "home")
    assert (code, err) == (0, ""), out
    assert "Anna: What time is it?" in out and "  = [get_time({})]" in out
    assert "Turns: 1 replayed, 0 different, 1 not replayed" in out


@pytest.mark.processes
def test_a_difference_is_exit_code_1(simulator: int, short_dir: Path) -> None:
    record(short_dir, SAYS, replace(ANSWER, text="It is late."))
    record(short_dir, MUMBLE, replace(ANSWER, position=9))
    code, out, _ = replay(short_dir, simulator, "home", "--session", "2", "--json")
    content: dict[str, Any] = json.loads(out)
    assert (code, content["different"], content["played"]) == (1, 1, 1)
    assert content["turns"][0]["differences"]
    code, out, _ = replay(short_dir, simulator, "home")
    assert code == 1 and "Turns: 0 replayed" in out


@pytest.mark.processes
def test_what_is_missing_is_one_line(simulator: int, short_dir: Path) -> None:
    code, _, err = replay(short_dir, simulator, "home")
    assert code == 1 and "there is no journal" in err and err.count("\n") == 1
    record(short_dir, SAYS, ANSWER)
    for arguments, words in (
        (("bath",), "has no room 'bath'"),
        (("home", "--session", "7"), "--session must be 1 to 1"),
        (("home", "--url", f"http://127.0.0.1:{free_port()}/v1"), "does not answer"),
        (("home", "--url", f"http://127.0.0.1:{simulator}/v2"), "refused the WebSocket"),
        (("home", "--url", "https://api.openai.com/v1"), "OPENAI_API_KEY is not set"),
    ):
        code, _, err = replay(short_dir, simulator, *arguments)
        assert code != 0 and words in err and err.count("\n") == 1, err


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("https://voice.example/v1", {"X-Proxy": "p1", "Authorization": "Bearer sk-x"}),
        ("https://other.example/v1", {}),
        ("http://127.0.0.1:9/v1", {}),
    ],
)
def test_the_headers_of_the_settings_go_to_their_own_server_only(
    url: str, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    monkeypatch.setenv("PROXY_KEY", "p1")
    link = OpenaiLinkSettings(
        base_url="https://voice.example/v1", headers={"X-Proxy": "${PROXY_KEY}"}
    )
    server = _server(Settings(openai_link=link), url)
    assert server.headers == headers
