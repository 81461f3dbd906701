"""The HTTP side: the page, offers, the room registry, metrics. Never touches audio."""
