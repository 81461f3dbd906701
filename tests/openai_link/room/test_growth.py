"""A room that is open for weeks: people come and go, sessions are exchanged, and nothing grows."""

from __future__ import annotations

from openai_link.room.server_ids import MAX_OWNED
from openai_link.transcript.kept_items import MAX_ITEMS
from openai_link.transcript.line_places import MAX_LINES
from openai_link.transcript.slot_clock import MAX_ANCHORS
from openai_link.transcript.transcript import MAX_ALIASES
from tests.openai_link.room.scenes import ANSWERED
from tests.openai_link.room.world import Scene, Step, World, say, wait
from tests.support.growth import grown, sizes

ROUND = (
    say("Good morning."),
    *ANSWERED,
    Step("join", "p-1,p-2"),
    say("call lights"),
    *ANSWERED,
    Step("join", "p-2,p-3"),
    wait(2_500),
    Step("lose"),
    wait(500),
    Step("join", "p-1"),
)
BOUNDS = {
    "_known": MAX_ITEMS,
    "_positions": MAX_ITEMS,
    "order": MAX_ITEMS,
    "_told": MAX_ITEMS,
    "_aliases": MAX_ALIASES,
    "_lines": MAX_LINES,
    "_owners": MAX_OWNED,
    "_answering": 256,
    "_shares": 256,
    "names": 256,
    "_ended": 64,
    "_counted": 256,
    "_models": 16,
    "_transcription_models": 16,
    "_silent": 16,
    "_places": MAX_ANCHORS,
    "_times_ns": MAX_ANCHORS,
}
"""Collections that fill up to a limit of their own."""


def lived(rounds: int) -> World:
    """A room after so many rounds, each with a new session and new people."""
    world = World(
        Scene(
            "weeks",
            (wait(300), *ROUND * rounds),
            tools=("lights",),
            settings={"history_max_items": 6},
            session_limit_s=20,
        )
    )
    world.finish(2_400_000)
    return world


def test_nothing_grows_from_round_to_round() -> None:
    short, long = lived(6), lived(12)
    assert long.opened - short.opened >= 6, "sessions were exchanged"
    before, after = sizes(short.engine), sizes(long.engine)
    assert len(after) > 50, "nothing is looked at"
    assert grown(before, after, BOUNDS) == []
