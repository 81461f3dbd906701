"""The states of a room's connection, and the actions that ``Lifecycle`` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..transport.interface import TransportKind

State = Literal["idle", "connecting", "ready", "reconnecting", "failed", "closed"]


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a session now."""

    kind: TransportKind = "webrtc"


@dataclass(frozen=True, slots=True)
class Disconnect:
    """End the sessions and the attempt, with a hang-up."""

    reason: str
    """Code of the problem, or why the room is given up."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """Tell browsers and signaling."""

    state: State
    detail: str
    """What happened and what happens next, in words; empty while all is well."""


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the room about an error, in words."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Exit:
    """Nothing is left to do: end the process with code 0."""

    reason: str


LifecycleAction = Connect | Disconnect | StateChanged | Report | Exit
