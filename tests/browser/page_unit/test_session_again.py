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
