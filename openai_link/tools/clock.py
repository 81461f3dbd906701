"""The time and the date."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from openai_link.tools import ToolError, tool

MAX_ZONE_CHARS = 64


@tool
def get_time(time_zone: str = "") -> dict[str, str]:
    """Tell the current time, date and day of the week.

    Args:
        time_zone: name in the IANA database, such as Europe/Berlin; empty for the local time.
    """
    return describe(datetime.now(zone(time_zone)).astimezone(zone(time_zone)))


def zone(name: str) -> ZoneInfo | None:
    """The zone called ``name``; None for empty, the local time.

    Raises:
        ToolError: there is no such zone.
    """
    if not name.strip():
        return None
    try:
        return ZoneInfo(name.strip()[:MAX_ZONE_CHARS])
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ToolError(
            f"there is no time zone {name[:MAX_ZONE_CHARS]!r}: use a name like Europe/Berlin"
        ) from error


def describe(moment: datetime) -> dict[str, str]:
    """What the model needs to speak about an aware ``moment``."""
    return {
        "time": f"{moment:%H:%M:%S}",
        "date": f"{moment:%Y-%m-%d}",
        "weekday": f"{moment:%A}",
        "time_zone": f"{moment:%Z}",
        "utc_offset": f"{moment:%z}",
    }
