"""How the installer learns whether a release is ready."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, count, repeat

import pytest

from deploy.installed import Seen, missing, ready_url, wait_ready
from deploy.settings import AllSettings
from signaling.settings import SignalingSettings


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080/readyz"),
        ("0.0.0.0", "http://127.0.0.1:8080/readyz"),
        ("::", "http://[::1]:8080/readyz"),
        ("fd00::5", "http://[fd00::5]:8080/readyz"),
    ],
)
def test_this_machine_reaches_it(host: str, url: str) -> None:
    assert ready_url(AllSettings(signaling=SignalingSettings(http_host=host))) == url


def waited(looks: Iterator[Seen], limit_s: float) -> tuple[str, int]:
    """The last words, and how often it paused; a second passes from each look at the clock."""
    seconds = count()
    pauses: list[None] = []
    words = wait_ready(
        lambda: next(looks), limit_s, lambda: next(seconds), lambda: pauses.append(None)
    )
    return words, len(pauses)


def test_it_looks_until_nothing_is_missing() -> None:
    assert waited(chain(repeat(Seen("mixer_core"), 3), repeat(Seen(""))), 60) == ("", 3)


def test_after_the_limit_it_says_what_was_missing() -> None:
    words, pauses = waited(repeat(Seen("mixer_core: starting")), 60)
    assert words == "mixer_core: starting"
    assert 55 <= pauses <= 60


def test_it_does_not_wait_for_a_program_that_was_given_up() -> None:
    looks = [Seen("starting"), Seen("mixer_core: not started any more", is_final=True)]
    assert waited(iter(looks), 60) == ("mixer_core: not started any more", 1)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (json.dumps({"detail": "waiting for mixer_core"}).encode(), "waiting for mixer_core"),
        (b"[]", "[]"),
        (b"", "an empty answer"),
        (b"\xff" * 1_000, "�" * 300),
    ],
)
def test_whatever_answers_is_quoted(body: bytes, words: str) -> None:
    assert missing(body) == words
