"""Home Assistant: lights, switches and sensors of a home, through its REST API.

Needs ``[openai_link] home_assistant_url`` and, in the environment, ``HOME_ASSISTANT_TOKEN``, a
long-lived access token. Whatever opens, unlocks or disarms something, or may do so indirectly, is
done only after somebody in the room has confirmed it.
"""

from __future__ import annotations

import os
import re
from typing import Any, Literal, NoReturn

import aiohttp

from mixer_core.runtime.errors import UnreadableError
from mixer_core.runtime.foreign_data import read_json
from mixer_core.runtime.secrets import secret
from openai_link.tools import ToolDefinitionError, ToolError, tool

from ..secrets import HOME_ASSISTANT_VARIABLE
from ..settings import OpenaiLinkSettings

TOKEN_VARIABLE = HOME_ASSISTANT_VARIABLE
HARMLESS = frozenset(
    {"light", "switch", "fan", "media_player", "climate", "humidifier", "input_boolean"}
)
"""Domains that may be switched without confirmation."""
BLINDS = frozenset({"awning", "blind", "curtain", "shade", "shutter"})
"""Device classes of covers that are not entrances."""
MAX_FOUND = 40
MAX_BODY_BYTES = 4 << 20
TIMEOUT_S = 8.0
_ENTITY = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
_ATTRIBUTES = (
    "unit_of_measurement", "device_class", "brightness", "temperature", "current_temperature",
    "humidity", "hvac_action", "current_position", "media_title", "volume_level", "battery_level",
)  # fmt: skip
_AREAS = "{% for s in states %}{{ s.entity_id }}\t{{ area_name(s.entity_id) or '' }}\n{% endfor %}"


class _Home:
    """Where Home Assistant is; set once by ``configure``."""

    url = ""
    token = ""


def configure(settings: OpenaiLinkSettings) -> None:
    """Called once by the tool box.

    Raises:
        ToolDefinitionError: the URL or the token is missing.
        SettingsError: the token cannot be used.
    """
    url, token = settings.home_assistant_url.strip().rstrip("/"), secret(os.environ, TOKEN_VARIABLE)
    if not url.startswith(("http://", "https://")):
        raise ToolDefinitionError(
            "set [openai_link] home_assistant_url, such as http://homeassistant.local:8123"
        )
    if not token:
        raise ToolDefinitionError(f"set the environment variable {TOKEN_VARIABLE}")
    _Home.url, _Home.token = url, token


@tool
async def home_find(name: str = "", area: str = "", domain: str = "") -> list[dict[str, str]]:
    """List devices and sensors of the home with their state; use it to find an entity_id.

    Args:
        name: part of the name or entity_id; empty for all.
        area: part of the room's name; empty for all.
        domain: kind, such as light, switch, sensor, lock, cover; empty for all.
    """
    states = await _get("/api/states")
    areas = await _areas()
    found = [_listed(state, areas) for state in states if isinstance(state, dict)]
    chosen = [
        entry
        for entry in found
        if name.casefold() in f"{entry['name']} {entry['entity_id']}".casefold()
        and area.casefold() in entry["area"].casefold()
        and (not domain or entry["entity_id"].partition(".")[0] == domain)
    ]
    return chosen[:MAX_FOUND]


@tool
async def home_state(entity_id: str) -> dict[str, Any]:
    """Tell the state of one device or sensor.

    Args:
        entity_id: as home_find lists it, such as sensor.kitchen_temperature.
    """
    state = await _state(entity_id)
    attributes = state.get("attributes", {})
    return {
        "name": attributes.get("friendly_name", entity_id),
        "state": state.get("state", "unknown"),
        **{key: attributes[key] for key in _ATTRIBUTES if key in attributes},
    }


@tool
async def home_switch(entity_id: str, action: Literal["turn_on", "turn_off", "toggle"]) -> str:
    """Switch a light, socket, fan, media player, heating or blind on or off.

    On opens a blind, off closes it. Locks, alarms, doors, gates, scenes and scripts need
    home_guarded.

    Args:
        entity_id: as home_find lists it, such as light.kitchen.
        action: what to do.
    """
    domain = _checked(entity_id).partition(".")[0]
    if domain == "cover":
        state = await _state(entity_id)
        if state.get("attributes", {}).get("device_class") not in BLINDS:
            raise ToolError(f"{entity_id} may be an entrance: use home_guarded")
        names = {"turn_on": "open_cover", "turn_off": "close_cover", "toggle": "toggle"}
        return await _act(entity_id, names[action])
    if domain not in HARMLESS:
        raise ToolError(f"{domain} needs confirmation: use home_guarded")
    return await _act(entity_id, action)


