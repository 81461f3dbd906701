"""What tests with a real NATS server share."""

from __future__ import annotations

from tests.support.nats_server import names, nats_server

__all__ = ["names", "nats_server"]
