"""The output buffer is thrown away: what was sent of its replies is all that stays. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable

from .conversation import Conversation
from .output_audio import OutputAudio
from .server_events import Action, EventMaker


def clear_output(
    output: OutputAudio,
    conversation: Conversation,
    events: EventMaker,
    end: Callable[[], list[Action]],
    truncated_first: bool,
) -> list[Action]:
    """Stop playback, let ``end`` close the response, cut the items to what was sent.

    ``truncated_first``: the cut is told before the response's end.
    """
    cut = output.clear()
    cleared = [events.output_buffer("cleared", c.response_id) for c in cut if c.started]
    ended = end()
    truncated: list[Action] = []
    for entry in cut:
        item = conversation.get(entry.item_id)
        if item is not None:
            end_ms = min(entry.played_ms, item.audio_ms)
            conversation.truncate(item.id, end_ms)
            truncated.append(events.truncated(item.id, end_ms))
    return cleared + truncated + ended if truncated_first else cleared + ended + truncated
