"""Why the assistant is not there, in words that name the cause and the cure. Sans-I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mixer_core.runtime.errors import RefusalKind, UpstreamError
from mixer_core.runtime.units import S_NS

from ..secrets import KEY_VARIABLE
from .upstream import Upstream

_CURES = {
    "invalid_api_key": f"Set {KEY_VARIABLE} to a valid key and restart the gateway.",
    "insufficient_quota": "Add credit to the account, or raise its limit.",
    "billing_hard_limit_reached": "Raise the account's billing limit.",
    "account_deactivated": "Use the key of an active account.",
    "model_not_found": "Set [openai_link] model to one that this key may use.",
    "invalid_offer": "Report this: the call's offer could not be read.",
    "beta_api_shape": 'Set [openai_link] dialect to "auto".',
}
_KIND_CURES: Mapping[RefusalKind, str] = {
    "key": _CURES["invalid_api_key"],
    "quota": _CURES["insufficient_quota"],
    "region": "Use a server that may be called from here.",
    "model": _CURES["model_not_found"],
    "permission": "Use a key that may do this, or have it allowed.",
}
_CAUSES = {
    "invalid_api_key": "refused the API key",
    "insufficient_quota": "refused the call: its quota is used up",
    "billing_hard_limit_reached": "refused the call: the billing limit is reached",
    "account_deactivated": "refused the call: the account is deactivated",
    "model_not_found": "does not know the model, or the key may not use it",
    "session_expired": "ended the session: it reached its greatest length",
    "rate_limit_exceeded": "refused the call: too many requests",
    "beta_api_shape": "speaks the removed beta shape of the Realtime API",
}
_KIND_CAUSES: Mapping[RefusalKind, str] = {
    "key": _CAUSES["invalid_api_key"],
    "quota": _CAUSES["insufficient_quota"],
    "region": "refused the call: it does not serve this region",
    "model": "does not take the model",
    "permission": "refused the call: the key may not do this",
    "rate": _CAUSES["rate_limit_exceeded"],
}
_OF_THE_CONNECTION = frozenset(
    {"unreachable", "connect_timeout", "connection_lost", "no_answer", "flooded"}
)
"""Codes of ours: nothing was refused."""
_PLAIN = frozenset({"invalid_api_key", "session_expired", "beta_api_shape"})
"""Codes that need no words of the server."""
_SECRET = re.compile(r"\b(?:sk|ek|pk)[-_][\w*.…-]{4,}|\b[0-9a-f]{40,}\b", re.IGNORECASE)
"""Keys, masked or not, and their hashes."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason, ready to be shown."""

    code: str
    message: str
    """A sentence with the cause and, where there is one, the cure."""
    retryable: bool
    status: int = 0
    """HTTP status of the refusal, 0 where there was none."""
    retry_after_ns: int = 0
    """The server wants no other attempt before; 0: it does not say."""
    other_way: bool = False
    """The same server may take the call by another transport."""
    is_specific: bool = False
    """It is a refusal that says more than that the server has nothing at this address."""


def explain(error: UpstreamError, upstream: Upstream) -> Problem:
    """What ``error`` means to the people in the room."""
    if error.code in _OF_THE_CONNECTION:
        return _problem(error, _transport(error, upstream))
    tag = f" ({error.status} {error.code})" if error.status else f" ({error.code})"
    cause = _CAUSES.get(error.code) or _KIND_CAUSES.get(error.kind)
    cure = _CURES.get(error.code) or _KIND_CURES.get(error.kind, "")
    words = _without_secrets(_sentence(str(error)), upstream)
    sentence = f"{upstream.title} {cause or 'refused the call'}{tag}"
    sentence += "." if error.code in _PLAIN else f": {words}"
    return _problem(error, f"{sentence} {cure}".strip())


def _problem(error: UpstreamError, message: str) -> Problem:
    retry_after_ns = int(error.retry_after_s * S_NS)
    return Problem(
        error.code,
        message,
        error.retryable,
        error.status,
        retry_after_ns,
        error.other_way,
        error.is_specific,
    )


def _without_secrets(words: str, upstream: Upstream) -> str:
    """Some servers repeat the key, or parts and hashes of it."""
    if upstream.api_key:
        words = words.replace(upstream.api_key, "***")
    return _SECRET.sub("***", words)


def _transport(error: UpstreamError, upstream: Upstream) -> str:
    if error.code == "connection_lost":
        name = "the simulator" if upstream.simulated else upstream.title
        return f"The connection to {name} was lost: {_sentence(str(error))}"
    if error.code == "flooded":
        return f"{upstream.title} sends more than a conversation has: {_sentence(str(error))}"
    if error.code == "no_answer":
        return f"{upstream.title} does not answer: {_sentence(str(error))}"
    if upstream.simulated:
        return f"The simulator does not answer at {upstream.base_url}."
    where = upstream.base_url.split("://")[-1].split("/")[0]
    return f"{upstream.title} cannot be reached at {where}: {_sentence(str(error))}"


def _sentence(text: str) -> str:
    short = " ".join(text.split())[:300] or "no reason was given"
    return short if short.endswith((".", "!", "?")) else f"{short}."
