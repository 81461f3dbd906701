"""Server events of a few short conversations with the simulator, to begin with."""

from __future__ import annotations

import functools
from typing import Any

from tests.openai_link.room.scenes import BUDGET, CORE, TOOLS
from tests.openai_link.room.world import World

Json = dict[str, Any]
MOST = 40


class _Recorder(World):
    """Keeps what the simulator sends."""

    def _sends(self, session: int, event: Json) -> None:
        self.__dict__.setdefault("recorded", []).append(event)
        super()._sends(session, event)


@functools.cache
def conversations() -> list[list[Json]]:
    """The first events of each scene."""
    found = []
    for scene in (CORE[0], CORE[1], CORE[2], CORE[5], TOOLS[0], BUDGET):
        world = _Recorder(scene)
        world.run(6_000)
        found.append(world.__dict__["recorded"][:MOST])
    return found
