"""Captions of a busy gateway: fewer of those that grow, all of those that are final."""

from __future__ import annotations

import random

from mixer_core.runtime.units import MS_NS
from openai_link.room.actions import TellBrowsers
from openai_link.room.caption_pace import MAX_ITEMS, CaptionPace


def caption(text: str, item: str = "a", final: bool = False) -> TellBrowsers:
    return TellBrowsers({"type": "caption", "item": item, "text": text, "final": final})


def told(level: int, steps: list[tuple[int, TellBrowsers]]) -> list[tuple[int, str]]:
    """When (ms) what is told; captions that are held back are asked for on time."""
    pace, out = CaptionPace(), []
    pace.set_load(level)

    def until(ms: int) -> None:
        while (due_ns := pace.next_timeout_ns()) is not None and due_ns <= ms * MS_NS:
            out.extend((due_ns // MS_NS, str(a.event["text"])) for a in pace.tick(due_ns))

    for ms, action in steps:
        until(ms)
        if pace.admits(action, ms * MS_NS):
            out.append((ms, str(action.event["text"])))
    until(10**6)
    return out


GROWING = [(100 * n, caption("x" * (n + 1))) for n in range(10)]


def test_without_load_they_come_as_they_are_made() -> None:
    for level in (0, 1):
        assert told(level, GROWING) == [(100 * n, "x" * (n + 1)) for n in range(10)]


def test_under_load_the_latest_of_each_interval_comes() -> None:
    assert told(2, GROWING) == [(0, "x"), (500, "x" * 5), (1000, "x" * 10)]
    assert told(3, GROWING) == [(0, "x"), (1000, "x" * 10)]


def test_what_is_final_comes_at_once_and_nothing_older_after_it() -> None:
    steps = [*GROWING[:3], (250, caption("whole", final=True))]
    assert told(3, steps) == [(0, "x"), (250, "whole")]


def test_items_do_not_hold_each_other_back() -> None:
    steps = [(n, caption(item, item)) for n, item in enumerate("abc")]
    assert [text for _, text in told(3, steps)] == ["a", "b", "c"]


def test_other_events_pass() -> None:
    notice = TellBrowsers({"type": "error", "text": "no"})
    assert told(3, [(0, notice), (1, notice)]) == [(0, "no"), (1, "no")]


def test_when_the_load_goes_nothing_is_left_behind() -> None:
    pace = CaptionPace()
    pace.set_load(3)
    assert pace.admits(caption("a"), 0) and not pace.admits(caption("ab"), MS_NS)
    pace.set_load(0)
    assert pace.next_timeout_ns() == 0
    assert [a.event["text"] for a in pace.tick(2 * MS_NS)] == ["ab"]
    assert pace.admits(caption("abc"), 3 * MS_NS) and pace.admits(caption("abcd"), 4 * MS_NS)


def test_the_last_words_of_every_item_are_told_whatever_comes() -> None:
    for seed in range(30):
        dice, last, steps = random.Random(seed), {}, []
        for step in range(300):
            item = f"item-{dice.randrange(MAX_ITEMS * 2)}"
            last[item] = f"{item} {step}"
            steps.append((step * 20, caption(last[item], item, dice.random() < 0.2)))
        heard = [text for _, text in told(dice.choice((2, 3)), steps)]
        for item, words in last.items():
            of_item = [text for text in heard if text.startswith(f"{item} ")]
            assert of_item[-1] == words
            assert of_item == sorted(of_item, key=lambda text: int(text.split()[1]))