@tool(confirm="Shall I do this: {action} {entity_id}?", filler="One moment.")
async def home_guarded(
    entity_id: str,
    action: Literal[
        "turn_on", "turn_off", "lock", "unlock", "open", "close", "arm_home", "arm_away", "disarm"
    ],
) -> str:
    """Operate a lock, alarm, door, garage door or gate, or run a scene, script or automation.

    People in the room are asked first. Only for what home_switch cannot do.

    Args:
        entity_id: as home_find lists it, such as lock.front_door.
        action: what to do.
    """
    return await _act(entity_id, _service(_checked(entity_id).partition(".")[0], action))


def _service(domain: str, action: str) -> str:
    """The API's name of a guarded action on an entity of ``domain``."""
    if domain == "alarm_control_panel":
        return f"alarm_{action}"
    if action in ("open", "close") and domain != "lock":
        return f"{action}_{domain}"
    return action


async def _act(entity_id: str, service: str) -> str:
    """Call a service of the entity's own domain: it reaches nothing but this entity."""
    domain = entity_id.partition(".")[0]
    await _request("POST", f"/api/services/{domain}/{service}", {"entity_id": entity_id})
    return f"{service} was sent to {entity_id}"


async def _state(entity_id: str) -> dict[str, Any]:
    state = await _get(f"/api/states/{_checked(entity_id)}")
    if not isinstance(state, dict):
        raise ToolError("Home Assistant's answer cannot be understood")
    return state


async def _areas() -> dict[str, str]:
    """Area by entity; empty if the token may not render templates."""
    try:
        text = await _request("POST", "/api/template", {"template": _AREAS}, as_text=True)
    except ToolError:
        return {}
    pairs = (line.split("\t", 1) for line in str(text).splitlines() if "\t" in line)
    return {entity.strip(): area.strip() for entity, area in pairs}


def _checked(entity_id: str) -> str:
    """One entity: never ``all``, a list or a path."""
    if not _ENTITY.fullmatch(entity_id):
        raise ToolError(f"{entity_id[:80]!r} is not an entity_id: find it with home_find")
    return entity_id


def _listed(state: dict[str, Any], areas: dict[str, str]) -> dict[str, str]:
    entity_id = str(state.get("entity_id", ""))
    attributes = state.get("attributes") or {}
    unit = attributes.get("unit_of_measurement", "")
    return {
        "entity_id": entity_id,
        "name": str(attributes.get("friendly_name", entity_id)),
        "state": f"{state.get('state', 'unknown')} {unit}".strip(),
        "area": areas.get(entity_id, ""),
    }


async def _get(path: str) -> Any:
    return await _request("GET", path)


async def _request(
    method: str, path: str, body: dict[str, Any] | None = None, as_text: bool = False
) -> Any:
    headers = {"Authorization": f"Bearer {_Home.token}"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
            session.request(
                method, f"{_Home.url}{path}", json=body, allow_redirects=False
            ) as response,
        ):
            if response.status not in (200, 201):
                _refused(response.status)
            data = await _body(response)
            return data.decode("utf-8", "replace") if as_text else read_json(data)
    except (aiohttp.ClientError, TimeoutError, UnreadableError) as error:
        raise ToolError(
            f"Home Assistant does not answer as expected ({type(error).__name__})"
        ) from error


async def _body(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > MAX_BODY_BYTES:
            raise ToolError("Home Assistant's answer is too long")
    return bytes(data)


def _refused(status: int) -> NoReturn:
    if status in (401, 403):
        raise ToolError(f"Home Assistant rejected the token ({status})")
    if status == 404:
        raise ToolError("Home Assistant does not know this entity: find it with home_find")
    if status == 400:
        raise ToolError("Home Assistant says that this entity cannot do that")
    raise ToolError(f"Home Assistant failed ({status})")
