"""What a hostile or forgetful server does to its events, by a seed. Sans-I/O.

A rule picks events by the beginning of their type and does one thing to some of them. The events of
a session pass through ``Hostility`` on their way from the simulator's engine to the room's engine.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mixer_core.runtime.units import MS_NS
from openai_link.realtime.event_kinds import IGNORED
from openai_link.realtime.reducer import Reducer

Json = dict[str, Any]
Deed = Literal["drop", "delay", "duplicate", "reorder", "rename", "corrupt", "drop_rest"]
DEEDS: tuple[Deed, ...] = (
    *("drop", "drop", "drop", "delay", "duplicate", "reorder"),
    *("rename", "corrupt", "corrupt", "drop_rest"),
)
KINDS = tuple(sorted({*Reducer().handlers, *IGNORED}))
GROUPS = ("", "response.", "conversation.item.", "input_audio_buffer.", "output_audio_buffer.")
OFTEN = (
    *("session.created", "session.updated", "response.created", "response.done"),
    *("response.output_item.added", "response.output_item.done", "conversation.item.added"),
    *("conversation.item.done", "response.function_call_arguments", "rate_limits.updated"),
    *("output_audio_buffer.started", "output_audio_buffer.stopped", "error"),
    *("input_audio_buffer.committed", "input_audio_buffer.speech_stopped"),
    *("conversation.item.input_audio_transcription", "response.output_audio"),
)
"""What rules pick more often than chance does."""
VALUES: tuple[Any, ...] = (
    *(None, "", 0, -1, True, 1.5, 10**400, 2**63, [], {}, [None], {"id": None}),
    *("x" * 5_000, "\ud83d", "root", "completed", "cancelled"),
)


@dataclass(frozen=True)
class Rule:
    """One thing that happens to some events."""

    deed: Deed
    kinds: str = ""
    """The beginning of their types; empty: all."""
    share: float = 1.0
    """How many of them."""
    times: int = 10_000
    """Most often."""
    skip: int = 0
    """So many are left alone first."""
    delay_ms: int = 0


@dataclass(frozen=True)
class Sent:
    """An event to deliver, after a while."""

    event: Json
    delay_ns: int = 0


def random_rules(source: random.Random) -> tuple[Rule, ...]:
    """One to four rules."""
    return tuple(_random_rule(source) for _ in range(source.choice((1, 1, 2, 2, 3, 4))))


def _random_rule(source: random.Random) -> Rule:
    deed = source.choice(DEEDS)
    kinds = source.choice((source.choice(OFTEN), source.choice(OFTEN), source.choice(KINDS)))
    if source.random() < 0.2:
        kinds = source.choice(GROUPS)
    return Rule(
        deed,
        kinds,
        source.choice((1.0, 1.0, 0.5, 0.2)),
        source.choice((1, 1, 2, 10_000, 10_000)),
        source.choice((0, 0, 1, 2, source.randrange(30))),
        source.choice((40, 300, 2_000, 12_000)),
    )


class Hostility:
    """Applies rules to the events of a room's sessions, until ``stop``."""

    def __init__(self, rules: tuple[Rule, ...], seed: int) -> None:
        self.rules = rules
        self._random = random.Random(seed)
        self._seen = [0] * len(rules)
        self._done = [0] * len(rules)
        self._cut_off: set[int] = set()
        """Sessions of which nothing more comes."""
        self._held: dict[int, Json] = {}
        """Events that wait for the next one, by session."""
        self.edit: Callable[[Json], Json | None] | None = None
        """Makes another event of each, or none."""
        self.is_over = False

    def stop(self) -> None:
        """From now on the server behaves; sessions that it has cut off stay so."""
        self.is_over = True

    def cut_off(self, session: int) -> None:
        """Nothing more comes in this session, although its connection stays up."""
        self._cut_off.add(session)

    def is_cut_off(self, session: int) -> bool:
        """Whether nothing more comes in this session."""
        return session in self._cut_off

    def passes(self, session: int, event: Json) -> list[Sent]:
        """What is delivered in place of ``event``, in order."""
        if session in self._cut_off:
            return []
        if self.edit is not None:
            edited = self.edit(event)
            return [] if edited is None else [Sent(edited)]
        held = self._held.pop(session, None)
        sent = [Sent(event)] if self.is_over else self._apply(session, event)
        return sent if held is None else [*sent, Sent(held)]

    def _apply(self, session: int, event: Json) -> list[Sent]:
        sent = [Sent(event)]
        for number, rule in enumerate(self.rules):
            if not self._picks(number, rule, str(event["type"])):
                continue
            match rule.deed:
                case "drop":
                    return []
                case "drop_rest":
                    self._cut_off.add(session)
                    return sent
                case "reorder":
                    self._held[session] = event
                    return []
                case "delay":
                    sent = [Sent(s.event, s.delay_ns + rule.delay_ms * MS_NS) for s in sent]
                case "duplicate":
                    twin = {**event, "event_id": f"{event.get('event_id')}x"}
                    sent.append(Sent(self._random.choice((event, twin)), rule.delay_ms * MS_NS))
                case "rename":
                    kinds = (*KINDS, "response.audio.delta", "x.unknown", event["type"].upper())
                    sent = [Sent({**s.event, "type": self._random.choice(kinds)}) for s in sent]
                case "corrupt":
                    sent = [Sent(self._corrupted(s.event), s.delay_ns) for s in sent]
        return sent

    def _picks(self, number: int, rule: Rule, kind: str) -> bool:
        if not kind.startswith(rule.kinds) or self._done[number] >= rule.times:
            return False
        self._seen[number] += 1
        if self._seen[number] <= rule.skip or self._random.random() >= rule.share:
            return False
        self._done[number] += 1
        return True

    def _corrupted(self, event: Json) -> Json:
        """One field is missing, or has another value. Another ``call_id`` were another call."""
        event = copy.deepcopy(event)
        owner, key = self._random.choice([place for place in _places(event) if place[1] != "type"])
        if key == "call_id" or (self._random.random() < 0.4 and isinstance(owner, dict)):
            del owner[key]
        else:
            owner[key] = self._random.choice(VALUES)
        return event


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """All fields: what holds them, and under which key."""
    keys = value.keys() if isinstance(value, Mapping) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])
