"""When frames that were never needed are dropped, and at which moment."""

from __future__ import annotations

from mixer_core.quiet_moment import LISTEN_FRAMES, PATIENCE_FRAMES, QuietMoment
from mixer_core.surplus import FIRST_POPS, WATCH_POPS, SurplusWatch

LOUD_DBFS, SPEECH_DBFS, BREATH_DBFS, SILENT_DBFS = -3.0, -20.0, -35.0, -60.0


def watching() -> SurplusWatch:
    watch = SurplusWatch()
    watch.begin_spurt()
    return watch


def pops_until_found(watch: SurplusWatch, depth: int) -> int:
    """How many pops that leave ``depth`` frames it takes until some are surplus."""
    for pops in range(1, 10 * WATCH_POPS):
        watch.popped(depth)
        if watch.frames:
            return pops
    raise AssertionError("nothing was found")


def test_what_a_burst_left_at_the_beginning_is_found_soon_and_later_within_a_second() -> None:
    watch = watching()
    assert pops_until_found(watch, 2) == FIRST_POPS and watch.frames == 2
    watch.frames = 0
    watch.dropped(1)
    assert pops_until_found(watch, 1) == WATCH_POPS and watch.frames == 1


def test_frames_that_were_needed_once_are_not_surplus() -> None:
    watch = watching()
    for pop in range(WATCH_POPS):
        watch.popped(0 if pop == 7 else 3)
    assert watch.frames == 0


def test_no_more_is_dropped_than_waits() -> None:
    watch = watching()
    pops_until_found(watch, 3)
    watch.popped(1)
    assert watch.frames == 1
    watch.end_spurt()
    assert watch.frames == 0


def test_a_silent_frame_is_a_moment_at_once() -> None:
    assert QuietMoment().has_come(SILENT_DBFS)


def test_among_speech_it_waits_for_a_pause_of_breath() -> None:
    moment = QuietMoment()
    heard = [SPEECH_DBFS, BREATH_DBFS, *[SPEECH_DBFS] * (LISTEN_FRAMES - 2)]
    assert not any(moment.has_come(level) for level in heard)
    assert not moment.has_come(SPEECH_DBFS)
    assert moment.has_come(BREATH_DBFS)


def test_it_takes_any_frame_when_patience_ends() -> None:
    moment = QuietMoment()
    assert not moment.has_come(BREATH_DBFS)
    later = [moment.has_come(LOUD_DBFS) for _ in range(PATIENCE_FRAMES)]
    assert later == [False] * (PATIENCE_FRAMES - 1) + [True]
    moment.restart()
    assert not moment.has_come(LOUD_DBFS)
