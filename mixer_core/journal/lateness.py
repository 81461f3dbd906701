"""When what was said is late for its journal."""

from __future__ import annotations

from mixer_core.runtime.units import S_NS

LATE_NS = 6 * S_NS
"""Age of a record that is not kept yet. Longer than a lease of the cluster, and than NATS takes to
choose another leader; from then on people are told that the conversation is not being kept."""
