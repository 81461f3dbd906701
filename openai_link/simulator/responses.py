"""The responses of a session: at most one in the conversation at a time, others beside it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openai_link.simulator import refusals
from openai_link.simulator.brains import Brain, Turn
from openai_link.simulator.conversation import Conversation, parse_item
from openai_link.simulator.output_audio import OutputAudio
from openai_link.simulator.requests import ResponseRequest
from openai_link.simulator.response import ResponsePlan, ResponseRun
from openai_link.simulator.server_events import Action, EventMaker
from openai_link.simulator.usage import TOKEN_LIMIT_PER_MINUTE, response_usage

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How a session behaves beyond what its client configures."""

    think_ms: int = 40
    """Time from ``response.created`` to the first words."""
    generation_speed: float = 8.0
    """How much faster than real time replies are generated."""
    session_limit_s: float = 3_600.0
    """When the session expires."""


class Responses:
    """Starts, advances, cancels and finishes responses."""

    def __init__(
        self,
        conversation: Conversation,
        output: OutputAudio,
        brain: Brain,
        events: EventMaker,
        options: EngineOptions,
        instructions: Callable[[], str],
    ) -> None:
        """``instructions``: returns the session's present instructions, which are billed too."""
        self._conversation = conversation
        self._output = output
        self._brain = brain
        self._events = events
        self._options = options
        self._instructions = instructions
        self._runs: list[ResponseRun] = []
        self._done_count = 0

    def active(self) -> ResponseRun | None:
        """The response of the conversation that is being generated."""
        return next((run for run in self._runs if run.plan.in_conversation), None)

    def start(self, request: ResponseRequest, now_ns: int) -> list[Action]:
        """Begin a response. Raises Refusal when the conversation has one already."""
        active = self.active()
        if request.in_conversation and active is not None:
            raise refusals.response_active(active.id)
        plan = ResponsePlan(
            response_id=self._events.mint.make("resp"),
            reply=self._brain.reply(self._turn(request)),
            modality=request.modality,
            in_conversation=request.in_conversation,
            voice=request.voice,
            metadata=request.metadata,
            max_output_tokens=request.max_output_tokens,
            think_ms=self._options.think_ms,
            speed=self._options.generation_speed,
        )
        run = ResponseRun(plan, self._conversation, self._output, self._events.mint)
        self._runs.append(run)
        return self._events.stamped(run.begin(now_ns))

    def advance(self, now_ns: int) -> list[Action]:
        """Generate what is due, and finish what is complete."""
        actions: list[Action] = []
        for run in list(self._runs):
            actions += self._events.stamped(run.advance(now_ns))
            if run.finished_generating:
                actions += self.finish(run, None)
        return actions

    def cancel(self, response_id: Any) -> list[Action]:
        """Cancel a response by id, or the active one (None). Raises Refusal when there is none."""
        run = self.active()
        if response_id is not None:
            run = next((known for known in self._runs if known.id == response_id), None)
        if run is None:
            raise refusals.cancel_not_active()
        return self.finish(run, "client_cancelled")

    def finish(self, run: ResponseRun, reason: str | None) -> list[Action]:
        """Close a response, cancelled for ``reason`` or complete: its ``done`` events, in order."""
        self._runs.remove(run)
        actions = self._events.stamped(run.close(reason))
        answer = run.item if run.opened else None
        history = [item for item in self._conversation.items if item is not answer]
        is_first = self._done_count == 0
        run.usage = response_usage(history, self._instructions(), answer, is_first)
        self._done_count += 1
        limit = {
            "name": "tokens",
            "limit": TOKEN_LIMIT_PER_MINUTE,
            "remaining": max(0, TOKEN_LIMIT_PER_MINUTE - run.usage["total_tokens"]),
            "reset_seconds": 0.0,
        }
        actions += self._events.stamped([run.done_event()])
        actions.append(self._events.make("rate_limits.updated", rate_limits=[limit]))
        return actions

    def _turn(self, request: ResponseRequest) -> Turn:
        """What is to be answered: the user's last words in the request's context."""
        if request.input is None:
            item = self._conversation.last_user_turn()
        else:
            item = self._context(request.input).last_user_turn()
        if item is None:
            return Turn()
        return Turn(audio=item.audio) if item.audio_ms else Turn(text=item.text)

    def _context(self, given: list[Json]) -> Conversation:
        context = Conversation("")
        for entry in given:
            if isinstance(entry, dict) and entry.get("type") == "item_reference":
                known = self._conversation.find(entry.get("id"), "retrieve", "finding")
                context.insert(known)
            else:
                context.insert(parse_item(entry, self._events.mint, self._conversation))
        return context
