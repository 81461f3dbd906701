"""Invariants hold in any conversation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mixer_core.bus.pcm import SILENCE
from openai_link.simulator.engine.options import EngineOptions
from tests.openai_link.simulator.scripted import DOCS, TOOLS, packaged
from tests.openai_link.simulator.support import LOUD, Session
from tests.support.tables import examples

SENTENCES = [
    "What time is it?",
    "call lamp and get_time",
    "while you talk, call lamp",
    "long story",
    "cut off",
    "fail",
    "write",
    "quota",
    "search for x",
]


STEP = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(SENTENCES)),
    st.tuples(st.just("speak"), st.integers(1, 12)),
    st.tuples(st.just("wait"), st.integers(1, 120)),
    st.tuples(st.just("cancel"), st.none()),
    st.tuples(st.just("clear"), st.none()),
    st.tuples(st.just("aside"), st.sampled_from(SENTENCES)),
    st.tuples(st.just("outputs"), st.none()),
    st.tuples(st.just("approve"), st.booleans()),
    st.tuples(st.just("commit"), st.none()),
)


def take_step(session: Session, kind: str, value: Any) -> None:
    if kind == "write":
        session.write(value)
        session.send(type="response.create")
    elif kind == "speak":
        session.hear(LOUD, value)
        session.hear(SILENCE, 30)
    elif kind == "wait":
        session.wait(value)
    elif kind == "cancel":
        session.send(type="response.cancel")
    elif kind == "clear":
        session.send(type="output_audio_buffer.clear")
    elif kind == "commit":
        session.send(type="input_audio_buffer.commit")
    elif kind == "aside":
        content = [{"type": "input_text", "text": value}]
        item = {"type": "message", "role": "user", "content": content}
        wanted = {"conversation": "none", "input": [item]}
        session.send(type="response.create", response=wanted)
    elif kind == "outputs":
        for event in session.all("response.function_call_arguments.done"):
            session.give_output(event["call_id"], "7")
        session.send(type="response.create")
    else:
        for event in session.all("response.output_item.done"):
            if event["item"]["type"] == "mcp_approval_request":
                item = {"type": "mcp_approval_response", "approve": value}
                item["approval_request_id"] = event["item"]["id"]
                session.send(type="conversation.item.create", item=item)


@given(
    steps=st.lists(STEP, max_size=10),
    seed=st.integers(0, 1_000),
    transport=st.sampled_from(["webrtc", "websocket"]),
    modality=st.sampled_from(["audio", "text"]),
)
@settings(max_examples=examples(40), deadline=None)
def test_order_links_and_sums_hold_whatever_happens(
    steps: list[tuple[str, Any]], seed: int, transport: Any, modality: str
) -> None:
    audio = {"input": {"transcription": {"model": "gpt-transcribe"}}}
    wanted = {"tools": [*TOOLS, DOCS], "audio": audio, "output_modalities": [modality]}
    options = replace(EngineOptions(), transport=transport, generation_speed=30.0)
    session = packaged(wanted, options, seed)
    for kind, value in steps:
        take_step(session, kind, value)
    for _ in range(40):
        session.wait(100)
        if session.automaton.is_idle:
            break
    session.automaton.end()
