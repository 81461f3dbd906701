"""What a turn took, as spans: the engine that ships, in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.report.turn_picture import draw
from mixer_core.runtime.metrics import Metrics
from mixer_core.runtime.units import MS_NS
from openai_link.facts import (
    ResponseStarted,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    TurnCommitted,
)
from openai_link.room.turn_traces import MAX_TOOLS, STAGES, Span, TurnTrace, TurnTraces
from tests.openai_link.room.websocket_world import WebsocketWorld
from tests.openai_link.room.world import PAGE_NS, Scene, Step, World, say, speak, until, wait

PICTURE = Path(__file__).parents[3] / "docs" / "turn-trace.svg"
START = (wait(300),)
ANSWERED = (until("speaking"), until("idle", 20_000), wait(1_000))


def run(*steps: Step, world_type: type[World] = World, **keys: object) -> World:
    given = {"heard": ("Good morning.",) * 9, **keys}
    world = world_type(Scene("traces", (*START, *steps), **given))  # type: ignore[arg-type]
    world.finish()
    return world


def stages(trace: TurnTrace) -> dict[str, Span]:
    return {span.name: span for span in trace.spans[1:] if span.name != "tool"}


def check_sound(trace: TurnTrace) -> None:
    """Stages follow one another without a gap, and the turn spans them all."""
    whole, *parts = trace.spans
    at_ns = whole.start_ns
    for span in (part for part in parts if part.name != "tool"):
        assert span.start_ns == at_ns <= span.end_ns, trace
        at_ns = span.end_ns
    assert all(whole.start_ns <= span.start_ns <= span.end_ns <= whole.end_ns for span in parts)
    assert whole.end_ns == max([whole.start_ns, *(span.end_ns for span in parts)])


@pytest.mark.parametrize("world_type", [World, WebsocketWorld])
def test_a_spoken_turn_has_all_its_stages_in_order(world_type: type[World]) -> None:
    world = run(speak(900), *ANSWERED, world_type=world_type)
    (trace,) = world.traces
    check_sound(trace)
    assert (trace.outcome, tuple(stages(trace))) == ("played", STAGES)
    assert trace.spans[0].attributes["kind"] == "spoken"
    played = stages(trace)["played"]
    assert abs(played.end_ns - played.start_ns - PAGE_NS) <= 40 * MS_NS
    counted = world.engine.metrics.snapshot()
    for name in ("commit", "response", "first_audio", "played", "reply"):
        histogram = counted[f"turn_{name}_ms"]
        assert isinstance(histogram, list) and sum(histogram[:-1]) == 1, name
    assert counted["conversation_turns_total"] == counted["turns_answered_total"] == 1


def test_typed_words_begin_a_turn_that_is_committed_at_once() -> None:
    (trace,) = run(say("Good morning."), *ANSWERED).traces
    check_sound(trace)
    assert (trace.outcome, trace.spans[0].attributes["kind"]) == ("played", "typed")
    assert stages(trace)["committed"].start_ns == stages(trace)["committed"].end_ns


def test_a_turn_with_a_tool_ends_with_the_answer_after_it() -> None:
    world = run(speak(900), *ANSWERED, tools=("get_time",), heard=("call get_time",))
    (trace,) = world.traces
    check_sound(trace)
    (tool,) = [span for span in trace.spans if span.name == "tool"]
    assert tool.attributes == {"tool": "get_time", "outcome": "done"}
    assert tool.end_ns - tool.start_ns >= 300 * MS_NS
    assert tool.end_ns <= stages(trace)["first_audio"].end_ns
    counted = world.engine.metrics.snapshot()
    assert (counted["tool_calls_total"], counted["tool_failures_total"]) == (1, 0)
    bars = [
        (f"{span.name} {span.attributes.get('tool', '')}".strip(), span.start_ns, span.end_ns)
        for span in trace.spans
    ]
    assert PICTURE.read_text() == draw(bars), "docs/turn-trace.svg shows another turn"


def test_who_speaks_on_before_the_answer_sounds_begins_another_turn() -> None:
    traces = TurnTraces(Metrics())
    assert not traces.on_fact(1, SpeechStopped("item_1"), 10)
    assert not traces.on_fact(1, TurnCommitted("item_1"), 20)
    assert not traces.on_fact(1, ResponseStarted("resp_1"), 30)
    (trace,) = traces.on_fact(1, SpeechStarted("item_2"), 40)
    check_sound(trace)
    assert (trace.outcome, tuple(stages(trace))) == ("interrupted", ("committed", "response"))
    assert not traces.on_fact(1, SpeechStopped("item_2"), 50)


def test_a_lost_session_does_not_lose_the_turn() -> None:
    world = run(speak(900), until("thinking"), Step("lose"), *ANSWERED, wait(6_000))
    assert [trace.outcome for trace in world.traces] == ["played"]
    check_sound(world.traces[0])


def test_calls_without_an_output_do_not_end_the_measuring_of_others() -> None:
    metrics = Metrics()
    traces = TurnTraces(metrics)
    for number in range(MAX_TOOLS + 1):
        traces.on_fact(1, ToolCalled("r", "i", f"c{number}", "clock", "{}"), 0)
    traces.tool_answered(f"c{MAX_TOOLS}", True, 7)
    report = metrics.snapshot()["tool_duration_ms"]
    assert isinstance(report, list) and sum(report[:-1]) == 1
