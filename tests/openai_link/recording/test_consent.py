"""Nothing is kept of anybody who has not been told, and one objection ends it."""

from __future__ import annotations

import random

from mixer_core.runtime.units import S_NS
from openai_link.recording.consent import LEAD_NS, Begin, Consent, Deed, End, Refuse, Sound


def message(on: bool, name: str = "Anna") -> dict[str, object]:
    return {"type": "record", "on": on, "participant": "p-1", "name": name, "stream": 7}


def running(now_ns: int = LEAD_NS) -> Consent:
    consent = Consent(True)
    consent.roster(["p-1", "p-2"], 0)
    assert consent.asked(message(True), 0) == [Sound(True)]
    assert consent.tick(now_ns) == [Begin("Anna")]
    return consent


def test_where_it_is_not_allowed_the_asker_is_told_so() -> None:
    consent = Consent(False)
    consent.roster(["p-1"], 0)
    (refusal,) = consent.asked(message(True), 0)
    assert isinstance(refusal, Refuse) and refusal.stream == 7
    assert consent.view == {"phase": "off", "words": ""} and not consent.keeps("p-1", S_NS)


def test_it_begins_when_everybody_had_time_to_object() -> None:
    consent = Consent(True)
    consent.roster(["p-1", "p-2"], 0)
    assert consent.asked(message(True), S_NS) == [Sound(True)]
    assert consent.view == {"phase": "soon", "words": "Anna wants to record this room"}
    assert consent.next_timeout_ns() == S_NS + LEAD_NS
    assert consent.tick(S_NS + LEAD_NS - 1) == [] and not consent.keeps("p-2", S_NS + LEAD_NS - 1)
    assert consent.tick(S_NS + LEAD_NS) == [Begin("Anna")]
    assert consent.keeps("p-2", S_NS + LEAD_NS) and consent.keeps("", S_NS + LEAD_NS)
    assert consent.asked(message(True), S_NS + LEAD_NS) == []


def test_an_objection_before_it_begins_keeps_everything_out() -> None:
    consent = Consent(True)
    consent.roster(["p-1", "p-2"], 0)
    consent.asked(message(True), 0)
    ended = consent.asked(message(False, "Ben"), LEAD_NS - 1)
    assert ended == [End("Ben has ended the recording"), Sound(False)]
    assert consent.tick(LEAD_NS) == [] and consent.next_timeout_ns() is None
    assert consent.view == {"phase": "off", "words": "Ben has ended the recording"}
    assert consent.asked(message(False, "Ben"), LEAD_NS) == []


def test_who_comes_later_is_told_before_anything_of_them_is_kept() -> None:
    consent = running()
    assert consent.roster(["p-1", "p-2", "p-3"], 60 * S_NS) == [Sound(True)]
    assert consent.roster(["p-1", "p-2", "p-3"], 61 * S_NS) == []
    assert not consent.keeps("p-3", 60 * S_NS + LEAD_NS - 1) and consent.keeps("p-1", 60 * S_NS)
    assert consent.keeps("p-3", 60 * S_NS + LEAD_NS)
    consent.roster(["p-1", "p-2"], 70 * S_NS)
    assert not consent.keeps("p-3", 70 * S_NS)
    consent.roster(["p-1", "p-2", "p-3"], 80 * S_NS)
    assert not consent.keeps("p-3", 80 * S_NS + 1), "who comes back is told again"


def test_its_ends() -> None:
    assert running().roster([], 9 * S_NS)[0] == End("everybody has left")
    assert isinstance(running().rules(False)[0], End) and running().rules(True) == []
    assert isinstance(running().tick(LEAD_NS + 4 * 3_600 * S_NS)[0], End)
    assert running().end("the disk is full")[0] == End("the disk is full")


def test_whatever_happens_nobody_is_kept_who_was_not_told_for_long_enough() -> None:
    random_ = random.Random(1)
    consent, now_ns = Consent(True), 0
    told: dict[str, int] = {}
    present: set[str] = set()
    begun = False
    for _ in range(5_000):
        now_ns += random_.randrange(2 * S_NS)
        deeds: list[Deed] = []
        match random_.randrange(4):
            case 0:
                before = set(present)
                present ^= {f"p-{random_.randrange(5)}"}
                deeds = consent.roster(present, now_ns)
                told = {p: told.get(p, now_ns) for p in present} if before else {}
                told |= dict.fromkeys(present - before, now_ns)
            case 1:
                was_off = consent.phase == "off"
                deeds = consent.asked(message(random_.random() < 0.7), now_ns)
                if was_off and consent.phase == "soon":
                    told = dict.fromkeys(present, now_ns)
            case _:
                deeds = consent.tick(now_ns)
        begun = (begun or any(isinstance(d, Begin) for d in deeds)) and not any(
            isinstance(d, End) for d in deeds
        )
        assert begun == (consent.phase == "on")
        for person in [f"p-{n}" for n in range(5)]:
            if consent.keeps(person, now_ns):
                assert begun and person in present and now_ns - told[person] >= LEAD_NS
