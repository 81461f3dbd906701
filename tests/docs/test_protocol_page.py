"""``docs/protocol.md`` names every message with its fields, and every request."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields

from media_worker.protocol import gateway_messages, room_events
from media_worker.protocol.browser_messages import MESSAGES
from mixer_core.bus.events import StreamInfo
from mixer_core.bus.rules import AdminRules
from tests.docs.documents import ROOT

TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
TELLERS = (
    "openai_link/room", "openai_link/turns", "openai_link/tools", "openai_link/transcript",
    "mixer_core",
)  # fmt: skip
"""Folders in which EVENTs for browsers are made."""


def rows(heading: str) -> dict[str, str]:
    """The first table below a heading: type → its fields as they are written."""
    section = re.split(rf"^## {heading}$", TEXT, flags=re.MULTILINE)[1].split("\n## ")[0]
    found = dict(re.findall(r"^\| `(\w+)` \| (.*?) \| .* \|$", section, re.MULTILINE))
    found.pop("type")
    return found


def named(cell: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", cell))


CLIENT, GATEWAY = (rows(f"Control messages of {who}") for who in ("a client", "the gateway"))


def test_every_message_of_a_client_is_there_with_its_fields() -> None:
    assert CLIENT.keys() == MESSAGES.keys()
    for kind, cls in MESSAGES.items():
        needed, _, optional = CLIENT[kind].partition("may have")
        required = {field.name for field in fields(cls) if field.default is MISSING}
        everything = {field.name for field in fields(cls)}
        assert required <= named(needed) <= everything, kind
        assert named(needed) | named(optional) == everything, kind


def own_messages() -> Iterator[dict[str, object]]:
    """One of each that a worker makes."""
    made = gateway_messages
    info, rules = StreamInfo("browser", "home"), AdminRules()
    yield json.loads(made.welcome(info, 1, 0, made.AssistantTraits(), rules, False))
    for text in (
        made.flush(1), made.room("assistant", rules), made.bye("code", "words"),
        made.notice("code", "words", 0), made.silenced(True, True), made.pong(1),
        made.error("code", "words"),
    ):  # fmt: skip
        yield json.loads(text)


def test_every_message_of_the_gateway_is_there() -> None:
    own = {message["type"] for message in own_messages()}
    assert GATEWAY.keys() == own | room_events.FORWARDED
    for message in own_messages():
        kind = str(message["type"])
        always, _, _ = GATEWAY[kind].partition("may have")
        assert named(always) == message.keys() - {"type"}, kind


def told() -> Iterator[tuple[str, set[str]]]:
    """Type and fields of each EVENT as it stands in the source, with what is added to it."""
    files = [file for folder in TELLERS for file in sorted((ROOT / folder).glob("*.py"))]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
                pairs = zip(node.keys, node.values, strict=True)
                for key, value in pairs:
                    if isinstance(key, ast.Constant) and key.value == "type":
                        yield getattr(value, "value", ""), {str(k) for k in keys}


def test_what_the_room_is_told_is_there_with_its_fields() -> None:
    seen = set()
    for kind, keys in told():
        if kind in room_events.FORWARDED:
            seen.add(kind)
            assert keys - {"type"} <= named(GATEWAY[kind]), kind
    assert seen == room_events.FORWARDED


def test_every_request_is_there() -> None:
    roles = (ROOT / "docs" / "roles.md").read_text(encoding="utf-8")
    requests = re.findall(r"^\| .*: `(\w+ /[^`]*)` \|", roles, re.MULTILINE)
    assert len(requests) > 20
    for request in requests:
        if request.partition(" ")[2] in ("/", "/web/{path}", "/selftest", "/favicon.ico"):
            continue  # The page.
        shown = request.replace("/rooms/{room}/participants/{secret}", "{Location}")
        assert f"`{shown.replace('{invitation}', '{id}')}`" in TEXT, request
