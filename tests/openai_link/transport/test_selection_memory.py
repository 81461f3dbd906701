"""What the rooms of a host tell each other about reaching their server."""

from __future__ import annotations

from pathlib import Path

from openai_link.transport.selection import REMEMBER_SERVER_NS
from openai_link.transport.selection_memory import MAX_WAIT_NS, Learnt, recall, remember

NOW_NS = 5 * REMEMBER_SERVER_NS
URL = "http://voice.example/v1"


def test_what_one_room_has_learnt_another_one_knows(tmp_path: Path) -> None:
    assert recall(tmp_path, URL, NOW_NS) == Learnt(URL)
    for learnt in (
        Learnt(URL, NOW_NS + 7),
        Learnt(URL, 0, "bare"),
        Learnt(URL, NOW_NS + 7, "form"),
        Learnt(URL, 0, "", NOW_NS + 7),
    ):
        remember(tmp_path, learnt)
        assert recall(tmp_path, URL, NOW_NS) == learnt
    remember(tmp_path, Learnt(URL))
    assert recall(tmp_path, URL, NOW_NS) == Learnt(URL)
    assert not list(tmp_path.iterdir())


def test_of_another_server_nothing_is_believed(tmp_path: Path) -> None:
    remember(tmp_path, Learnt(URL, NOW_NS + 7, "bare"))
    other = "http://other.example/v1"
    assert recall(tmp_path, other, NOW_NS) == Learnt(other)


def test_what_is_over_or_cannot_be_true_is_ignored(tmp_path: Path) -> None:
    remember(tmp_path, Learnt(URL, NOW_NS))
    assert recall(tmp_path, URL, NOW_NS) == Learnt(URL)
    remember(tmp_path, Learnt(URL, NOW_NS + 1, "bare"))
    restarted = recall(tmp_path, URL, NOW_NS - REMEMBER_SERVER_NS)
    assert restarted == Learnt(URL, 0, "bare"), "the machine was restarted"
    (file,) = tmp_path.iterdir()
    for damaged in (b"soon", b"", b"[]", b'{"base_url": 1}', b"\xff"):
        file.write_bytes(damaged)
        assert recall(tmp_path, URL, NOW_NS) == Learnt(URL)


def test_a_long_wait_ends_with_a_restart(tmp_path: Path) -> None:
    for allowed_ns, believed_ns in (
        (NOW_NS, 0),
        (NOW_NS + MAX_WAIT_NS, NOW_NS + MAX_WAIT_NS),
        (NOW_NS + MAX_WAIT_NS + 1, 0),
    ):
        remember(tmp_path, Learnt(URL, 0, "", allowed_ns))
        assert recall(tmp_path, URL, NOW_NS).allowed_ns == believed_ns


def test_a_directory_that_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    remember(tmp_path / "none", Learnt(URL, NOW_NS + 7))
    assert recall(tmp_path / "none", URL, NOW_NS) == Learnt(URL)
