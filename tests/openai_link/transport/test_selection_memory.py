"""What the rooms of a host tell each other about transports."""

from __future__ import annotations

from pathlib import Path

from openai_link.transport.selection import REMEMBER_NS
from openai_link.transport.selection_memory import remember, remembered_ns

NOW_NS = 5 * REMEMBER_NS


def test_what_one_room_has_learnt_another_one_knows(tmp_path: Path) -> None:
    assert remembered_ns(tmp_path, NOW_NS) == 0
    remember(tmp_path, NOW_NS + 7)
    assert remembered_ns(tmp_path, NOW_NS) == NOW_NS + 7
    remember(tmp_path, 0)
    assert remembered_ns(tmp_path, NOW_NS) == 0


def test_what_is_over_or_cannot_be_true_is_ignored(tmp_path: Path) -> None:
    remember(tmp_path, NOW_NS)
    assert remembered_ns(tmp_path, NOW_NS) == 0
    remember(tmp_path, NOW_NS + 1)
    assert remembered_ns(tmp_path, NOW_NS - REMEMBER_NS) == 0, "the machine was restarted"
    (file,) = tmp_path.iterdir()
    file.write_text("soon")
    assert remembered_ns(tmp_path, NOW_NS) == 0


def test_a_directory_that_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    remember(tmp_path / "none", NOW_NS + 7)
    assert remembered_ns(tmp_path / "none", NOW_NS) == 0
