"""The journal fails at each write in turn, or never answers: people are told, nothing is lost."""

from __future__ import annotations

import pytest

from tests.openai_link.room import checks
from tests.openai_link.room.scenes import CORE
from tests.openai_link.room.world import Scene, World
from tests.support.tables import points


@pytest.mark.parametrize("scene", CORE, ids=str)
def test_the_disk_fails_at_each_write(scene: Scene) -> None:
    undisturbed = World(scene)
    checks.check_all(undisturbed)
    for number in points(range(1, undisturbed.journal.writes)):
        world = World(scene)
        world.journal.fails_at = frozenset({number})
        checks.check_all(world)
        assert [e["code"] for e in world.of("error")].count("journal_failed") == 1
        assert texts(world) == texts(undisturbed)


@pytest.mark.parametrize("scene", CORE, ids=str)
def test_the_disk_always_fails(scene: Scene) -> None:
    world, undisturbed = World(scene), World(scene)
    world.journal.fails_at = frozenset(range(10_000))
    for each in (world, undisturbed):
        each.finish()
        each.ask(checks.LAST)
    checks.the_room_talks_again(world)
    checks.browsers_end_in_a_true_state(world, "ready")
    assert texts(world) == texts(undisturbed)


@pytest.mark.parametrize("scene", CORE, ids=str)
def test_a_disk_that_never_answers_holds_words_back_for_a_while_only(scene: Scene) -> None:
    world, undisturbed = World(scene), World(scene)
    world.journal.never_answers = True
    for each in (world, undisturbed):
        each.finish()
        each.run(6_000)
        each.ask(checks.LAST)
        each.run(6_000)
    assert sorted(texts(world)) == sorted(texts(undisturbed))
    checks.browsers_end_in_a_true_state(world, "ready")


def test_a_journal_that_does_not_recover_is_not_waited_for_for_ever() -> None:
    world = World(CORE[0])
    world.scheduled = [entry for entry in world.scheduled if entry[2] != "_recovered"]
    world.run(4_000)
    assert world.state["upstream"] == "connecting"
    checks.check_all(world)


def texts(world: World) -> list[str]:
    """The final captions that people were told, in order."""
    return list(world.final_captions().values())
