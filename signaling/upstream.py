"""Which assistant the links will talk to, for readiness and the log. Pure; mirrors design §8."""

from __future__ import annotations

from collections.abc import Mapping

from mixer_core.bus.settings import OpenaiLinkSettings

KEY_VARIABLE = "OPENAI_API_KEY"


def is_simulated(settings: OpenaiLinkSettings, env: Mapping[str, str]) -> bool:
    """Whether links use the local simulator: asked for, or ``auto`` without a key."""
    if settings.upstream == "auto":
        return not env.get(KEY_VARIABLE, "").strip()
    return settings.upstream == "simulator"


def in_words(settings: OpenaiLinkSettings, env: Mapping[str, str]) -> str:
    """What the log says of the assistant."""
    if is_simulated(settings, env):
        return "local simulator"
    return f"OpenAI model {settings.model}"
