"""What strangers may do, in one place for all listeners of the gateway."""

from __future__ import annotations

from .http.acceptor import OpenConnections
from .limits.limiter import Limiter
from .limits.pictures import PictureLimits
from .settings import AssistantSettings, SignalingSettings


class Allowances:
    """Limits, and what has been used of them."""

    def __init__(self, section: SignalingSettings, pictures: AssistantSettings) -> None:
        self.limiter = Limiter(section.max_offers_per_minute, section.max_wrong_tokens_per_minute)
        """What one address may do in a minute."""
        self.pictures = pictures
        """What pictures may be."""
        self.picture_limits = PictureLimits(
            pictures.images_per_minute, pictures.images_per_hour_bytes
        )
        """How many of them people may show."""
        self.connections = OpenConnections(section.max_connections_per_address)
        """TCP connections of all listeners."""
