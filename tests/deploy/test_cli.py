"""What ``mixminus run`` checks and says before supervisord takes over."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from deploy.cli import assistant, main
from openai_link.settings import OpenaiLinkSettings
from signaling.access.desk import Desk
from signaling.access.ledger import Ledger


@pytest.mark.parametrize(
    ("settings", "simulated", "words"),
    [
        (OpenaiLinkSettings(), True, "the local simulator (OPENAI_API_KEY is not set)"),
        (OpenaiLinkSettings(upstream="simulator"), True, "the local simulator"),
        (OpenaiLinkSettings(model="m-1"), False, "m-1 at https://api.openai.com/v1"),
    ],
)
def test_it_says_who_the_assistant_is(
    settings: OpenaiLinkSettings, simulated: bool, words: str
) -> None:
    assert assistant(settings, simulated) == words


@pytest.mark.processes  # Looking for addresses starts one.
def test_a_terminal_that_has_not_all_letters_shows_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Desk(Ledger(tmp_path)).invite(["home"], "speak", "Zoë Ж", 3_600, False, 1_900_000_000)
    monkeypatch.setenv("MIXMINUS_RUNTIME__STATE_DIR", str(tmp_path))
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr("sys.stdout", terminal)
    assert main(["invite", "--list"]) == 0
    terminal.flush()
    assert "Zoë ?" in terminal.buffer.getvalue().decode("latin-1")  # type: ignore[attr-defined]


class Interrupted(io.StringIO):
    """Somebody presses Ctrl-C while something is shown."""

    def write(self, _: str) -> int:
        raise KeyboardInterrupt


def test_a_command_that_is_interrupted_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdout", Interrupted())
    assert main(["config"]) == 130
