"""What one of the people of a cluster takes for an answer, and for being away."""

from __future__ import annotations

import json
from array import array

from benchmarks.rig.cluster_people import Member
from mixer_core.bus.frames import encode_audio
from mixer_core.bus.pcm import FRAME_SAMPLES

LOUD = array("h", [5_000, -5_000] * (FRAME_SAMPLES // 2)).tobytes()
S = 1_000_000_000


class Talking(Member):
    """One that is always connected, and whose words go nowhere."""

    is_there = True


def talking() -> Talking:
    member = Talking("http://node", "room", "P1")
    member.begin()
    return member


def caption(member: Member, text: str, final: bool = False) -> None:
    told = {"type": "caption", "item": text[:8], "text": text, "final": final}
    member.heard(None, json.dumps(told))


def hear(member: Member) -> None:
    member.heard(None, encode_audio(0, 0, 0, 0, 0, LOUD))


def test_an_answer_quotes_a_question_that_counts_and_is_heard() -> None:
    member = talking()
    hear(member)
    member.put()
    caption(member, '[simulator] "P2 asks 1."')
    hear(member)
    assert member.answered_ns() == 0
    caption(member, '[simulator] "P1 asks 1."')
    assert member.answered_ns() == 0
    hear(member)
    assert member.answered_ns() > 0


def test_an_answer_from_before_does_not_count() -> None:
    member = talking()
    member.put("at length")
    member.begin()
    caption(member, '[simulator] "P1 asks 1 at length."')
    hear(member)
    assert member.answered_ns() == 0
    member.put()
    caption(member, '[simulator] "P1 asks 2."')
    hear(member)
    assert member.answered_ns() > 0


def test_final_lines_are_kept_by_their_item() -> None:
    member = talking()
    caption(member, "[simulator] is not whole")
    caption(member, "P1 asks 1.", final=True)
    assert member.finals == {"P1 asks ": "P1 asks 1."}


def test_how_long_it_was_away() -> None:
    member = talking()
    member.lines = [(1 * S, "node-1"), (5 * S, ""), (7 * S, "node-2")]
    assert member.away_ms(9 * S) == 2_000
    member.lines.append((20 * S, ""))
    assert member.away_ms(24 * S) == 4_000
