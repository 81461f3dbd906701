"""Six people in a conference in virtual time: mixes, timeline, names."""

from __future__ import annotations

from benchmarks.report.findings import Findings
from benchmarks.rig.room_in_memory import RoomInMemory
from benchmarks.rig.six_voices import script
from benchmarks.suites.room import TARGET_DB, report_mix, right_captions, timeline_errors
from mixer_core.settings import MixerCoreSettings


def test_who_speaks_is_known_to_a_few_frames_and_every_caption_has_its_names() -> None:
    talk = script(4)
    assert any(len(turn.names) > 1 for turn in talk.turns)
    room = RoomInMemory(talk, MixerCoreSettings())
    room.run()
    assert right_captions(room) == set(range(4))
    wrong, total = timeline_errors(room)
    assert total[2] > 50
    assert sum(wrong.values()) <= 0.005 * sum(total.values())


def test_every_mix_is_the_sum_of_the_others() -> None:
    talk = script(1)
    room = RoomInMemory(talk, MixerCoreSettings(auto_gain=False, noise_gate_db=0.0))
    room.run()
    findings = Findings(print)
    report_mix(room, findings)
    mixes = [m.values["db"] for m in findings.measures if m.subject == "signal to error"]
    assert len(mixes) == 7 and min(mixes) >= TARGET_DB
