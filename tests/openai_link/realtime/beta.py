"""A server of the removed beta shape, as far as its events go: made of one of GA.

``say`` turns what the simulator sends into what a beta server sent; ``hear`` takes what a beta
server took, and fails where a client sends anything else.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

RENAMED = {
    "response.output_text.": "response.text.",
    "response.output_audio.": "response.audio.",
    "response.output_audio_transcript.": "response.audio_transcript.",
}
FORMATS = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
SESSION_KEYS = frozenset(
    {
        *("modalities", "instructions", "voice", "input_audio_format", "output_audio_format"),
        *("input_audio_transcription", "turn_detection", "tools", "tool_choice", "temperature"),
        *("max_response_output_tokens", "input_audio_noise_reduction", "speed", "tracing"),
    }
)
"""What ``session.update`` took; anything else was refused."""
RESPONSE_KEYS = frozenset(
    {
        *("modalities", "instructions", "voice", "output_audio_format", "tools", "tool_choice"),
        *("temperature", "max_response_output_tokens", "conversation", "metadata", "input"),
    }
)


def say(event: Json) -> list[Json]:
    """What a beta server sends in place of an event of GA."""
    kind = event["type"]
    if kind == "conversation.item.done":
        return []
    if kind == "conversation.item.added":
        return [{**event, "type": "conversation.item.created", "item": item(event["item"])}]
    if kind in ("session.created", "session.updated"):
        return [{**event, "session": flat(event["session"])}]
    for name, beta in RENAMED.items():
        if kind.startswith(name):
            return [{**event, "type": beta + kind.removeprefix(name)}]
    if "response" in event:
        return [{**event, "response": response(event["response"])}]
    if "item" in event:
        return [{**event, "item": item(event["item"])}]
    return [event]


def hear(event: Json) -> Json:
    """The event of GA that says the same as one of a client of the beta."""
    if event["type"] == "session.update":
        return {**event, "session": deep(event["session"])}
    if event["type"] == "conversation.item.create":
        parts = [part["type"] for part in event["item"].get("content", ())]
        assert not {"output_text", "output_audio"} & set(parts), event
        return {**event, "item": said(event["item"])}
    if event["type"] == "response.create" and "response" in event:
        asked = dict(event["response"])
        assert asked.keys() <= RESPONSE_KEYS, asked.keys() - RESPONSE_KEYS
        if "modalities" in asked:
            asked["output_modalities"] = one(asked.pop("modalities"))
        return {**event, "response": asked}
    return event


def flat(session: Json) -> Json:
    heard, spoken = session["audio"]["input"], session["audio"]["output"]
    return {
        **{key: session[key] for key in ("id", "object", "model", "expires_at", "instructions")},
        **{key: session[key] for key in ("tools", "tool_choice")},
        "modalities": both(session["output_modalities"]),
        "voice": spoken["voice"],
        "input_audio_format": FORMATS[heard["format"]["type"]],
        "output_audio_format": FORMATS[spoken["format"]["type"]],
        "input_audio_transcription": heard["transcription"],
        "turn_detection": heard["turn_detection"],
        "input_audio_noise_reduction": heard["noise_reduction"],
        "max_response_output_tokens": session["max_output_tokens"],
        "temperature": 0.8,
    }


def deep(session: Json) -> Json:
    assert session.keys() <= SESSION_KEYS, session.keys() - SESSION_KEYS
    names = {beta: name for name, beta in FORMATS.items()}
    heard: Json = {}
    spoken: Json = {key: session[key] for key in ("voice", "speed") if key in session}
    for key, name in (
        ("input_audio_transcription", "transcription"),
        ("turn_detection", "turn_detection"),
        ("input_audio_noise_reduction", "noise_reduction"),
    ):
        if key in session:
            heard[name] = session[key]
    if "input_audio_format" in session:
        heard["format"] = {"type": names[session["input_audio_format"]]}
    if "output_audio_format" in session:
        spoken["format"] = {"type": names[session["output_audio_format"]]}
    kept = ("instructions", "tools", "tool_choice", "tracing")
    whole: Json = {"type": "realtime", **{key: session[key] for key in kept if key in session}}
    if "modalities" in session:
        whole["output_modalities"] = one(session["modalities"])
    if "max_response_output_tokens" in session:
        whole["max_output_tokens"] = session["max_response_output_tokens"]
    return {**whole, "audio": {"input": heard, "output": spoken}}


def response(made: Json) -> Json:
    rest = {key: made[key] for key in made if key not in ("output_modalities", "audio")}
    modalities = both(made["output_modalities"])
    return {**rest, "modalities": modalities, "output": [item(one_) for one_ in made["output"]]}


def item(made: Json) -> Json:
    return parts_of(made, {"output_text": "text", "output_audio": "audio"}) | {
        "object": "realtime.item"
    }


def said(made: Json) -> Json:
    return parts_of(made, {"text": "output_text", "audio": "output_audio"})


def parts_of(made: Json, names: dict[str, str]) -> Json:
    if made.get("role") != "assistant":
        return dict(made)
    parts = [{**part, "type": names.get(part["type"], part["type"])} for part in made["content"]]
    return {**made, "content": parts}


def both(modalities: list[str]) -> list[str]:
    return ["audio", "text"] if modalities == ["audio"] else ["text"]


def one(modalities: list[str]) -> list[str]:
    assert modalities in (["text"], ["text", "audio"], ["audio", "text"]), "sound never alone"
    return ["audio"] if "audio" in modalities else ["text"]
