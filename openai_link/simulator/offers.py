"""Checks and cleans SDP offers before the WebRTC stack sees them. Pure."""

from __future__ import annotations

from openai_link.simulator.refusals import Refusal

_FAILED = "Failed to parse offer: failed to unmarshal SDP: "


def invalid_offer(reason: str) -> Refusal:
    """The offer cannot be used (HTTP 400)."""
    return Refusal("invalid_offer", _FAILED + reason)


def clean_offer(sdp: str) -> str:
    """Return the offer without what would make ICE wait for ever.

    Host names ending in ``.local`` cannot be resolved here, and together with the end-of-candidates
    mark they leave the ICE agent with nothing to do. The peer is found by its own checks instead.
    Raises Refusal ``invalid_offer`` when the text is empty, cut off, or no offer of audio or data.
    """
    if not sdp.endswith("\n"):
        raise invalid_offer("EOF")
    if not sdp.startswith("v=0"):
        raise invalid_offer(f"sdp: invalid syntax `{sdp[:20].strip()}`")
    lines = sdp.splitlines()
    kinds = {line[2:].split(" ", 1)[0] for line in lines if line.startswith("m=")}
    if not kinds & {"audio", "application"}:
        raise invalid_offer("no media section of kind audio or application")
    kept = [line for line in lines if not _is_harmful(line)]
    return "\r\n".join(kept) + "\r\n"


def has_audio(sdp: str) -> bool:
    """Whether the offer has an audio section."""
    return any(line.startswith("m=audio ") for line in sdp.splitlines())


def _is_harmful(line: str) -> bool:
    if line == "a=end-of-candidates":
        return True
    fields = line.split(" ")
    return line.startswith("a=candidate:") and len(fields) > 4 and fields[4].endswith(".local")
