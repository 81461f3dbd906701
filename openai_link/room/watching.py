"""What a conversation finds in its room, and whom it tells what it meets."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.metrics import Metrics

from ..mixer_client import MixerClient
from ..playback.tracker import Truncation
from ..realtime.facts import Fact
from ..settings import OpenaiLinkSettings
from ..turns.actions import TypedText

if TYPE_CHECKING:
    from .conversation import Conversation


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a conversation finds in its room."""

    settings: OpenaiLinkSettings
    line: MixerClient
    metrics: Metrics
    log: logging.LoggerAdapter[logging.Logger]


class Watcher(Protocol):
    """Who is told what a conversation meets; all on the event loop."""

    def on_confirmed(self, conversation: Conversation) -> None:
        """The server has our session: ``learn`` what it must know."""

    def on_ready(self, conversation: Conversation) -> None:
        """The server knows what was said before: it may ``talk``."""

    def on_fact(self, conversation: Conversation, fact: Fact, now_ns: int) -> None:
        """Something happened in the conversation (not: an echo of what it was told)."""

    def on_heard(self, conversation: Conversation, until: Truncation) -> None:
        """A reply was cut off: nobody heard what came after this."""

    def on_said(self, said: TypedText) -> None:
        """Somebody wrote, and the server is told."""

    def on_lost(self, conversation: Conversation, error: UpstreamError) -> None:
        """The call is gone, or its session cannot be used."""

    def on_change(self) -> None:
        """A time-out may have moved."""
