"""The responses of a session: one in the conversation at a time, others beside it. Sans-I/O."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from . import refusals, usage
from .brain import Brain, Ending, Reply, ToolOutput, Turn
from .conversation import Conversation
from .ids import RandomSource
from .items import Item, parse_item
from .mcp import McpServers
from .options import EngineOptions as EngineOptions
from .options import happens
from .output_audio import OutputAudio
from .output_items import ResponseSetup
from .requests import ResponseRequest
from .response import ResponsePlan, ResponseRun
from .server_events import Action, EventMaker
from .session_config import LiveSession

Json = dict[str, Any]

_SMALL_CONTEXT_TOKENS, _CONTEXT_TOKENS = 28_672, 96_000
_SMALL_MODELS = ("gpt-realtime-1", "gpt-realtime-mini", "gpt-realtime-2025")
_NOTHING = Reply("[simulator] There is nothing to say.", b"")


class Responses:
    """Starts, advances, cancels and finishes responses."""

    def __init__(
        self,
        conversation: Conversation,
        output: OutputAudio,
        brain: Brain,
        mcp: McpServers,
        events: EventMaker,
        random: RandomSource,
        options: EngineOptions,
        session: LiveSession,
    ) -> None:
        """``session``: its instructions and tools count as input tokens."""
        self._conversation = conversation
        self._output = output
        self._brain = brain
        self._mcp = mcp
        self._events = events
        self._random = random
        self._options = options
        self._session = session
        self._runs: list[ResponseRun] = []
        self._inputs: dict[str, usage.Tokens] = {}
        self._previous_input = usage.Tokens()
        self._notes: dict[str, int] = {}

    def active(self) -> ResponseRun | None:
        """Return the response in the conversation that is being generated, or None."""
        return next((run for run in self._runs if run.in_conversation), None)

    @property
    def any_running(self) -> bool:
        """Whether anything is being generated."""
        return bool(self._runs)

    def start(self, request: ResponseRequest, reply: Reply | None, now_ns: int) -> list[Action]:
        """Begin a response. ``reply``: a reply made before; None: ask the brain.

        Raises Refusal when one in the conversation is active.
        """
        active = self.active()
        if request.in_conversation and active is not None:
            raise refusals.response_active(active.id)
        context = self._context(request.input)
        if reply is None:
            reply = self._brain.reply(self._turn(request, context))
        reply = self._fitted(reply, request, context)
        plan = ResponsePlan(
            reply, request.voice, request.format, request.metadata, request.max_output_tokens
        )
        run = ResponseRun(plan, self._setup(request, reply))
        self._inputs[run.id] = self._input_tokens(context)
        self._runs.append(run)
        return self._events.stamped(run.begin(now_ns))

    def advance(self, now_ns: int) -> list[Action]:
        """Generate what is due, and finish what is generated."""
        actions: list[Action] = []
        for run in list(self._runs):
            actions += self._events.stamped(run.advance(now_ns))
            if run.finished_generating:
                actions += self.finish(run, None)
        return actions

    def cancel(self, response_id: Any) -> list[Action]:
        """Cancel a response by id, or the active one (None). Raises Refusal if there is none."""
        run = self.active()
        if response_id is not None:
            run = next((known for known in self._runs if known.id == response_id), None)
        if run is None:
            raise refusals.cancel_not_active()
        return self.finish(run, "client_cancelled")

    def finish(self, run: ResponseRun, reason: str | None) -> list[Action]:
        """End a response, cancelled for ``reason`` or as planned (None)."""
        self._runs.remove(run)
        actions = self._events.stamped(run.close(reason))
        self._output.generated(run.id)
        given = self._inputs.pop(run.id)
        if run.status != "failed" or run.items:
            made = usage.total(run.items)
            run.usage = usage.usage_event(given, self._previous_input, made)
            self._previous_input = given
        reply = run.plan.reply
        for request_id, call in zip(run.approvals(), reply.mcp_calls, strict=False):
            granted = replace(call, approval_request_id=request_id)
            self._mcp.ask(
                request_id,
                replace(reply, mcp_calls=(granted,), ask_first=False),
                replace(_NOTHING, transcript=reply.denied or _NOTHING.transcript),
            )
        actions += self._events.stamped([run.done_event()])
        if not happens(self._options.omit_rate_limits, self._random):
            actions.append(self._rate_limits(run.usage))
        return actions

    def _rate_limits(self, used: Json | None) -> Action:
        limit = {
            "name": "tokens",
            "limit": usage.TOKEN_LIMIT_PER_MINUTE,
            "remaining": max(
                0, usage.TOKEN_LIMIT_PER_MINUTE - (used["total_tokens"] if used else 0)
            ),
            "reset_seconds": 0.0,
        }
        return self._events.make("rate_limits.updated", rate_limits=[limit])

    # --- context of a response ---------------------------------------------------------------

    def _setup(self, request: ResponseRequest, reply: Reply) -> ResponseSetup:
        return ResponseSetup(
            response_id=self._events.mint.make("resp"),
            in_conversation=request.in_conversation,
            conversation=self._conversation,
            output=self._output,
            mint=self._events.mint,
            random=self._random,
            options=self._options,
            modality="text" if reply.text_only else request.modality,
            audio_format=str(request.format["type"]),
        )

    def _turn(self, request: ResponseRequest, context: Conversation) -> Turn:
        """Return what is to be answered: the last user turn in the context."""
        said = context.last_user_turn()
        newest = context.items[-1] if context.items else None
        is_old = newest is None or (newest.kind == "message" and newest.role == "assistant")
        words = {} if said is None else _words(said)
        return Turn(
            **words,
            outputs=tuple(_tool_output(context, item) for item in context.newest_outputs()),
            is_new=not is_old,
            instructions=request.instructions,
            tools=request.tools,
            tool_choice=request.tool_choice,
            parallel=request.parallel,
            dice=self._random.randrange(1 << 31),
            notes=self._notes,
        )

    def _context(self, given: list[Json] | None) -> Conversation:
        if given is None:
            return self._conversation
        context = Conversation("")
        for entry in given:
            if isinstance(entry, dict) and entry.get("type") == "item_reference":
                known = self._conversation.find(entry.get("id"), "retrieve", "finding")
                context.insert(known)
            else:
                known_items = [*self._conversation.items, *context.items]
                context.insert(parse_item(entry, self._events.mint, known_items))
        return context

    def _fitted(self, reply: Reply, request: ResponseRequest, context: Conversation) -> Reply:
        """Return the reply, or a failure if the context is too long and truncation is disabled."""
        session = self._session.fields
        if session["truncation"] != "disabled":
            return reply
        if usage.total(context.items, self._preamble()).total <= self._context_tokens():
            return reply
        message = "The conversation is longer than the model's context, and truncation is disabled."
        return Reply("", b"", ending=Ending("failed", "context_length_exceeded", message))

    def _input_tokens(self, context: Conversation) -> usage.Tokens:
        ratio, limit = 1.0, self._context_tokens()
        truncation = self._session.fields["truncation"]
        if isinstance(truncation, dict):
            ratio = truncation["retention_ratio"]
            limit = (truncation.get("token_limits") or {}).get("post_instructions") or limit
        kept = usage.within(context.items, limit, ratio)
        return usage.total(kept, self._preamble())

    def _preamble(self) -> str:
        session = self._session.fields
        tools = json.dumps(session["tools"]) if session["tools"] else ""
        return str(session["instructions"]) + tools

    def _context_tokens(self) -> int:
        if self._options.context_tokens:
            return self._options.context_tokens
        model = str(self._session.fields["model"])
        is_small = model == "gpt-realtime" or model.startswith(_SMALL_MODELS)
        return _SMALL_CONTEXT_TOKENS if is_small else _CONTEXT_TOKENS


def _words(said: Item) -> dict[str, Any]:
    """Return the content of a user message as arguments of ``Turn``."""
    if said.audio_ms or said.spoken_turn:
        words = {"recognized": said.recognized, "spoken_turn": said.spoken_turn}
        return {"audio": said.audio or None, **words}
    return {"text": said.text, "images": said.images}


def _tool_output(context: Conversation, item: Item) -> ToolOutput:
    call_id = item.fields["call_id"]
    calls = (other.fields for other in context.items if other.kind == "function_call")
    call = next((fields for fields in calls if fields["call_id"] == call_id), {})
    return ToolOutput(
        str(call.get("name", "")), str(call.get("arguments", "")), item.fields["output"]
    )
