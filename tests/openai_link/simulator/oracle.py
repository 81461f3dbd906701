"""The oracle: what OpenAI's own typed events say about one event, sent or received."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter

Json = dict[str, Any]

SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
CLIENT_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)

_EXTRAS = {"obfuscation", "phase", "reasoning_tokens"}
_SESSION_EXTRAS = {".session.id", ".session.object", ".session.expires_at"}


def extras(model: Any, path: str = "") -> Iterator[str]:
    """Paths of all keys that the types do not know."""
    if isinstance(model, BaseModel):
        yield from (f"{path}.{key}" for key in model.model_extra or {})
        for key in type(model).model_fields:
            yield from extras(getattr(model, key), f"{path}.{key}")
    elif isinstance(model, list):
        for entry in model:
            yield from extras(entry, path + "[]")


def _check(event: Json, adapter: TypeAdapter[Any]) -> Any:
    model = adapter.validate_python(event)
    assert model.type == event["type"]
    unknown = [
        path
        for path in extras(model)
        if path.rsplit(".", 1)[1] not in _EXTRAS and path not in _SESSION_EXTRAS
    ]
    assert not unknown, (event["type"], unknown)
    return model


def check(event: Json) -> Any:
    """Assert that a server event has the shape of its type and no keys beyond; return it typed."""
    model = _check(event, SERVER_EVENT)
    assert event["event_id"].startswith("event_")
    return model


def check_sent(event: Json) -> Any:
    """Assert the same of a client event, and that it carries an id; return it typed."""
    assert event["event_id"]
    return _check(event, CLIENT_EVENT)
