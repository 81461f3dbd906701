"""A gateway that is to stop, or of which a part has failed: who is told what, and who comes in."""

from __future__ import annotations

from mixer_core.bus.control import Notice
from mixer_core.runtime.units import S_NS
from signaling.http import given_up
from signaling.registry.actions import ReplyProblem
from signaling.registry.announcements import GIVEN_UP
from tests.signaling.registry.test_house import Home, offer_of
from tests.signaling.worlds import FakeChild


def notices(home: Home, worker: FakeChild) -> list[tuple[str, str, int]]:
    told = [m for m in home.world.messages_to(worker) if isinstance(m, Notice)]
    assert all(notice.participant == offer_of(worker).participant for notice in told)
    return [(notice.code, notice.message, notice.in_ms) for notice in told]


def drain(home: Home, seconds: int) -> None:
    now_ns = home.world.now_ns
    home.world.do(home.world.registry.drain(now_ns + seconds * S_NS, now_ns))


def test_everybody_is_told_once_until_when_and_nobody_new_comes_in() -> None:
    home = Home()
    anna, bob = home.come(), home.come(room="den")
    drain(home, 30)
    drain(home, 30)
    for worker in (anna, bob):
        ((code, words, in_ms),) = notices(home, worker)
        assert (code, in_ms) == ("stopping", 30_000) and "keep this page open" in words
    home.world.advance(10_000)
    refused = home.refused()
    assert (refused.status, refused.title, refused.retry_after_s) == (503, "Draining", 2)
    assert refused.extra == {"left_s": 20}


def test_who_has_just_lost_the_connection_comes_in_and_is_told_the_time_that_is_left() -> None:
    home = Home()
    anna = home.come()
    home.come()
    drain(home, 30)
    home.world.advance(10_000)
    former = offer_of(anna).participant
    again = home.come(replaces=former)
    assert [(code, in_ms) for code, _, in_ms in notices(home, again)] == [("stopping", 20_000)]


def test_without_anybody_the_answer_is_the_same() -> None:
    home = Home()
    drain(home, 5)
    assert isinstance(home.refused(), ReplyProblem)


def test_only_admins_are_told_what_a_failed_program_said_and_all_when_it_is_over() -> None:
    home = Home()
    admin, guest = home.come(role="admin"), home.come()
    failed = {"openai_link": "it ended 5 times in a row: KeyError: 'secret'"}

    def announce(words: tuple[str, str]) -> None:
        now_ns = home.world.now_ns
        home.world.do(home.world.registry.announce(GIVEN_UP, *words, None, now_ns))

    for _ in range(3):
        announce(given_up.words(failed))
    ((_, to_admin, _),), ((_, to_guest, _),) = notices(home, admin), notices(home, guest)
    assert "KeyError" in to_admin and "mixminus reload" in to_admin
    assert "KeyError" not in to_guest and "the assistant cannot be called" in to_guest
    assert given_up.words({"mixer_standby": "why"}) == ("", "")
    announce(("", ""))
    assert [notices(home, worker)[1:] for worker in (admin, guest)] == [[(GIVEN_UP, "", 0)]] * 2
