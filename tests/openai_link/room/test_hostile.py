"""Conversations with hostile and forgetful servers: the first of those that a command holds.

``python -m tests.openai_link.room.hostile --count 10000`` holds them all.
"""

from __future__ import annotations

import pytest

from tests.openai_link.room.hostile import verdict
from tests.support.tables import points

BLOCK = 25


@pytest.mark.parametrize("first", range(1, 151, BLOCK))
def test_whatever_a_server_does_the_room_talks_again(first: int) -> None:
    verdicts = [verdict(seed) for seed in points(range(first, first + BLOCK))]
    assert {seed: words for seed, words in verdicts if words} == {}


@pytest.mark.parametrize("first", (1, 6))
def test_so_it_does_where_people_show_pictures(first: int) -> None:
    verdicts = [verdict(seed, pictures=True) for seed in range(first, first + 5)]
    assert {seed: words for seed, words in verdicts if words} == {}


FOUND = {
    187: "words of people whose end is missing stayed unfinished",
    1265: "an end without an id kept the true end, and its cost, from being counted",
    1650: "a short word that a dead server did not hear was never noticed",
    2469: "a call that is still in progress was taken to be cut off",
    2897: "words whose response is not known stayed unfinished",
    2937: "an answer of which only the items came was asked for again",
    5041: "arguments that are no JSON",
    20286: "a tool's output without its answer was followed by the note that all is answered",
    21006: "the same with two calls",
    39135: "a turn that a time-out of the server ended went on for the policy of turns",
    37001: "sound without events kept an answer open for ever",
    70451: "a call whose status nobody knows was not made",
    70322: "an answer of which only the sound came was heard in a room that seemed to be idle",
    80839: "a turn whose end was lost was forgotten at a rollover",
    81704: "an item's id that is too long kept the cost of its response from being counted",
    88474: "a typed text that nobody acknowledged stood behind its own answer, and was done again",
    89598: "a tool ran again when the answer about it was lost twice",
    118525: "a transcript that names the assistant's item kept the words of its answer away",
    115912: "a silence after which the server wants to speak was taken for somebody's turn",
    114877: "an event's own id that is too long kept the cost of its response from being counted",
    21298: "an end that is still in progress kept the true end from being counted",
}
"""What seeds have shown, by seed."""


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_stays_mended(seed: int) -> None:
    assert verdict(seed) == (seed, "")
