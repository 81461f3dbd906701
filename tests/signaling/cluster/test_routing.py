"""Where a request belongs, for every route that there is."""

from __future__ import annotations

import pytest

from signaling.cluster.routing import HERE, node_of, own_path, route

ROOM = "/rooms/{room}"
PERSON = f"{ROOM}/participants/{{participant}}"
RECORDING = f"{ROOM}/recordings/{{recording}}"
PARTS = {"room": "home", "participant": "p-1.s", "recording": "r1", "file": "mix.flac"}
THERE = {"room": "home", "participant": "p-1.s~b", "recording": "r1~b", "file": "mix.flac"}
OWN = {"room": "home", "participant": "p-1.s~a", "recording": "r1~a", "file": "mix.flac"}

OWNER_S: dict[tuple[str, str], str] = {
    ("GET", ROOM): "usual",
    ("PATCH", ROOM): "usual",
    ("DELETE", ROOM): "usual",
    ("HEAD", f"{ROOM}/transcript"): "usual",
    ("DELETE", f"{ROOM}/conversation"): "usual",
    ("GET", f"{ROOM}/conversations/{{conversation}}"): "usual",
    ("GET", f"{ROOM}/search"): "usual",
    ("POST", f"{ROOM}/participants"): "offer",
    ("POST", f"/voice{ROOM}/participants"): "offer",
    ("POST", f"/listen{ROOM}/participants"): "offer",
    ("DELETE", PERSON): "usual",
    ("PUT", f"{PERSON}/mute"): "usual",
    ("GET", f"{PERSON}/end"): "wait",
    ("HEAD", f"{PERSON}/end"): "wait",
    ("POST", f"{PERSON}/pictures"): "picture",
    ("DELETE", RECORDING): "usual",
    ("GET", f"{RECORDING}/{{file}}"): "usual",
}


def of(path: str, parts: dict[str, str]) -> dict[str, str]:
    """Those of ``parts`` that a path has."""
    return {name: value for name, value in parts.items() if f"{{{name}}}" in path}


@pytest.mark.parametrize(("method", "path"), OWNER_S)
def test_what_is_about_a_room_is_its_owner_s(method: str, path: str) -> None:
    kind = OWNER_S[method, path]
    owner_s = route(method, path, of(path, PARTS), "a")
    assert (owner_s.kind, owner_s.node, owner_s.room) == (kind, "", "home")
    about_a_thing = "{participant}" in path or "{recording}" in path
    there = route(method, path, of(path, THERE), "a")
    assert (there.kind, there.node, there.room) == (
        (kind, "b", "") if about_a_thing else (kind, "", "home")
    )
    if about_a_thing:
        assert route(method, path, of(path, OWN), "a") == HERE


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/rooms", "/session", "/ice", "/metrics", "/web/{path}"),
        *(f"{ROOM}/recordings", f"{ROOM}/invitations", f"{ROOM}/invitations/{{invitation}}"),
    ],
)
def test_the_rest_any_node_does(path: str) -> None:
    assert route("GET", path, of(path, THERE), "a") == HERE


@pytest.mark.parametrize("room", ["", "Attic", "../x", "a" * 65, "a~b"])
def test_what_is_no_room_is_nobody_else_s(room: str) -> None:
    assert route("POST", f"{ROOM}/participants", {"room": room}, "a") == HERE


@pytest.mark.parametrize(
    ("name", "node"),
    [
        *[("x~b", "b"), ("x~y~b-2", "b-2"), ("x", ""), ("x~", ""), ("~b", "b"), ("x~B", "")],
        *[("x~b.c", ""), ("x~*", ""), ("x~>", ""), (f"x~{'b' * 33}", ""), ("x~b\n", "")],
    ],
)
def test_only_a_node_s_name_is_one(name: str, node: str) -> None:
    """It becomes part of a subject."""
    assert node_of(name) == node


def test_the_path_at_another_node_has_no_public_path_and_keeps_what_was_escaped() -> None:
    parts = {"room": "home", "participant": "p-1/é ?~b"}
    assert own_path(f"/voice{PERSON}/end", parts) == (
        "/rooms/home/participants/p-1%2F%C3%A9%20%3F~b/end"
    )
    assert own_path(f"/listen{PERSON}", THERE) == "/listen/rooms/home/participants/p-1.s~b"
    assert own_path("/voice/rooms", {}) == "/rooms"
    assert own_path(f"{ROOM}/recordings", PARTS) == "/rooms/home/recordings"
