"""What a client sends next."""

from __future__ import annotations

from benchmarks.rig import voice
from mixer_core.bus.frames import FLAG_PAUSE
from mixer_core.runtime.units import MS_NS


def test_a_conversation_ends_its_turns_with_a_pause() -> None:
    speaker = voice.Voice("room", 0, 1)
    speaker.behave("conversation")
    said = [speaker.next(slot * 20 * MS_NS) for slot in range(voice.CYCLE_FRAMES)]
    sent = [(pcm, flags) for pcm, flags in said if pcm]
    assert len(sent) == voice.SPEAK_FRAMES + voice.HANGOVER_FRAMES
    assert [flags for _, flags in sent] == [0] * (len(sent) - 1) + [FLAG_PAUSE]
    assert len(speaker.marks.take()) == 3_000 // 250
    speaker.behave("quiet")
    assert not speaker.wants_ticks


def test_talkers_of_a_room_share_the_marks() -> None:
    speakers = [voice.Voice("room", index, 3) for index in range(3)]
    for speaker in speakers:
        speaker.behave("continuous")
        for slot in range(300):
            speaker.next(slot * 20 * MS_NS)
    numbers = [{number for number, _ in speaker.marks.take()} for speaker in speakers]
    assert sum(len(own) for own in numbers) == 24
    assert set.union(*numbers) == set(range(24))
