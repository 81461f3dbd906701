from __future__ import annotations

from openai_link.simulator.calls import switchboard as module
from openai_link.simulator.calls.switchboard import Switchboard
from openai_link.simulator.engine.items import Item
from openai_link.simulator.settings import SimulatorSettings


def test_long_sessions_that_have_ended_are_forgotten_sooner() -> None:
    board = Switchboard(SimulatorSettings(), seed=1)
    fields = {"role": "user", "content": []}
    for _ in range(12):
        call = board.open_socket({"type": "realtime"})
        items = [Item(f"i{number}", "message", dict(fields)) for number in range(300)]
        call.hub.engine.conversation.items.extend(items)
        board.forget(call, "over")
    assert sum(len(report["items"]) for report in board.ended) <= module._REMEMBERED_ITEMS
    assert len(board.ended) == module._REMEMBERED_ITEMS // 300
    longest = board.open_socket({"type": "realtime"})
    longest.hub.engine.conversation.items.extend(
        Item(f"i{number}", "message", dict(fields))
        for number in range(module._REMEMBERED_ITEMS + 1)
    )
    board.forget(longest, "over")
    assert [report["id"] for report in board.ended] == [longest.id]
