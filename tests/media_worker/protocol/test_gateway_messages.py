"""What the gateway says to browsers, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from media_worker.protocol import gateway_messages as messages
from mixer_core.bus.events import StreamInfo
from mixer_core.bus.rules import AdminRules


def test_every_message_is_json_with_its_type() -> None:
    assert json.loads(messages.pong(4)) == {"type": "pong", "t": 4}
    assert json.loads(messages.flush(9)) == {"type": "flush", "epoch": 9}
    assert json.loads(messages.to_json({"type": "level", "levels": {"p": float("-inf")}})) == {
        "type": "level",
        "levels": {"p": None},
    }
    assistant = messages.AssistantTraits(True, False, 1_024, 150_000)
    info = StreamInfo("browser", "home", "p-1", "Ada", False, "conference", "speak", True)
    assert json.loads(messages.welcome(info, 5, 2, assistant, AdminRules(), True)) == {
        "type": "welcome",
        "room": "home",
        "participant": "p-1",
        "name": "Ada",
        "role": "speak",
        "verified": True,
        "mode": "conference",
        "version": 1,
        "stream": 5,
        "epoch": 2,
        "push_to_talk": True,
        "speaks": False,
        "images": {"max_edge_px": 1_024, "max_bytes": 150_000},
        "rules": asdict(AdminRules()),
        "silenced": True,
    }
    blind = json.loads(
        messages.welcome(info, 5, 2, messages.AssistantTraits(), AdminRules(), False)
    )
    assert blind["images"] is None
