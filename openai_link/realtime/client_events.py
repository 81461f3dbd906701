"""Client events of the Realtime API (GA). Sans-I/O.

Every event carries an ``event_id``, so that an ``error`` can be traced to its cause. A message or a
call that is put into the conversation by ``conversation.item.create`` gets the event's id as its
item id too, unless another one is given: then it is known before the server has answered.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Literal

DATA_CHANNEL = "oai-events"
"""Label of the data channel that carries the events."""
MAX_ITEM_ID_CHARS = 32
"""Longest id of an item, and of a call, that the server takes."""
MAX_PREFIX_CHARS = 20
TAG = "mixminus"
"""Key in a response's metadata: the id of the event that asked for it."""

_GREETING = "Greet the people in the room in one short sentence and offer your help."
_CREATE_ITEM = "conversation.item.create"

Event = dict[str, Any]
Role = Literal["user", "assistant", "system"]


class ClientEvents:
    """Makes client events with ids that are unique within one call.

    With a ``prefix`` of its own for each call (at most 20 characters) they are unique in the room.
    """

    def __init__(self, prefix: str = "mm") -> None:
        if not 0 < len(prefix) <= MAX_PREFIX_CHARS:
            raise ValueError(f"a prefix has 1 to {MAX_PREFIX_CHARS} characters, got {prefix!r}")
        self._prefix = prefix
        self._count = 0

    def _event(self, kind: str, **content: Any) -> Event:
        self._count += 1
        return {"type": kind, "event_id": f"{self._prefix}_{self._count}", **content}

    # Session

    def update_session(
        self, session: Mapping[str, Any], voice_locked: bool = False, with_model: bool = False
    ) -> Event:
        """Change the running session; ``session`` may be partial, but for its ``type``.

        ``voice_locked``: the assistant has spoken; its voice is left out, because a server that
        refuses one field refuses all. The model cannot be changed and is left out, but for servers
        that learn it only here (``with_model``).
        """
        wanted = {key: value for key, value in session.items() if with_model or key != "model"}
        audio = wanted.get("audio")
        if voice_locked and isinstance(audio, Mapping) and isinstance(audio.get("output"), Mapping):
            output = {key: value for key, value in audio["output"].items() if key != "voice"}
            wanted["audio"] = {**audio, "output": output}
        return self._event("session.update", session={"type": "realtime", **wanted})

    # Items

    def create_item(self, item: Mapping[str, Any], item_id: str = "", after: str = "") -> Event:
        """Add ``item`` behind the item ``after`` (``root``: first; empty: last)."""
        event = self._event(_CREATE_ITEM)
        event["item"] = {"id": item_id or event["event_id"], **item}
        if after:
            event["previous_item_id"] = after
        return event

    def message(self, role: Role, text: str, item_id: str = "", after: str = "") -> Event:
        """Add a written message of ``role``."""
        part = {"type": "output_text" if role == "assistant" else "input_text", "text": text}
        item = {"type": "message", "role": role, "content": [part]}
        return self.create_item(item, item_id, after)

    def user_text(self, text: str, item_id: str = "", after: str = "") -> Event:
        """Add a message of the user."""
        return self.message("user", text, item_id, after)

    def user_picture(
        self, url: str, text: str = "", detail: str = "auto", item_id: str = "", after: str = ""
    ) -> Event:
        """Add a picture (a data URL with a JPEG or PNG) of the user, with words before it."""
        image = {"type": "input_image", "image_url": url}
        if detail != "auto":
            image["detail"] = detail
        words = [{"type": "input_text", "text": text}] if text else []
        item = {"type": "message", "role": "user", "content": [*words, image]}
        return self.create_item(item, item_id, after)

    def assistant_text(self, text: str, item_id: str = "", after: str = "") -> Event:
        """Add a message of the assistant; its sound cannot be given back to a server."""
        return self.message("assistant", text, item_id, after)

    def system_text(self, text: str, item_id: str = "", after: str = "") -> Event:
        """Add a message of the system."""
        return self.message("system", text, item_id, after)

    def function_call(
        self, call: str, name: str, arguments: str, item_id: str = "", after: str = ""
    ) -> Event:
        """Add a tool call that the model made in an earlier session; ``arguments``: JSON text."""
        item = {"type": "function_call", "call_id": call, "name": name, "arguments": arguments}
        return self.create_item(item, item_id, after)

    def function_output(self, call: str, output: str, item_id: str = "", after: str = "") -> Event:
        """Add what the function ``call`` returned."""
        item = {"type": "function_call_output", "call_id": call, "output": output}
        return self.create_item(item, item_id, after)

    def mcp_approval(self, request: str, approve: bool, reason: str = "") -> Event:
        """Answer the approval request (its item id) of a tool that the server would run."""
        item: dict[str, Any] = {
            "type": "mcp_approval_response",
            "approval_request_id": request,
            "approve": approve,
        }
        return self.create_item({**item, "reason": reason} if reason else item)

    def truncate(self, item: str, audio_end_ms: int) -> Event:
        """Shorten an answer of the assistant to its first ``audio_end_ms``; its text goes."""
        return self._event(
            "conversation.item.truncate",
            item_id=item,
            content_index=0,
            audio_end_ms=max(0, audio_end_ms),
        )

    def delete(self, item: str) -> Event:
        """Take an item out of the conversation."""
        return self._event("conversation.item.delete", item_id=item)

    def retrieve(self, item: str) -> Event:
        """Ask for an item as the server has it, with its sound: large over a data channel."""
        return self._event("conversation.item.retrieve", item_id=item)

    # Sound

    def append(self, pcm: bytes) -> Event:
        """Sound of the room (PCM16, 24 kHz, at most 15 MiB as base64); over WebRTC it is RTP."""
        return self._event("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    def commit_input(self) -> Event:
        """What was heard becomes a message of the user; at least 100 ms."""
        return self._event("input_audio_buffer.commit")

    def clear_input(self) -> Event:
        """Forget what was heard and is not committed."""
        return self._event("input_audio_buffer.clear")

    def clear_output(self) -> Event:
        """Stop playing; truncates what was not played (WebRTC only)."""
        return self._event("output_audio_buffer.clear")

    # Responses

    def create_response(self, response: Mapping[str, Any] | None = None) -> Event:
        """Have the model answer now, with ``response`` overriding the session's values.

        The response carries the event's id as metadata ``TAG``.
        """
        event = self._event("response.create")
        given = dict(response or {})
        metadata = {**given.get("metadata", {}), TAG: event["event_id"]}
        return {**event, "response": {**given, "metadata": metadata}}

    def create_aside(self, response: Mapping[str, Any] | None = None) -> Event:
        """Have the model say something that is no part of the conversation.

        It may run beside the conversation's response and leaves no item behind. It calls no
        tools unless ``response`` says so.
        """
        return self.create_response(
            {"conversation": "none", "tool_choice": "none", **(response or {})}
        )

    def cancel_response(self, response_id: str = "") -> Event:
        """Stop generating; only while that response (empty: the conversation's) is active."""
        named = {"response_id": response_id} if response_id else {}
        return self._event("response.cancel", **named)


def greeting(instructions: str) -> dict[str, Any]:
    """Overrides for the response that greets a fresh room."""
    return {"instructions": f"{instructions}\n\n{_GREETING}".strip()}
