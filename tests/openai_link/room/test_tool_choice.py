"""One function that the model must call: demanded as soon as it is there."""

from __future__ import annotations

from tests.openai_link.room.world import Scene, World, wait


def room(*tools: str) -> World:
    world = World(Scene("choice", (wait(500),), tools=tools, settings={"tool_choice": "lamp"}))
    world.finish()
    return world


def choices(world: World) -> list[object]:
    return [server.engine.session["tool_choice"] for server in world.sessions.values()]


def warnings(world: World) -> list[str]:
    return [text for level, text in world.logs if level == "warning" and "tool_choice" in text]


def test_it_is_demanded_where_it_is_offered() -> None:
    world = room("lamp", "clock")
    assert choices(world) == [{"type": "function", "name": "lamp"}] and not warnings(world)


def test_where_it_is_missing_the_model_is_free_and_the_log_says_so() -> None:
    world = room("clock")
    assert choices(world) == ["auto"]
    (line,) = warnings(world)
    assert "lamp" in line


def test_it_is_demanded_once_it_has_come() -> None:
    world = room("clock")
    world.scene = Scene("choice", world.scene.steps, tools=("clock", "lamp"))
    world._tools_came()
    world.run(200)
    assert choices(world) == [{"type": "function", "name": "lamp"}]
