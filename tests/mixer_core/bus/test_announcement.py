"""When START is sent: often until the mixer answers, then as a keep-alive."""

from __future__ import annotations

from mixer_core.bus.announcement import Announcement
from mixer_core.runtime.units import MS_NS, S_NS


def sent_at_ms(announcement: Announcement, until_ms: int) -> list[int]:
    """Send START whenever it is due, with nobody answering; when that was."""
    times: list[int] = []
    while (now_ns := announcement.next_timeout_ns()) <= until_ms * MS_NS:
        assert announcement.is_due(now_ns) and not announcement.is_due(now_ns - 1)
        announcement.sent(now_ns)
        times.append(now_ns // MS_NS)
    return times


def test_start_is_sent_every_50_ms_until_it_is_acknowledged() -> None:
    announcement = Announcement()
    assert announcement.is_due(0) and not announcement.acknowledged
    announcement.sent(10 * MS_NS)
    assert sent_at_ms(announcement, 200) == [60, 110, 160]
    assert not announcement.acknowledged


def test_an_acknowledged_start_is_repeated_after_a_second() -> None:
    announcement = Announcement()
    announcement.sent(0)
    announcement.answered(3 * MS_NS)
    assert announcement.acknowledged
    assert announcement.next_timeout_ns() == 3 * MS_NS + S_NS
    assert sent_at_ms(announcement, 1_003) == [1_003]


def test_a_keep_alive_that_gets_lost_is_sent_again_soon() -> None:
    announcement = Announcement()
    announcement.sent(0)
    announcement.answered(0)
    assert sent_at_ms(announcement, 1_120) == [1_000, 1_050, 1_100]
    assert announcement.acknowledged


def test_a_mixer_that_asks_is_told_at_once() -> None:
    announcement = Announcement()
    announcement.sent(0)
    announcement.answered(0)
    announcement.asked(400 * MS_NS)
    assert not announcement.acknowledged
    assert sent_at_ms(announcement, 500) == [400, 450, 500]
    announcement.answered(510 * MS_NS)
    assert announcement.acknowledged and announcement.next_timeout_ns() == 1_510 * MS_NS


def test_a_start_that_tells_of_a_change_puts_the_next_one_off() -> None:
    announcement = Announcement()
    announcement.sent(0)
    announcement.answered(0)
    announcement.sent(990 * MS_NS)
    assert announcement.next_timeout_ns() == 1_040 * MS_NS
