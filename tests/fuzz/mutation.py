"""Changes inputs by a seed: bytes of any input, and values where the form has them."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgpack

from .border import Border

EDGES = (0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 191, 192, 254, 255)
WIDE = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**63 - 1, -(2**63), 1.5, -0.0, 1e308),
    *("", "x", "x" * 300, "\ud83d", "\x00", "é\u202e\u200b", "1", "null", "{}", "..", "https://["),
    *([], {}, [None], {"": None}, {"id": None}, [[]], {"type": "error"}),
)
JSON_VALUES: tuple[Any, ...] = (*VALUES, 10**400, float("nan"), float("inf"), "x" * 5_000)
MOST_CHANGES = 6


class Mutator:
    """Makes inputs from a growing list of good ones."""

    def __init__(self, border: Border, inputs: Sequence[bytes], seed: int) -> None:
        self._border = border
        self._random = random.Random(f"{border.name} {seed}")
        self.inputs = list(inputs) or [b""]

    def next(self) -> bytes:
        """One more input."""
        return self.next_of(self._random.choice(self.inputs))

    def next_of(self, data: bytes) -> bytes:
        """A change of ``data``."""
        for _ in range(self._random.randint(1, MOST_CHANGES)):
            data = self._changed(data)
        return data[: self._border.most_bytes]

    def _changed(self, data: bytes) -> bytes:
        form = self._border.form
        if form in ("json", "msgpack") and self._random.random() < 0.6:
            changed = self._with_other_value(data, form)
            if changed is not None:
                return changed
        change = self._random.choice(_CHANGES)
        return bytes(change(self, bytearray(data)))

    # -- values -----------------------------------------------------------------------------------

    def _with_other_value(self, data: bytes, form: str) -> bytes | None:
        try:
            box = [json.loads(data) if form == "json" else msgpack.unpackb(data)]
            owner, key = self._random.choice(list(_places(box)))
            self._change_value(owner, key)
            if form == "json":
                return json.dumps(box[0]).encode()
            return bytes(msgpack.packb(box[0], unicode_errors="surrogatepass"))
        except (ValueError, RecursionError, OverflowError, TypeError, KeyError):
            return None
        except msgpack.exceptions.UnpackException:
            return None

    def _change_value(self, owner: Any, key: Any) -> None:
        chance = self._random.random()
        values = JSON_VALUES if self._border.form == "json" else VALUES
        value = owner[key]
        if chance < 0.2 and not (isinstance(owner, list) and len(owner) == 1):
            del owner[key]
        elif chance < 0.3 and isinstance(owner, list):
            owner.insert(self._random.randrange(len(owner) + 1), copy.deepcopy(value))
        elif chance < 0.4 and isinstance(owner, dict):
            owner[self._word()] = copy.deepcopy(value)
        elif chance < 0.5:
            for _ in range(self._random.choice((1, 2, 40))):
                value = [value] if self._random.random() < 0.5 else {"x": value}
            owner[key] = value
        elif chance < 0.7 and isinstance(value, str):
            owner[key] = self._random.choice((value * 2, value[:-1], value.upper(), self._word()))
        else:
            owner[key] = copy.deepcopy(self._random.choice((*values, self._word())))

    def _word(self) -> str:
        token = self._random.choice(self._border.tokens or (b"x",))
        return token.decode("latin-1")

    # -- bytes ------------------------------------------------------------------------------------

    def _flip(self, data: bytearray) -> bytearray:
        if data:
            data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
        return data

    def _set(self, data: bytearray) -> bytearray:
        if data:
            data[self._random.randrange(len(data))] = self._random.choice(EDGES)
        return data

    def _number(self, data: bytearray) -> bytearray:
        size = self._random.choice((2, 4))
        if len(data) >= size:
            at = self._random.randrange(len(data) - size + 1)
            value = self._random.choice(WIDE) & ((1 << 8 * size) - 1)
            data[at : at + size] = value.to_bytes(size, self._random.choice(("big", "little")))
        return data

    def _cut(self, data: bytearray) -> bytearray:
        begin, end = self._range(data)
        del data[begin:end]
        return data

    def _double(self, data: bytearray) -> bytearray:
        begin, end = self._range(data)
        times = self._random.choice((1, 1, 2, 30))
        data[begin:begin] = data[begin:end] * times
        return data[: self._border.most_bytes]

    def _shorten(self, data: bytearray) -> bytearray:
        return data[: self._random.randrange(len(data) + 1)]

    def _insert(self, data: bytearray) -> bytearray:
        at = self._random.randrange(len(data) + 1)
        data[at:at] = self._random.randbytes(self._random.choice((1, 2, 4, 16)))
        return data

    def _token(self, data: bytearray) -> bytearray:
        if self._border.tokens:
            begin, end = self._range(data)
            end = begin if self._random.random() < 0.5 else end
            data[begin:end] = self._random.choice(self._border.tokens)
        return data

    def _splice(self, data: bytearray) -> bytearray:
        other = self._random.choice(self.inputs)
        head = data[: self._random.randrange(len(data) + 1)]
        return head + other[self._random.randrange(len(other) + 1) :]

    def _range(self, data: bytearray) -> tuple[int, int]:
        begin = self._random.randrange(len(data) + 1)
        return begin, min(len(data), begin + self._random.choice((1, 2, 4, 8, 32, 200)))


_CHANGES = (
    *(Mutator._flip, Mutator._set, Mutator._number, Mutator._cut, Mutator._double),
    *(Mutator._shorten, Mutator._insert, Mutator._token, Mutator._token, Mutator._splice),
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """All fields: what holds them, and under which key."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])
