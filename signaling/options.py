"""What the gateway is given beside the settings, and what follows for its registry. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.runtime.units import MS_NS

from .registry.actions import Limits
from .registry.house import Verdict
from .settings import Settings


@dataclass(frozen=True, slots=True)
class Options:
    """What no setting says."""

    rebuild_ns: int = 1_500 * MS_NS
    """After the start, the time in which running children announce themselves."""
    verify: bool = False
    """People come by invitation."""
    verdict: Verdict = lambda subject, room: None
    """Whether somebody who came by an invitation may still be here."""


def limits(settings: Settings, options: Options) -> Limits:
    """The registry's limits, from the settings."""
    section = settings.signaling
    return Limits(
        max_participants=section.max_participants,
        max_rooms=section.max_rooms,
        max_pending_per_client=section.max_pending_per_address,
        max_places_per_client=_share(section.max_participants, section.max_percent_per_address),
        default_mode=section.mode,
        rooms=settings.rooms,
        answer_timeout_ns=section.answer_timeout_ms * MS_NS,
        rebuild_ns=options.rebuild_ns,
        verify=options.verify,
    )


def _share(places: int, percent: int) -> int:
    """Places that one address may have; 0: all. What is kept for others is rounded down."""
    return places - places * (100 - percent) // 100 if percent else 0
