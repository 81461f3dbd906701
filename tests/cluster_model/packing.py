"""Worlds as bytes, the same bytes for worlds that are the same.

Values that never change are packed as a number, and shared by all worlds that hold them. The
numbers are those of this process.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import is_dataclass
from types import ModuleType
from typing import Any

from mixer_core.cluster import lease_actions, records, watch
from signaling.cluster import owner_actions

from . import world
from .world import World

_NUMBERS: dict[Any, int] = {}
_VALUES: list[Any] = []


def pack(state: World) -> bytes:
    image = io.BytesIO()
    _Pickler(image, pickle.HIGHEST_PROTOCOL).dump(state)
    return image.getvalue()


def unpack(packed: bytes) -> World:
    state: World = pickle.loads(packed)
    return state


def _value(number: int) -> Any:
    return _VALUES[number]


def _numbered(value: Any) -> tuple[Any, tuple[int]]:
    """How a value is packed that never changes."""
    number = _NUMBERS.get(value)
    if number is None:
        number = _NUMBERS[value] = len(_VALUES)
        _VALUES.append(value)
    return _value, (number,)


def _unchanging(*modules: ModuleType) -> list[Any]:
    """The frozen dataclasses of these modules."""
    found = [kind for module in modules for kind in vars(module).values() if is_dataclass(kind)]
    return [kind for kind in found if kind.__dataclass_params__.frozen]  # type: ignore[attr-defined]


class _Pickler(pickle.Pickler):
    dispatch_table = dict.fromkeys(
        _unchanging(lease_actions, records, watch, owner_actions, world), _numbered
    )
