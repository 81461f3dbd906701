"""The mixer and the links are told what they do not know, once."""

from __future__ import annotations

from mixer_core.bus.control import (
    Heartbeat,
    LifeSign,
    LinkState,
    LoadLevel,
    SpentElsewhere,
    WorkerState,
)
from signaling.news import MAX_KNOWN, News, Told

MIXER = Heartbeat("mixer_core", 1, True)
LINK = LinkState("link-1", 2, "idle")


def test_each_process_is_told_once_and_again_when_it_is_another_one() -> None:
    told = Told()
    assert not told.is_due("mixer_core", 1, 0), "it begins with that"
    assert [told.is_due("mixer_core", 1, 2) for _ in range(3)] == [True, False, False]
    assert told.is_due("mixer_core", 7, 2)
    assert [told.is_due("mixer_core", 7, 0) for _ in range(2)] == [True, False]


def test_those_told_longest_ago_are_forgotten_first() -> None:
    told = Told()
    for number in range(MAX_KNOWN + 1):
        told.is_due(f"link-{number}", 1, 1)
    assert not told.is_due(f"link-{MAX_KNOWN}", 1, 1)
    assert not told.is_due("link-1", 1, 1)
    assert told.is_due("link-0", 1, 1)


def test_the_level_goes_to_the_mixer_and_to_links_when_it_changes() -> None:
    news = News()
    signs: dict[str, LifeSign] = {
        "mixer_core": MIXER,
        "link-1": LINK,
        "worker-1": WorkerState("worker-1", 3, "idle"),
        "openai_link": Heartbeat("openai_link", 4, True),
    }

    def told() -> dict[str, list[object]]:
        found = {name: [*news.due(name, sign)] for name, sign in signs.items()}
        return {name: messages for name, messages in found.items() if messages}

    assert told() == {}
    news.level = 2
    assert told() == {"mixer_core": [LoadLevel(2)], "link-1": [LoadLevel(2)]}
    assert told() == {}
    news.level = 0
    assert told() == {"mixer_core": [LoadLevel(0)], "link-1": [LoadLevel(0)]}


def test_what_was_spent_goes_to_links_when_it_changes_and_to_new_ones() -> None:
    news = News()
    assert news.due("link-1", LINK) == []
    spent, more = SpentElsewhere("2026-11-22", 1.5), SpentElsewhere("2026-11-22", 2.5)
    news.spent_elsewhere(spent)
    assert news.due("mixer_core", MIXER) == []
    assert [news.due("link-1", LINK) for _ in range(2)] == [[spent], []]
    news.spent_elsewhere(more)
    news.level = 1
    assert news.due("link-1", LINK) == [LoadLevel(1), more]
    assert news.due("link-2", LinkState("link-2", 5, "idle")) == [LoadLevel(1), more]
