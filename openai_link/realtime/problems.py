"""Why the assistant is not there, in words that name the cause and the cure. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.runtime.errors import UpstreamError

from ..settings import KEY_VARIABLE
from .upstream import Upstream

_CURES = {
    "invalid_api_key": f"Set {KEY_VARIABLE} to a valid key and restart the gateway.",
    "insufficient_quota": "Add credit to the account, or raise its limit.",
    "billing_hard_limit_reached": "Raise the account's billing limit.",
    "account_deactivated": "Use the key of an active account.",
    "model_not_found": "Set [openai_link] model to one that this key may use.",
    "invalid_offer": "Report this: the call's offer could not be read.",
}
_CAUSES = {
    "invalid_api_key": "refused the API key",
    "insufficient_quota": "refused the call: its quota is used up",
    "billing_hard_limit_reached": "refused the call: the billing limit is reached",
    "account_deactivated": "refused the call: the account is deactivated",
    "model_not_found": "does not know the model, or the key may not use it",
    "session_expired": "ended the session: it reached its greatest length",
    "rate_limit_exceeded": "refused the call: too many requests",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason, ready to be shown."""

    code: str
    message: str
    """A sentence with the cause and, where there is one, the cure."""
    retryable: bool
    status: int = 0
    """HTTP status of the refusal, 0 where there was none."""


def explain(error: UpstreamError, upstream: Upstream) -> Problem:
    """What ``error`` means to the people in the room."""
    tag = f" ({error.status} {error.code})" if error.status else f" ({error.code})"
    if error.code in ("unreachable", "connect_timeout", "connection_lost"):
        return Problem(error.code, _transport(error, upstream), error.retryable, error.status)
    if error.code in _CAUSES:
        sentence = f"{upstream.title} {_CAUSES[error.code]}{tag}."
    else:
        sentence = f"{upstream.title} refused the call{tag}: {_sentence(str(error))}"
    cure = _CURES.get(error.code, "")
    return Problem(error.code, f"{sentence} {cure}".strip(), error.retryable, error.status)


def _transport(error: UpstreamError, upstream: Upstream) -> str:
    if error.code == "connection_lost":
        return f"The connection to {upstream.title} was lost: {_sentence(str(error))}"
    if upstream.simulated:
        return f"The simulator does not answer at {upstream.base_url}."
    where = upstream.base_url.split("://")[-1].split("/")[0]
    return f"{upstream.title} cannot be reached at {where}: {_sentence(str(error))}"


def _sentence(text: str) -> str:
    short = " ".join(text.split())[:300] or "no reason was given"
    return short if short.endswith((".", "!", "?")) else f"{short}."
