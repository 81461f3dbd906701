"""session/connection-keeper.js: coming back, with a gateway that still has the old stay."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

OFFERS = """
const offers = () => world.requests.filter(([method]) => method === "POST")
  .map(([, , headers]) => headers["Mixminus-Replaces"] ?? "");
const taken = [409, {title: "Name taken", detail: "Ana is the name of somebody else"}];
"""


def test_an_attempt_that_the_gateway_took_in_is_replaced_by_the_next(world: Run) -> None:
    replaced = world(
        OFFERS
        + """const { session, store } = await world.joined();
        world.passes = false; session.keeper.lost(); await world.pass(9000);
        world.passes = true; await world.pass(9000);
        const first = offers().slice(1);
        session.keeper.lost(); await world.pass(1000);
        return [first, offers().at(-1), world.stays, store.state.phase];"""
    )
    first, last, stays, phase = replaced
    assert len(first) >= 3 and first == [f"p{1 + index}" for index in range(len(first))]
    assert last == f"p{stays - 1}" and phase == "connected"


def test_a_name_that_the_old_stay_may_hold_is_asked_for_again(world: Run) -> None:
    result = world(
        OFFERS
        + """const { session, store, codes } = await world.joined();
        world.answer = () => taken; session.keeper.lost(); await world.pass(12000);
        const waiting = [store.state.phase, codes(), world.open.size];
        world.answer = () => [201, {}]; await world.pass(6000);
        return [waiting, store.state.phase, codes()];"""
    )
    assert result == [["reconnecting", ["gone"], 1], "connected", []]


def test_a_name_that_somebody_else_has_ends_the_stay(world: Run) -> None:
    result = world(
        OFFERS
        + """const { session, store, codes } = await world.joined();
        world.answer = () => taken; session.keeper.lost(); await world.pass(25000);
        return [store.state.phase, codes(), world.open.size];"""
    )
    assert result == ["lobby", ["name-taken"], 0]


def test_the_patience_with_a_taken_name_begins_anew_after_another_answer(world: Run) -> None:
    result = world(
        OFFERS
        + """const { session, store, codes } = await world.joined();
        world.answer = () => taken; session.keeper.lost(); await world.pass(5000);
        world.answer = () => [503, {title: "Busy", detail: "Too much"}]; await world.pass(20000);
        world.answer = () => taken; await world.pass(12000);
        return [store.state.phase, codes()];"""
    )
    assert result == ["reconnecting", ["gone"]]


def test_who_was_never_in_is_told_of_a_taken_name_at_once(world: Run) -> None:
    result = world(
        OFFERS
        + """const { session, store, codes } = await world.session();
        world.answer = () => taken; session.join(world.choice); await world.pass(200);
        return [store.state.phase, codes(), offers().length];"""
    )
    assert result == ["lobby", ["name-taken"], 1]


NOTICES = """
const tell = (session) => {
  for (const code of ["stopping", "given_up", "echo"])
    session.inbox.take({ type: "notice", code, message: "x" });
};
"""
SAID = ["stopping", "given-up", "echo"]


def test_what_the_gateway_said_on_the_former_connection_is_told_anew_or_over(world: Run) -> None:
    result = world(
        NOTICES
        + """const { session, store, codes } = await world.joined(); tell(session);
        const told = codes(); session.keeper.lost(); await world.pass(1000);
        return [told, store.state.phase, codes()];"""
    )
    assert result == [SAID, "connected", []]


@pytest.mark.parametrize("gone_ms", [1500, 7000])
def test_what_the_gateway_said_stays_where_the_connection_comes_back(
    world: Run, gone_ms: int
) -> None:
    result = world(
        NOTICES
        + """const { session, store, codes } = await world.joined(); tell(session);
        const asked = window.fetch; world.answers = false;
        window.fetch = (address, { signal }) => new Promise((_, fail) => (
          signal?.addEventListener("abort", () => fail(new TypeError("gone")))));
        await world.pass(a); const missing = [store.state.phase, codes()];
        world.answers = true; await world.pass(2000); window.fetch = asked;
        return [missing, store.state.phase, codes(), world.stays];""",
        gone_ms,
    )
    assert result == [["reconnecting", [*SAID, "gone"]], "connected", SAID, 1]


def test_what_the_gateway_said_does_not_follow_into_the_lobby(world: Run) -> None:
    result = world(
        NOTICES
        + """const { session, store, codes } = await world.joined(); tell(session);
        world.answers = false; world.answer = () => [403, { title: "Removed", detail: "x" }];
        await world.pass(3000); return [store.state.phase, codes()];"""
    )
    assert result == ["lobby", ["forbidden"]]


def test_a_proxy_that_refuses_without_a_word_is_told_in_ours(world: Run) -> None:
    result = world(
        """const { session, store, codes } = await world.session();
        world.answer = () => [403, {}]; session.join(world.choice); await world.pass(200);
        return store.state.problems.map(({ code, title, cure }) => [code, title, cure !== ""]);"""
    )
    assert result == [["forbidden", "You need an invitation", True]]
